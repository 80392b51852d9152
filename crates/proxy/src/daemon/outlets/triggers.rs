//! How long after a pod changed the kernel knows.

use std::num::NonZeroI64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{EndpointSlice, Family};

/// How many are measured at a time. A flood of changes is known well enough from so many.
const MOST: usize = 4096;

/// When something happened that the kernel has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Trigger {
    family: Family,
    /// In milliseconds since 1970.
    time: NonZeroI64,
}

/// What waits for the kernel.
#[derive(Debug)]
pub(super) struct Triggers {
    waiting: Vec<Trigger>,
    /// What happened before the process started is not measured, as in kube-proxy: it says nothing of the process.
    since: i64,
}

// === impl Trigger ===

impl Trigger {
    /// What an EndpointSlice tells.
    pub(super) fn of(slice: &EndpointSlice) -> Option<Self> {
        slice.triggered.map(|time| Trigger { family: slice.family, time })
    }
}

// === impl Triggers ===

impl Triggers {
    /// From now on.
    pub(super) fn new() -> Self {
        Triggers { waiting: Vec::new(), since: now() }
    }

    pub(super) fn add(&mut self, trigger: Option<Trigger>) {
        let trigger = trigger.filter(|trigger| trigger.time.get() >= self.since && self.waiting.len() < MOST);
        self.waiting.extend(trigger);
    }

    /// The kernel knows of all that waited: how long ago each happened.
    pub(super) fn reached(&mut self) -> Vec<(Family, Duration)> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let now = now();
        let age = |trigger: Trigger| {
            // The controller's clock may be ahead.
            let age = u64::try_from(now.saturating_sub(trigger.time.get())).unwrap_or_default();
            (trigger.family, Duration::from_millis(age))
        };
        std::mem::take(&mut self.waiting).into_iter().map(age).collect()
    }
}

/// In milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(family: Family, time: i64) -> Option<Trigger> {
        NonZeroI64::new(time).map(|time| Trigger { family, time })
    }

    #[test]
    fn what_happened_since_the_start_is_measured_once() {
        let mut triggers = Triggers::new();
        let start = triggers.since;
        triggers.add(None);
        triggers.add(trigger(Family::V4, start - 1));
        triggers.add(trigger(Family::V6, start));
        triggers.add(trigger(Family::V4, start + 60_000));
        let reached = triggers.reached();
        assert_eq!(reached.iter().map(|(family, _)| *family).collect::<Vec<_>>(), [Family::V6, Family::V4]);
        assert_eq!(reached[1].1, Duration::ZERO, "a clock that is ahead");
        assert_eq!(triggers.reached(), []);
    }

    #[test]
    fn a_flood_takes_no_memory() {
        let mut triggers = Triggers::new();
        let now = triggers.since;
        (0..2 * MOST).for_each(|_| triggers.add(trigger(Family::V4, now)));
        assert_eq!(triggers.reached().len(), MOST);
    }
}
