//! When to do what. Time is an argument.

use std::time::{Duration, Instant};

/// How often a draining real server is looked at.
const SWEEP_PERIOD: Duration = Duration::from_secs(5);
/// How soon a failed element is tried again for the first time; the wait doubles up to the audit period.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The least between two audits because of what was seen, so that somebody who keeps undoing our work costs
/// little.
const LEAST_BETWEEN_AUDITS: Duration = Duration::from_secs(1);

/// An audit asks the kernel for each virtual server by itself. It is repeated only after this many times what it took,
/// so that a third of a percent of a processor is spent on audits, however much there is to compare.
const REST: u32 = 300;

/// But it is repeated after this time.
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);

/// Who asks for audits more often than this, which is the default, gets them whatever they cost.
const LEAST_PERIOD_WITH_REST: Duration = Duration::from_secs(30);

/// The operator's choices of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Periods {
    /// Between two comparisons of the whole kernel state (`syncPeriod`).
    pub(crate) audit: Duration,
    /// The least between two changes of the kernel (`minSyncPeriod`).
    pub(crate) changes: Duration,
}

/// Something to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Bring the kernel to the plan for the first time.
    FirstSync,
    /// Apply what changed.
    Changes,
    /// Begin to compare the whole kernel state with the plan.
    Audit,
    /// Go on with that.
    Look,
    /// See which draining real servers are finished.
    Sweep,
}

/// How much of the kernel's state a piece of work looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All of it: what failed before has been tried again.
    Whole,
    /// What a change concerned: what failed before may still be wrong.
    Part,
}

/// What is waiting, and until when.
#[derive(Debug)]
pub(super) struct Pacer {
    periods: Periods,
    /// Whether everything has been listed, so that the kernel may be changed.
    started: bool,
    /// The earliest time for the first sync.
    not_before: Option<Instant>,
    synced: bool,
    changes_waiting: bool,
    last_change: Option<Instant>,
    last_audit: Option<Instant>,
    /// When the period of audits ends.
    next_audit: Option<Instant>,
    /// When to audit before that, because something failed or drifted.
    next_retry: Option<Instant>,
    audit_at_once: bool,
    /// When the audit under way goes on; none if there is none.
    next_look: Option<Instant>,
    /// Whether something failed since that audit began, perhaps where it had looked already.
    overtaken: bool,
    next_sweep: Option<Instant>,
    /// The wait before the next retry; none if nothing failed.
    retry: Option<Duration>,
}

// === impl Pacer ===

impl Pacer {
    pub(super) fn new(periods: Periods) -> Self {
        Pacer {
            periods,
            started: false,
            not_before: None,
            synced: false,
            changes_waiting: false,
            last_change: None,
            last_audit: None,
            next_audit: None,
            next_retry: None,
            audit_at_once: false,
            next_look: None,
            overtaken: false,
            next_sweep: None,
            retry: None,
        }
    }

    /// Paces by other periods from the next piece of work on.
    pub(super) fn set_periods(&mut self, periods: Periods) {
        self.periods = periods;
    }

    /// Everything has been listed that has to be; with a time, what may still come is waited for until then.
    pub(super) fn start(&mut self, latest: Option<Instant>) {
        self.started = true;
        self.not_before = latest;
    }

    /// The first sync could not be done.
    pub(super) fn postpone(&mut self, now: Instant) {
        self.synced = false;
        self.not_before = Some(now + FIRST_RETRY);
    }

    /// Whether the kernel has been brought to the plan once.
    pub(super) fn has_synced(&self) -> bool {
        self.synced
    }

    /// Something changed.
    pub(super) fn changed(&mut self) {
        self.changes_waiting = true;
    }

    /// The whole state has to be compared without waiting.
    pub(super) fn audit_now(&mut self) {
        self.audit_at_once = true;
    }

    /// The audit under way goes on at `at`, after everything else that is due then.
    pub(super) fn look_again(&mut self, at: Instant) {
        self.next_look = Some(at);
    }

    #[cfg(test)]
    pub(super) fn is_auditing(&self) -> bool {
        self.next_look.is_some()
    }

    /// An audit has ended at `now`, and applied the changes that waited. Says how much it stands for: what failed or
    /// drifted meanwhile may still be wrong, and leads to another audit as soon as it would have without this one.
    pub(super) fn audited(&mut self, took: Duration, now: Instant) -> Scope {
        if std::mem::take(&mut self.changes_waiting) {
            self.last_change = Some(now);
        }
        if self.periods.audit >= LEAST_PERIOD_WITH_REST {
            let rested = now + took.saturating_mul(REST).min(LONGEST_REST);
            self.next_audit = self.next_audit.map(|due| due.max(rested));
        }
        if std::mem::take(&mut self.overtaken) {
            self.retry_at(now + self.retry.unwrap_or(FIRST_RETRY));
        }
        if self.next_retry.is_some() { Scope::Part } else { Scope::Whole }
    }

    /// Something was seen to be gone that should be there.
    pub(super) fn drifted(&mut self, now: Instant) {
        self.retry_at(self.last_audit.map_or(now, |last| now.max(last + LEAST_BETWEEN_AUDITS)));
    }

    /// What is due at `now`. Asking takes it off the list.
    pub(super) fn due(&mut self, now: Instant) -> Option<Work> {
        if !self.started {
            return None;
        }
        if !self.synced && self.not_before.is_some_and(|earliest| now < earliest) {
            return None;
        }
        if !self.synced {
            self.synced = true;
            self.changes_waiting = false;
            self.next_audit = Some(now + self.periods.audit);
            self.next_retry = None;
            return Some(Work::FirstSync);
        }
        if self.changes_waiting && self.changes_due() <= Some(now) {
            self.changes_waiting = false;
            self.last_change = Some(now);
            return Some(Work::Changes);
        }
        let audits = [self.next_audit, self.next_retry];
        if self.audit_at_once || audits.into_iter().flatten().any(|due| due <= now) {
            self.audit_at_once = false;
            self.next_retry = None;
            // One that is under way does not look again at the real servers that it has seen.
            self.overtaken &= self.next_look.is_some();
            self.last_audit = Some(now);
            self.next_audit = Some(now + self.periods.audit);
            return Some(Work::Audit);
        }
        if self.next_sweep.is_some_and(|due| due <= now) {
            self.next_sweep = None;
            return Some(Work::Sweep);
        }
        if self.next_look.is_some_and(|due| due <= now) {
            self.next_look = None;
            return Some(Work::Look);
        }
        None
    }

    /// Notes how work ended: whether everything was done, and whether real servers are draining.
    pub(super) fn done(&mut self, scope: Scope, complete: bool, draining: bool, now: Instant) {
        if complete {
            if scope == Scope::Whole {
                self.retry = None;
            }
        } else {
            let wait = self.retry.map_or(FIRST_RETRY, |last| last.saturating_mul(2)).min(self.periods.audit);
            self.retry = Some(wait);
            self.retry_at(now + wait);
            self.overtaken = self.next_look.is_some();
        }
        if !draining {
            self.next_sweep = None;
        } else if self.next_sweep.is_none() {
            self.next_sweep = Some(now + SWEEP_PERIOD);
        }
    }

    /// When something is due next; none if only a change can bring work.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        if !self.started {
            return None;
        }
        if !self.synced {
            return Some(self.not_before.map_or(now, |earliest| earliest.max(now)));
        }
        if self.audit_at_once {
            return Some(now);
        }
        let changes = if self.changes_waiting { self.changes_due().or(Some(now)) } else { None };
        [changes, self.next_audit, self.next_retry, self.next_sweep, self.next_look]
            .into_iter()
            .flatten()
            .min()
    }

    fn retry_at(&mut self, at: Instant) {
        self.next_retry = Some(self.next_retry.map_or(at, |due| due.min(at)));
    }

    /// The earliest time for the next change; none if it may be at once.
    fn changes_due(&self) -> Option<Instant> {
        self.last_change.map(|last| last + self.periods.changes)
    }
}

#[cfg(test)]
mod tests;
