//! Signs of life of steps that take longer than two seconds.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, mem};

/// Says what is being done and for how long, until dropped: on a terminal in one line that is rewritten every second,
/// else in a line every ten seconds, so that logs stay short.
pub(crate) struct Progress {
    label: Arc<Mutex<Label>>,
    stop: Option<Sender<()>>,
    ticker: Option<JoinHandle<()>>,
}

struct Label {
    text: String,
    since: Instant,
}

/// Announces a step, which shows its own progress or is short.
pub(crate) fn step(text: &str) {
    eprintln!("==> {text}");
}

// === impl Progress ===

impl Progress {
    pub(crate) fn start(text: impl Into<String>) -> Progress {
        let label = Arc::new(Mutex::new(Label { text: text.into(), since: Instant::now() }));
        let (stop, stopped) = mpsc::channel();
        let shown = Arc::clone(&label);
        let terminal = io::stderr().is_terminal();
        let ticker = thread::spawn(move || {
            let interval = Duration::from_secs(if terminal { 1 } else { 10 });
            let mut pause = Duration::from_secs(2);
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let label = shown.lock().unwrap_or_else(PoisonError::into_inner);
                show(&label, terminal);
                pause = interval;
            }
        });
        Progress { label, stop: Some(stop), ticker: Some(ticker) }
    }

    /// Something else is being done from now on.
    pub(crate) fn set(&self, text: impl Into<String>) {
        let mut label = self.label.lock().unwrap_or_else(PoisonError::into_inner);
        *label = Label { text: text.into(), since: Instant::now() };
    }

    /// The same is being done, and has got on.
    pub(crate) fn update(&self, text: impl Into<String>) {
        self.label.lock().unwrap_or_else(PoisonError::into_inner).text = text.into();
    }

    /// Prints a line that stays.
    pub(crate) fn line(&self, text: &str) {
        let _quiet = self.label.lock().unwrap_or_else(PoisonError::into_inner);
        clear();
        println!("{text}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(mem::take(&mut self.stop));
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
        clear();
    }
}

fn show(label: &Label, terminal: bool) {
    let text = format!("    … {} ({} s)", label.text, label.since.elapsed().as_secs());
    if terminal {
        eprint!("\r\x1b[2K{text}");
        let _ = io::stderr().flush();
    } else {
        eprintln!("{text}");
    }
}

fn clear() {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[2K");
    }
}
