//! What a folder looks like from outside: which files there are, and whether they have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file of which nothing is heard, as behind a link or on a network, is taken to be complete when it has not changed
/// for this long.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// The same for a file that somebody has written to and not closed. Most likely there is more to come.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// The manifests of a folder by file name.
pub(super) type Snapshot = BTreeMap<OsString, Look>;

/// What the kernel says of a file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A regular file, or a symbolic link to one.
    File(Stamp),
    /// Something that cannot be read as a file.
    Odd(String),
}

/// Two equal stamps mean equal content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Which changed files are written completely, as far as that is known. A file that a program is still writing to must
/// not be read: half a file is often a good manifest with half of the objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trust {
    /// Those to look at.
    pub(super) changed: Changed,
    /// Files that were written to and not closed.
    unfinished: BTreeSet<OsString>,
}

/// What was heard of changed files since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Changed {
    /// Nothing: those that have not changed for a while are complete.
    #[default]
    Unknown,
    /// These were closed, renamed or linked after the last write.
    Named(BTreeSet<OsString>),
    /// All of them may be others now.
    Everything,
}

/// Looks at the folder.
pub(super) fn take(folder: &Path) -> io::Result<Snapshot> {
    let mut snapshot = Snapshot::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_manifest(&name) {
            // One that was removed between the two calls is shown by the next look.
            let look = look_at(folder, &name).unwrap_or_else(|| Look::Odd("it leads nowhere".to_owned()));
            snapshot.insert(name, look);
        }
    }
    Ok(snapshot)
}

/// Looks at one file of the folder; none if there is no such name.
pub(super) fn look_at(folder: &Path, name: &OsStr) -> Option<Look> {
    let path = folder.join(name);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Some(Look::File(Stamp::of(&metadata))),
        Ok(_) => Some(Look::Odd("not a regular file".to_owned())),
        Err(_) if fs::symlink_metadata(&path).is_err() => None,
        // A link that leads nowhere.
        Err(error) => Some(Look::Odd(error.to_string())),
    }
}

/// Whether a file of this name is read: the three endings, and not hidden, since editors and Kubernetes'
/// volumes keep unfinished work in hidden files.
pub(super) fn is_manifest(name: &OsStr) -> bool {
    let hidden = name.as_encoded_bytes().starts_with(b".");
    let ending = Path::new(name).extension().and_then(OsStr::to_str);
    !hidden && matches!(ending, Some("yaml" | "yml" | "json"))
}

// === impl Stamp ===

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Told by the time of the last change, which unlike that of the last modification nobody can set.
    fn is_settled(&self, limit: Duration) -> bool {
        let (seconds, _) = self.changed;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_secs().abs_diff(seconds.unsigned_abs()) > limit.as_secs()
    }
}

// === impl Look ===

impl Look {
    /// Whether the content may be read as far as `trust` goes.
    pub(super) fn is_complete(&self, name: &OsStr, trust: &Trust) -> bool {
        let Look::File(stamp) = self else { return true };
        if trust.unfinished.contains(name) {
            return stamp.is_settled(ABANDONED_AFTER);
        }
        let is_heard_of = match &trust.changed {
            Changed::Unknown => false,
            Changed::Named(names) => names.contains(name),
            Changed::Everything => true,
        };
        is_heard_of || stamp.is_settled(SETTLED_AFTER)
    }
}

// === impl Trust ===

impl Trust {
    /// Everything is taken as it is.
    pub(super) fn everything() -> Self {
        Trust { changed: Changed::Everything, unfinished: BTreeSet::new() }
    }

    /// Begins to listen anew. What is being written still is.
    pub(super) fn begin(&mut self) {
        self.changed = Changed::Unknown;
    }

    /// Somebody has begun to write a file, or goes on with it.
    pub(super) fn begun(&mut self, path: &Path) {
        if let Some(name) = path.file_name().filter(|name| is_manifest(name)) {
            self.unfinished.insert(name.to_owned());
        }
    }

    /// A file is complete, or gone. One that is not a manifest says nothing of those that are, unless they may lead
    /// through it, as in Kubernetes' own volumes: a link or a directory.
    pub(super) fn finished(&mut self, path: &Path) {
        let Some(name) = path.file_name() else { return };
        self.unfinished.remove(name);
        if is_manifest(name) {
            match &mut self.changed {
                Changed::Everything => (),
                Changed::Named(names) => {
                    names.insert(name.to_owned());
                }
                Changed::Unknown => self.changed = Changed::Named(BTreeSet::from([name.to_owned()])),
            }
        } else if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            self.changed = Changed::Everything;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_no_manifest_counts_only_if_manifests_may_lead_through_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        fs::write(path(".a.yaml.swp"), "").unwrap();
        fs::create_dir(path("..1")).unwrap();
        symlink("..1", path("..data")).unwrap();
        let changed = |name| {
            let mut trust = Trust::default();
            trust.finished(&path(name));
            trust.changed
        };
        assert_eq!(changed("a.yaml"), Changed::Named(BTreeSet::from(["a.yaml".into()])));
        assert_eq!(changed(".a.yaml.swp"), Changed::Unknown);
        assert_eq!(changed("gone"), Changed::Unknown);
        assert_eq!(changed("..1"), Changed::Everything);
        assert_eq!(changed("..data"), Changed::Everything);
    }

    /// A file that has not changed for so many seconds.
    fn quiet_for(seconds: u64) -> Look {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let changed = (i64::try_from(now - seconds).unwrap(), 0);
        Look::File(Stamp { device: 1, inode: 1, length: 1, modified: changed, changed })
    }

    #[test]
    fn a_file_that_is_being_written_is_not_complete() {
        let name = OsStr::new("a.yaml");
        let path = Path::new("/nowhere/a.yaml");
        let mut trust = Trust::default();
        assert!(quiet_for(10).is_complete(name, &trust));
        trust.begun(path);
        trust.changed = Changed::Everything;
        assert!(!quiet_for(10).is_complete(name, &trust));
        assert!(quiet_for(100).is_complete(name, &trust));
        trust.finished(path);
        assert!(quiet_for(0).is_complete(name, &trust));
    }
}
