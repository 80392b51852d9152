//! Hears from the kernel when something happens in a folder.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::Options;
use super::snapshot::{Changed, Trust};

/// A folder that never becomes quiet is read after this many times the debounce time.
const MOST_DEBOUNCES: u32 = 5;

/// The ear. Nodes run out of inotify instances now and then; then it is deaf, and only the poll is left.
pub(super) struct Inotify {
    watcher: Option<RecommendedWatcher>,
    events: Receiver<notify::Result<Event>>,
    /// Keeps the channel open for a deaf one.
    _sender: Sender<notify::Result<Event>>,
    /// The folder, as events name it.
    folder: PathBuf,
    /// Device and inode of the directory that is listened to, or that could not be.
    directory: Option<(u64, u64)>,
    trust: Trust,
}

// === impl Inotify ===

impl Inotify {
    pub(super) fn new(folder: &Path) -> Self {
        let (sender, events) = mpsc::channel();
        let watcher = notify::recommended_watcher(sender.clone())
            .inspect_err(|error| tracing::warn!(%error, "no inotify; the folder of manifests is polled"));
        Inotify {
            watcher: watcher.ok(),
            events,
            _sender: sender,
            folder: absolute(folder).unwrap_or_else(|_| folder.to_owned()),
            directory: None,
            trust: Trust::default(),
        }
    }

    /// Listens to the directory that the path leads to now. If that is another one than before, any file may be
    /// another.
    pub(super) fn listen(&mut self) {
        let path = &self.folder;
        let directory = fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if directory == self.directory {
            return;
        }
        self.directory = directory;
        self.trust = Trust::everything();
        let Some(watcher) = &mut self.watcher else { return };
        // Fails where nothing was watched, or where the kernel dropped the watch together with the directory.
        let _dropped = watcher.unwatch(path);
        if directory.is_some()
            && let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive)
        {
            let path = path.display();
            tracing::warn!(%path, %error, "cannot watch the folder of manifests; it is polled");
        }
    }

    /// Which files are complete.
    pub(super) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Waits for something to happen and to be over, at most until it is time for a poll.
    pub(super) fn wait(&mut self, options: &Options) {
        self.trust.begin();
        let mut deadline = Instant::now() + options.poll;
        let mut last_deadline = None;
        while let Ok(event) = self.events.recv_timeout(until(deadline)) {
            if self.note(&event) {
                let now = Instant::now();
                let last = *last_deadline.get_or_insert(now + options.debounce * MOST_DEBOUNCES);
                deadline = last.min(now + options.debounce);
            }
        }
    }

    /// Takes an event in. Returns whether it can mean that a file has changed, which reading one does not.
    fn note(&mut self, event: &notify::Result<Event>) -> bool {
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            // Something was lost. Any file may have changed, and none is known to be complete.
            Ok(_) | Err(_) => {
                self.trust.changed = Changed::Unknown;
                return true;
            }
        };
        for path in &event.paths {
            match event.kind {
                EventKind::Remove(_) if *path == self.folder => {
                    // The kernel forgets a directory that is removed. A new one may get the same inode.
                    self.directory = None;
                }
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Remove(_) => self.trust.finished(path),
                // A link is complete from the start. What else is created is empty at first.
                EventKind::Create(_) if is_link(path) => self.trust.finished(path),
                EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_)) => {
                    self.trust.begun(path);
                }
                _ => (),
            }
        }
        !matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
    }
}

fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Whether the name leads to a file that has another name too.
fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|metadata| metadata.is_symlink() || metadata.is_file() && metadata.nlink() > 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The new directory may have the inode of the old one, and the kernel has forgotten it all the same.
    #[test]
    fn a_directory_that_is_made_again_is_listened_to() {
        let options = Options { debounce: Duration::from_millis(20), poll: Duration::from_secs(10) };
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("m");
        fs::create_dir(&folder).unwrap();
        let mut inotify = Inotify::new(&folder);
        inotify.listen();
        fs::remove_dir(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        inotify.wait(&options);
        inotify.listen();
        fs::write(parent.path().join("a.yaml"), "").unwrap();
        fs::rename(parent.path().join("a.yaml"), folder.join("a.yaml")).unwrap();
        inotify.wait(&options);
        assert_eq!(inotify.trust().changed, Changed::Named(BTreeSet::from(["a.yaml".into()])));
    }
}
