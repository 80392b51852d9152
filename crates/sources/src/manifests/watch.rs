//! Follows a folder, on a thread of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use model::{Change, Kind, Problem};
use tokio::sync::mpsc::Sender;

use super::folder::Folder;
use super::inotify::Inotify;
use super::{Error, Options, folder_error};
use crate::{Changes, QUEUE_LENGTH};

/// The thread's state.
struct Watch {
    path: PathBuf,
    options: Options,
    folder: Folder,
    inotify: Inotify,
    changes: Sender<Change>,
    /// Why the folder could not be read at the last look.
    lost: Option<String>,
}

/// The reader is gone, so there is nobody left to tell.
struct ReaderGone;

pub(super) fn start(path: &Path, options: Options) -> Result<Changes, Error> {
    let (changes, receiver) = tokio::sync::mpsc::channel(QUEUE_LENGTH);
    let mut watch = Watch {
        path: path.to_owned(),
        options,
        folder: Folder::new(path),
        inotify: Inotify::new(path),
        changes,
        lost: None,
    };
    // Listening starts before the first reading, so that no change falls between the two.
    watch.inotify.listen();
    let first = watch.folder.look(watch.inotify.trust()).map_err(|source| folder_error(path, source))?;
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
            self.inotify.wait(&self.options);
            if self.changes.is_closed() {
                return Err(ReaderGone);
            }
            self.inotify.listen();
            match self.folder.look(self.inotify.trust()) {
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
