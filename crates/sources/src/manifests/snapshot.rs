//! What a folder looks like from outside: which files there are, and whether they have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that nobody has said to be complete is taken to be so when it has not changed for this long.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

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

/// Which changed files are known to be written completely. A file that a program is still writing to must not
/// be read: half a file is often a good manifest with half of the objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// Only those that have not changed for a while.
    #[default]
    Settled,
    /// These too: they were closed, renamed or linked after the last write.
    Named(BTreeSet<OsString>),
    /// All of them.
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
    fn is_settled(&self) -> bool {
        let (seconds, _) = self.changed;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_secs().abs_diff(seconds.unsigned_abs()) > SETTLED_AFTER.as_secs()
    }
}

// === impl Look ===

impl Look {
    /// Whether the content may be read as far as `trust` goes.
    pub(super) fn is_complete(&self, name: &OsStr, trust: &Trust) -> bool {
        match (trust, self) {
            (Trust::Everything, _) | (_, Look::Odd(_)) => true,
            (Trust::Named(names), Look::File(stamp)) => names.contains(name) || stamp.is_settled(),
            (Trust::Settled, Look::File(stamp)) => stamp.is_settled(),
        }
    }
}

// === impl Trust ===

impl Trust {
    /// Trusts a file that was just completed. Anything that is not a manifest may be a link that manifests
    /// lead through, as in Kubernetes' own volumes, so it stands for all.
    pub(super) fn add(&mut self, name: Option<&OsStr>) {
        match (name, &mut *self) {
            (_, Trust::Everything) => (),
            (Some(name), Trust::Named(names)) if is_manifest(name) => {
                names.insert(name.to_owned());
            }
            (Some(name), Trust::Settled) if is_manifest(name) => {
                *self = Trust::Named(BTreeSet::from([name.to_owned()]));
            }
            _ => *self = Trust::Everything,
        }
    }
}
