//! Hears of changes of the configuration file.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// How long nothing must happen before the file is read, so that it is complete.
const QUIET: Duration = Duration::from_millis(200);

/// A directory that never becomes quiet is waited for this many times as long.
const MOST_QUIETS: u32 = 10;

/// How often the file is read in any case: it may be a link out of its directory, or the node has no inotify instance
/// left.
const POLL: Duration = Duration::from_secs(60);

/// The file as it was read last.
struct File {
    path: PathBuf,
    known: Option<Vec<u8>>,
    gone: bool,
}

/// What happens in the directory.
struct Events {
    events: Receiver<notify::Result<Event>>,
    /// Keeps the channel open, and the watch alive.
    _source: (Sender<notify::Result<Event>>, Option<RecommendedWatcher>),
}

/// Follows the file on a thread of its own, which calls `changed` once at first and then whenever the file holds
/// something else, until it is told to break.
///
/// What is watched is the directory: the files of a ConfigMap's volume are links that change all at once, when the
/// directory behind them is exchanged.
///
/// # Errors
/// If there can be no thread.
pub fn follow(path: &Path, mut changed: impl FnMut() -> ControlFlow<()> + Send + 'static) -> io::Result<()> {
    let path = path.to_owned();
    let run = move || {
        let events = Events::of(&path);
        let mut file = File::at(path);
        loop {
            if file.is_changed() && changed().is_break() {
                return;
            }
            events.wait();
        }
    };
    thread::Builder::new().name("config".to_owned()).spawn(run).map(drop)
}

// === impl File ===

impl File {
    fn at(path: PathBuf) -> Self {
        File { path, known: None, gone: false }
    }

    fn is_changed(&mut self) -> bool {
        let content = match fs::read(&self.path) {
            Ok(content) => content,
            Err(error) => {
                if !std::mem::replace(&mut self.gone, true) {
                    let path = self.path.display();
                    tracing::warn!(%path, %error, "the configuration file cannot be read; what it held stays in force");
                }
                return false;
            }
        };
        self.gone = false;
        let changed = self.known.as_ref() != Some(&content);
        self.known = Some(content);
        changed
    }
}

// === impl Events ===

impl Events {
    fn of(path: &Path) -> Self {
        let (sender, events) = mpsc::channel();
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let watch = notify::recommended_watcher(sender.clone()).and_then(|mut watcher| {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        let watcher = watch
            .inspect_err(
                |error| tracing::warn!(%error, "no inotify; the configuration file is read every minute"),
            )
            .ok();
        Events { events, _source: (sender, watcher) }
    }

    /// Waits for something to happen and to be over, at most until it is time to look in any case.
    fn wait(&self) {
        loop {
            match self.events.recv_timeout(POLL) {
                Ok(event) if matters(&event) => break,
                // Somebody read something, perhaps we.
                Ok(_) => {}
                Err(_) => return,
            }
        }
        let last = Instant::now() + QUIET * MOST_QUIETS;
        while Instant::now() < last && self.events.recv_timeout(QUIET).is_ok() {}
    }
}

fn matters(event: &notify::Result<Event>) -> bool {
    match event {
        Ok(event) => match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
            EventKind::Access(_) => event.need_rescan(),
            _ => true,
        },
        // Something was lost.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests;
