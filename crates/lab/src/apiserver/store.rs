//! The objects, their versions, and what happened to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::resource::Resource;
use super::selector::Selector;

/// Objects and history.
#[derive(Debug)]
pub(super) struct Store {
    version: u64,
    /// Whoever wants to go on from before this version cannot.
    oldest: u64,
    objects: BTreeMap<(Resource, String), Value>,
    history: Vec<Record>,
    /// Wakes the watches.
    changed: watch::Sender<()>,
}

/// A change of one object.
#[derive(Clone, Debug)]
struct Record {
    version: u64,
    resource: Resource,
    before: Option<Value>,
    after: Option<Value>,
}

/// A change as a watch tells it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub(super) what: &'static str,
    pub(super) object: Value,
}

// === impl Store ===

impl Default for Store {
    fn default() -> Self {
        Store {
            version: 1,
            oldest: 1,
            objects: BTreeMap::new(),
            history: Vec::new(),
            changed: watch::Sender::default(),
        }
    }
}

impl Store {
    pub(super) fn apply(&mut self, resource: Resource, key: &str, mut object: Value) -> u64 {
        self.version += 1;
        stamp(&mut object, self.version);
        let before = self.objects.insert((resource, key.to_owned()), object.clone());
        self.record(resource, before, Some(object))
    }

    pub(super) fn delete(&mut self, resource: Resource, key: &str) -> bool {
        let Some(mut before) = self.objects.remove(&(resource, key.to_owned())) else { return false };
        self.version += 1;
        stamp(&mut before, self.version);
        self.record(resource, Some(before), None);
        true
    }

    pub(super) fn forget(&mut self) {
        self.version += 1;
        self.oldest = self.version;
    }

    pub(super) fn rewind(&mut self) {
        let objects = std::mem::take(&mut self.objects);
        self.history.clear();
        self.version = 1;
        self.oldest = 1;
        for ((resource, key), object) in objects {
            self.apply(resource, &key, object);
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// A signal for each change.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Every object that the selector matches, in the order of keys.
    pub(super) fn list(&self, resource: Resource, selector: &Selector) -> Vec<Value> {
        let all = self.objects.iter().filter(|((other, _), _)| *other == resource);
        all.map(|(_, object)| object).filter(|object| selector.matches(object)).cloned().collect()
    }

    /// Whether a watch can go on from `version`. A version of the future is no obstacle: nothing is told until
    /// it is reached.
    pub(super) fn remembers(&self, version: u64) -> bool {
        version >= self.oldest
    }

    /// What happened after `version`, as seen through the selector: an object that no longer matches it has
    /// been deleted.
    pub(super) fn since(&self, resource: Resource, selector: &Selector, version: u64) -> Vec<Event> {
        let records = self.history.iter().filter(|record| record.resource == resource);
        records.filter(|record| record.version > version).filter_map(|record| record.seen(selector)).collect()
    }

    fn record(&mut self, resource: Resource, before: Option<Value>, after: Option<Value>) -> u64 {
        self.history.push(Record { version: self.version, resource, before, after });
        self.changed.send_replace(());
        self.version
    }
}

/// Gives an object its version, as far as its shape allows.
fn stamp(object: &mut Value, version: u64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), json!(version.to_string()));
    }
}

// === impl Record ===

impl Record {
    fn seen(&self, selector: &Selector) -> Option<Event> {
        let was = self.before.as_ref().filter(|object| selector.matches(object));
        let is = self.after.as_ref().filter(|object| selector.matches(object));
        let (what, object) = match (was, is) {
            (None, None) => return None,
            (None, Some(object)) => ("ADDED", object.clone()),
            (Some(_), Some(object)) => ("MODIFIED", object.clone()),
            (Some(object), None) => {
                let mut object = object.clone();
                stamp(&mut object, self.version);
                ("DELETED", object)
            }
        };
        Some(Event { what, object })
    }
}
