//! Hears from the kernel when something happens in a folder.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::Options;
use super::snapshot::Trust;

/// A folder that never becomes quiet is read after this many times the debounce time.
const MOST_DEBOUNCES: u32 = 5;

/// The ear. Nodes run out of inotify instances now and then; then it is deaf, and only the poll is left.
pub(super) struct Inotify {
    watcher: Option<RecommendedWatcher>,
    events: Receiver<notify::Result<Event>>,
    /// Keeps the channel open for a deaf one.
    _sender: Sender<notify::Result<Event>>,
    /// Device and inode of the directory that is listened to, or that could not be.
    directory: Option<(u64, u64)>,
}

// === impl Inotify ===

impl Inotify {
    pub(super) fn new() -> Self {
        let (sender, events) = mpsc::channel();
        let watcher = notify::recommended_watcher(sender.clone())
            .inspect_err(|error| tracing::warn!(%error, "no inotify; the folder of manifests is polled"));
        Inotify { watcher: watcher.ok(), events, _sender: sender, directory: None }
    }

    /// Listens to the directory that `path` leads to now. Returns whether that is another one than before.
    pub(super) fn listen(&mut self, path: &Path) -> bool {
        let directory = fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if directory == self.directory {
            return false;
        }
        self.directory = directory;
        let Some(watcher) = &mut self.watcher else { return true };
        // Fails where nothing was watched, or where the kernel dropped the watch together with the directory.
        let _dropped = watcher.unwatch(path);
        if directory.is_some()
            && let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive)
        {
            let path = path.display();
            tracing::warn!(%path, %error, "cannot watch the folder of manifests; it is polled");
        }
        true
    }

    /// Waits for something to happen and to be over, at most until it is time for a poll. Says which files are
    /// complete.
    pub(super) fn wait(&self, options: &Options) -> Trust {
        let mut trust = Trust::Settled;
        let mut deadline = Instant::now() + options.poll;
        let mut last_deadline = None;
        while let Ok(event) = self.events.recv_timeout(until(deadline)) {
            if note(&event, &mut trust) {
                let now = Instant::now();
                let last = *last_deadline.get_or_insert(now + options.debounce * MOST_DEBOUNCES);
                deadline = last.min(now + options.debounce);
            }
        }
        trust
    }
}

fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Takes an event in. Returns whether it can mean that a file has changed, which reading one does not.
fn note(event: &notify::Result<Event>, trust: &mut Trust) -> bool {
    let event = match event {
        Ok(event) if !event.need_rescan() => event,
        // Something was lost.
        Ok(_) | Err(_) => {
            *trust = Trust::Everything;
            return true;
        }
    };
    let complete = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => return false,
        // A file that was just created is still empty, a link is not.
        EventKind::Create(CreateKind::File) => event.paths.iter().any(|path| is_link(path)),
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => true,
        _ => false,
    };
    if complete {
        event.paths.iter().for_each(|path| trust.add(path.file_name()));
    }
    true
}

/// Whether the name leads to a file that has another name too.
fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink() || metadata.nlink() > 1)
}
