//! What a source has told already, so that it can tell what is new and what is gone.

use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU64;

use foldhash::quality::FixedState;
use hashbrown::HashMap;
use model::{Change, Kind, ObjectKey, Problem};

use crate::decode::{self, Decoded, Object, Outcome};

/// What was told of one kind. It holds fingerprints, not objects.
#[derive(Debug)]
pub(crate) struct Told {
    kind: Kind,
    entries: HashMap<ObjectKey, Entry>,
    listing: u64,
}

#[derive(Debug, Default)]
struct Entry {
    /// Fingerprint of the object that readers hold; absent while they hold none.
    object: Option<NonZeroU64>,
    /// Fingerprint of the complaints about it, so that each is told once.
    problems: Option<NonZeroU64>,
    /// The last listing that it was part of.
    listing: u64,
}

// === impl Told ===

impl Told {
    pub(crate) fn new(kind: Kind) -> Self {
        Told { kind, entries: HashMap::new(), listing: 0 }
    }

    /// The kind that this is about.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Starts a complete listing; [`Told::end_listing`] counts as gone what is not told between the two.
    pub(crate) fn begin_listing(&mut self) {
        self.listing += 1;
    }

    /// The changes that `decoded` makes. What readers know already is not told again.
    pub(crate) fn tell(&mut self, decoded: Decoded) -> Vec<Change> {
        let Decoded { outcome, problems } = decoded;
        let (key, object) = match outcome {
            Outcome::Object(object) => (object.key(), Some(object)),
            Outcome::NotSelected(key) => (key, None),
            Outcome::Unusable(Some((_, key))) => {
                let mut changes = Vec::new();
                self.entry(key).complain(problems, &mut changes);
                return changes;
            }
            Outcome::Unusable(None) => return problems.into_iter().map(Change::Problem).collect(),
        };
        let kind = self.kind;
        let entry = self.entry(key.clone());
        let mut changes = Vec::new();
        entry.complain(problems, &mut changes);
        match object {
            Some(object) => changes.extend(entry.apply(*object)),
            None => changes.extend(entry.object.take().map(|_| decode::removal(kind, key))),
        }
        changes
    }

    /// The object is gone.
    pub(crate) fn remove(&mut self, key: ObjectKey) -> Option<Change> {
        let entry = self.entries.remove(&key)?;
        entry.object.map(|_| decode::removal(self.kind, key))
    }

    /// Ends a listing: whatever was not part of it is gone.
    pub(crate) fn end_listing(&mut self) -> Vec<Change> {
        let listing = self.listing;
        let gone: Vec<(ObjectKey, Entry)> =
            self.entries.extract_if(|_, entry| entry.listing != listing).collect();
        let mut keys: Vec<ObjectKey> =
            gone.into_iter().filter(|(_, entry)| entry.object.is_some()).map(|(key, _)| key).collect();
        keys.sort();
        keys.into_iter().map(|key| decode::removal(self.kind, key)).collect()
    }

    fn entry(&mut self, key: ObjectKey) -> &mut Entry {
        let entry = self.entries.entry(key).or_default();
        entry.listing = self.listing;
        entry
    }
}

// === impl Entry ===

impl Entry {
    fn apply(&mut self, object: Object) -> Option<Change> {
        let fingerprint = fingerprint(&object);
        (self.object.replace(fingerprint) != Some(fingerprint)).then(|| object.into_change())
    }

    fn complain(&mut self, problems: Vec<Problem>, changes: &mut Vec<Change>) {
        let fingerprint = (!problems.is_empty()).then(|| fingerprint(&problems));
        if self.problems != fingerprint {
            self.problems = fingerprint;
            changes.extend(problems.into_iter().map(Change::Problem));
        }
    }
}

/// A hash of the whole content. Zero stands for another number, so that having none takes no room.
fn fingerprint(content: &impl Hash) -> NonZeroU64 {
    NonZeroU64::new(FixedState::default().hash_one(content)).unwrap_or(NonZeroU64::MAX)
}
