//! Clients that never stop asking, each over a new connection every time.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lab::traffic::Spread;

use crate::scene::{Scene, TCP};
use crate::support::testbed::eventually;

/// How many requests a client makes in a row, and how long it rests then.
const BATCH: usize = 4;
const REST: Duration = Duration::from_millis(50);

/// When a request has failed. Long enough for a guest that stands still for a moment, and for one SYN that is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Constant load. It ends when this is dropped.
pub(crate) struct Load {
    clients: Vec<(String, Arc<Mutex<Done>>)>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What has become of a client's requests.
#[derive(Default)]
struct Done {
    batches: usize,
    all: Spread,
    /// Those since [`Load::forget`].
    recent: Spread,
}

// === impl Load ===

impl Load {
    /// Starts clients over TCP: where each is, and what it asks, in both families.
    pub(crate) fn start(scene: &Arc<Scene>, ways: &[(&str, [SocketAddr; 2])]) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = Load { clients: Vec::new(), stop: Arc::clone(&stop), threads: Vec::new() };
        for (from, to) in ways.iter().flat_map(|(from, to)| to.map(|to| ((*from).to_owned(), to))) {
            let done = Arc::<Mutex<Done>>::default();
            load.clients.push((format!("{from} to {to}"), Arc::clone(&done)));
            let (scene, stop) = (Arc::clone(scene), Arc::clone(&stop));
            load.threads.push(thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let spread = scene.client(&from, TCP, to).patience(PATIENCE).ask_many(BATCH, 1).unwrap();
                    let mut done = lock(&done);
                    done.batches += 1;
                    done.all.merge(spread.clone());
                    done.recent.merge(spread);
                    drop(done);
                    thread::sleep(REST);
                }
            }));
        }
        load
    }

    /// Waits until every client has ended the request that it was about, and made some more.
    #[track_caller]
    pub(crate) fn turn_over(&self) {
        let before: Vec<usize> = self.clients.iter().map(|(_, done)| lock(done).batches).collect();
        let has_gone_on =
            || self.clients.iter().zip(&before).all(|((_, done), before)| lock(done).batches > before + 1);
        eventually("every client has gone on", has_gone_on);
    }

    /// Begins to count [`Load::recent_servers`] anew.
    pub(crate) fn forget(&self) {
        self.clients.iter().for_each(|(_, done)| lock(done).recent = Spread::default());
    }

    /// Who has answered lately.
    pub(crate) fn recent_servers(&self) -> Vec<String> {
        let names = |(_, done): &(String, Arc<Mutex<Done>>)| {
            lock(done).recent.answers.keys().cloned().collect::<Vec<_>>()
        };
        let mut all: Vec<String> = self.clients.iter().flat_map(names).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Number of answers, and number of requests that failed.
    pub(crate) fn figures(&self) -> (usize, usize) {
        let counts = self.clients.iter().map(|(_, done)| {
            let done = lock(done);
            (done.all.answered(), done.all.failures.values().sum::<usize>())
        });
        counts.fold((0, 0), |(answers, failures), (more, failed)| (answers + more, failures + failed))
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clients.iter().try_for_each(|(client, done)| writeln!(f, "{client}: {}", lock(done).all))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn lock(done: &Mutex<Done>) -> MutexGuard<'_, Done> {
    done.lock().unwrap_or_else(PoisonError::into_inner)
}
