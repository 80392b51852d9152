//! Clusters that wait for the next test, since building one takes longer than most tests.
//!
//! They are kept for as long as any test is under way: nothing runs when a test executable ends, so the last test
//! has to tear them down.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Stage;

static POOL: Mutex<Pool> = Mutex::new(Pool { tests: 0, idle: Vec::new() });

struct Pool {
    /// How many tests are under way, those included that still build their cluster.
    tests: usize,
    idle: Vec<Stage>,
}

/// A test is under way for as long as this lives.
pub(super) struct Turn(());

/// Takes a cluster that waits, if there is one of this size.
pub(super) fn take(pods_per_node: u8) -> Option<Stage> {
    let mut pool = lock();
    let fits = |stage: &Stage| stage.pods_per_node() == usize::from(pods_per_node);
    let index = pool.idle.iter().position(fits)?;
    Some(pool.idle.swap_remove(index))
}

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Turn ===

impl Turn {
    pub(super) fn begin() -> Turn {
        lock().tests += 1;
        Turn(())
    }

    /// Leaves a cluster to other tests.
    pub(super) fn leave(&self, stage: Stage) {
        lock().idle.push(stage);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut pool = lock();
        pool.tests -= 1;
        let unwanted = if pool.tests == 0 { std::mem::take(&mut pool.idle) } else { Vec::new() };
        // Tearing down takes time, and others want to begin.
        drop(pool);
        drop(unwanted);
    }
}
