//! State from a folder of manifests: every `*.yaml`, `*.yml` and `*.json` directly in it, except hidden files.
//!
//! A file may hold several documents and lists as `kubectl get -o yaml` prints them. Services, EndpointSlices
//! and Nodes are read, other kinds are named in a [`Problem`](model::Problem) once per file. An object without
//! a namespace is in `default`. If two files hold the same object, the file whose name sorts first wins; when
//! it leaves there, the other one takes over. A file that cannot be read or parsed is named in a `Problem`
//! with line and reason, and what it held before stays in force.

mod document;
mod file;
mod folder;
mod inotify;
mod options;
mod snapshot;
#[cfg(test)]
mod tests;
mod watch;

use std::io;
use std::path::{Path, PathBuf};

use model::{Change, Kind};

use self::folder::Folder;
pub use self::options::Options;
use self::snapshot::Trust;
use crate::Changes;

/// Why a folder of manifests cannot be used. What is wrong inside of it is no error, but a
/// [`Problem`](model::Problem) in the stream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be listed.
    #[error("cannot read the folder of manifests {path:?}: {source}; it has to be a readable directory")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The kernel gave no thread.
    #[error("cannot start the thread that watches the folder of manifests {path:?}: {source}")]
    Thread {
        /// The folder.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
}

/// Reads the folder once: what it holds, then [`Change::Synced`] for every kind.
///
/// # Errors
///
/// Only if the folder itself cannot be listed.
pub fn load(path: &Path) -> Result<Vec<Change>, Error> {
    let mut folder = Folder::new(path);
    let mut changes = folder.look(&Trust::everything()).map_err(|source| folder_error(path, source))?;
    changes.extend(Kind::ALL.map(Change::Synced));
    Ok(changes)
}

/// Reads the folder, then follows it. A file that was removed, renamed, or closed after it was written, is told of at
/// once. What inotify does not tell of, such as the target of a symbolic link or a file on a network, is told of within
/// three seconds after its last change; what somebody keeps open for writing, when it has not changed for a minute. If
/// the folder goes away, what it held stays in force until it is back.
///
/// The watch runs on a thread of its own, which ends when the reader is dropped.
///
/// # Errors
///
/// Only if the folder cannot be listed at the start, or if there is no thread.
pub fn watch(path: &Path, options: Options) -> Result<Changes, Error> {
    watch::start(path, options)
}

fn folder_error(path: &Path, source: io::Error) -> Error {
    Error::Folder { path: path.to_owned(), source }
}
