//! Clusters that wait for the next test, since building one takes longer than most tests.
//!
//! They are kept for as long as any test is under way: nothing runs when a test executable ends, so the last test
//! has to tear them down.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Stage;

static POOL: Mutex<Pool> = Mutex::new(Pool { tests: 0, idle: Vec::new() });

struct Pool {
    /// How many tests have a scene.
    tests: usize,
    idle: Vec<Stage>,
}

/// Takes a cluster that waits, if there is one of this size.
pub(super) fn take(pods_per_node: u8) -> Option<Stage> {
    let mut pool = lock();
    let fits = |stage: &Stage| stage.pods_per_node() == usize::from(pods_per_node);
    let index = pool.idle.iter().position(fits)?;
    Some(pool.idle.swap_remove(index))
}

/// A test has a scene from now on.
pub(super) fn enter() {
    lock().tests += 1;
}

/// A test has it no more, and leaves its cluster to others if it may.
pub(super) fn leave(stage: Option<Stage>) {
    let mut pool = lock();
    pool.tests -= 1;
    pool.idle.extend(stage);
    let unwanted = if pool.tests == 0 { std::mem::take(&mut pool.idle) } else { Vec::new() };
    // Tearing down takes time, and others want to begin.
    drop(pool);
    drop(unwanted);
}

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}
