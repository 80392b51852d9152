//! How closely a folder is watched.

use std::time::Duration;

/// Times of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long the folder has to be quiet before it is read, so that files which change together are read
    /// together. 100 ms by default.
    pub debounce: Duration,
    /// How often the folder is looked at even if inotify says nothing: for network file systems, for targets
    /// of symbolic links, and for a folder that was replaced. 1 s by default.
    pub poll: Duration,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Options { debounce: Duration::from_millis(100), poll: Duration::from_secs(1) }
    }
}
