//! Follows a folder with inotify, and by looking at it now and then.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use model::{Change, Kind, Problem};
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::Sender;

use super::folder::Folder;
use super::snapshot::Trust;
use super::{Error, Options, folder_error};
use crate::{Changes, QUEUE_LENGTH};

/// The thread's state.
struct Watch {
    path: PathBuf,
    options: Options,
    folder: Folder,
    inotify: RecommendedWatcher,
    events: mpsc::Receiver<notify::Result<Event>>,
    /// Device and inode of the directory that inotify looks at.
    watched: Option<(u64, u64)>,
    changes: Sender<Change>,
    /// Why the folder could not be read at the last look.
    lost: Option<String>,
}

/// The reader is gone, so there is nobody left to tell.
struct ReaderGone;

pub(super) fn start(path: &Path, options: Options) -> Result<Changes, Error> {
    let (event_sender, events) = mpsc::channel();
    let (changes, receiver) = tokio::sync::mpsc::channel(QUEUE_LENGTH);
    let watch_error = |source| Error::Watch { path: path.to_owned(), source };
    let inotify = notify::recommended_watcher(event_sender).map_err(watch_error)?;
    let mut watch = Watch {
        path: path.to_owned(),
        options,
        folder: Folder::new(path),
        inotify,
        events,
        watched: None,
        changes,
        lost: None,
    };
    // Watching starts before the first reading, so that no change falls between the two.
    let identity = identity(path).map_err(|source| folder_error(path, source))?;
    watch.inotify.watch(path, RecursiveMode::NonRecursive).map_err(watch_error)?;
    watch.watched = Some(identity);
    let first = watch.folder.look(&Trust::Everything).map_err(|source| folder_error(path, source))?;
    let thread = thread::Builder::new().name("manifests".to_owned());
    thread
        .spawn(move || {
            // The thread's end is the only thing that follows from the reader's.
            let _gone: Result<(), ReaderGone> = watch.run(first);
        })
        .map_err(|source| Error::Thread { path: path.to_owned(), source })?;
    Ok(receiver)
}

// === impl Watch ===

impl Watch {
    fn run(mut self, first: Vec<Change>) -> Result<(), ReaderGone> {
        self.send(first)?;
        self.send(Kind::ALL.map(Change::Synced).into())?;
        loop {
            let mut trust = self.wait()?;
            if self.rewatch() {
                trust = Trust::Everything;
            }
            match self.folder.look(&trust) {
                Ok(changes) => {
                    if self.lost.take().is_some() {
                        tracing::info!(path = %self.path.display(), "the folder of manifests is back");
                    }
                    self.send(changes)?;
                }
                Err(error) => self.report_lost(&error)?,
            }
        }
    }

    /// Waits for something to happen, then for it to be over; says which files are complete.
    fn wait(&self) -> Result<Trust, ReaderGone> {
        let mut trust = Trust::Settled;
        let mut timeout = self.options.poll;
        let mut latest = None;
        loop {
            match self.events.recv_timeout(timeout) {
                Ok(event) if note(&event, &mut trust) => {
                    // A folder that is never quiet is read all the same.
                    let latest = *latest.get_or_insert_with(|| Instant::now() + self.options.debounce * 5);
                    timeout = latest.saturating_duration_since(Instant::now()).min(self.options.debounce);
                }
                Ok(_) => (),
                Err(RecvTimeoutError::Timeout) if self.changes.is_closed() => return Err(ReaderGone),
                Err(RecvTimeoutError::Timeout) => return Ok(trust),
                // The watcher holds the other end; without it there is still the poll.
                Err(RecvTimeoutError::Disconnected) => {
                    thread::sleep(self.options.poll);
                    return Ok(Trust::Settled);
                }
            }
        }
    }

    /// Points inotify at the directory that the path leads to now, if that is another than before.
    fn rewatch(&mut self) -> bool {
        let current = identity(&self.path).ok();
        if current == self.watched {
            return false;
        }
        // Fails where the kernel has dropped the watch together with the directory.
        let _dropped = self.inotify.unwatch(&self.path);
        self.watched = None;
        let Some(current) = current else { return false };
        match self.inotify.watch(&self.path, RecursiveMode::NonRecursive) {
            Ok(()) => self.watched = Some(current),
            Err(error) => tracing::warn!(
                path = %self.path.display(), %error,
                "cannot watch the folder of manifests; it is looked at every {:?}", self.options.poll,
            ),
        }
        true
    }

    fn report_lost(&mut self, error: &io::Error) -> Result<(), ReaderGone> {
        let reason = error.to_string();
        if self.lost.as_ref() == Some(&reason) {
            return Ok(());
        }
        let problem = Problem::new(
            self.path.display(),
            format_args!("the folder of manifests cannot be read: {reason}; what it held stays in force"),
        );
        self.lost = Some(reason);
        self.send(vec![Change::Problem(problem)])
    }

    fn send(&self, changes: Vec<Change>) -> Result<(), ReaderGone> {
        for change in changes {
            self.changes.blocking_send(change).map_err(|_| ReaderGone)?;
        }
        Ok(())
    }
}

/// Takes an event in. Returns whether it can mean that a file has changed, which reading one does not.
fn note(event: &notify::Result<Event>, trust: &mut Trust) -> bool {
    let event = match event {
        Ok(event) => event,
        Err(error) => {
            tracing::debug!(%error, "inotify failed, looking at every file");
            *trust = Trust::Everything;
            return true;
        }
    };
    if event.need_rescan() {
        *trust = Trust::Everything;
        return true;
    }
    let complete = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => return false,
        // A file that was just created is still empty, a link is not.
        EventKind::Create(CreateKind::File) => event.paths.iter().any(|path| path.is_symlink()),
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => true,
        _ => false,
    };
    if complete {
        event.paths.iter().for_each(|path| trust.add(path.file_name()));
    }
    true
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
