//! Whether this proxy keeps up, which is what `/livez` and every health check tell.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Healthy is a proxy in which no change waits longer than a limit to be in the kernel. Before the first change
/// it is healthy, as kube-proxy is.
///
/// Unlike in kube-proxy, the end of a sync does not clear what was asked for while it ran.
#[derive(Debug)]
pub(crate) struct ProxyHealth {
    limit: Mutex<Duration>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when the oldest change waits that a sync under way would serve, or the next one if none is.
    pending: Option<Instant>,
    /// Since when the oldest change waits that came during the sync under way.
    later: Option<Instant>,
    syncing: bool,
}

// === impl ProxyHealth ===

impl ProxyHealth {
    /// Nothing is pending yet. kube-proxy's limit is twice its sync period.
    pub(crate) fn new(limit: Duration) -> Self {
        ProxyHealth { limit: Mutex::new(limit), state: Mutex::default() }
    }

    /// Sets another limit.
    pub(crate) fn set_limit(&self, limit: Duration) {
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }

    /// A sync is asked for.
    pub(crate) fn requested(&self) {
        let now = Instant::now();
        let mut state = self.state();
        match state.syncing {
            false => state.pending.get_or_insert(now),
            true => state.later.get_or_insert(now),
        };
    }

    /// A sync of all that was asked for begins.
    pub(crate) fn began(&self) {
        let mut state = self.state();
        state.absorb();
        state.syncing = true;
    }

    /// The sync is done, and the kernel has what was asked for before it began.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state();
        *state = State { pending: state.later, ..State::default() };
    }

    /// The sync failed; everything still waits.
    pub(crate) fn failed(&self) {
        self.state().absorb();
    }

    /// Whether nothing waits, or not for as long as the limit.
    pub(crate) fn is_healthy(&self) -> bool {
        let limit = *self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let oldest = state.pending.or(state.later);
        oldest.is_none_or(|oldest| oldest.elapsed() < limit)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// The end of a sync that served nothing. What came during it came after what was pending.
    fn absorb(&mut self) {
        *self = State { pending: self.pending.or(self.later), ..State::default() };
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);
    const HALF: Duration = Duration::from_secs(30);

    fn health() -> ProxyHealth {
        ProxyHealth::new(LIMIT)
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_asked_for_is_healthy() {
        let health = health();
        advance(2 * LIMIT).await;
        assert!(health.is_healthy());
        health.began();
        health.succeeded();
        advance(2 * LIMIT).await;
        assert!(health.is_healthy());
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_request_counts() {
        let health = health();
        health.requested();
        advance(HALF).await;
        health.requested();
        assert!(health.is_healthy());
        advance(HALF).await;
        assert!(!health.is_healthy());
        health.began();
        assert!(!health.is_healthy(), "a sync under way serves nothing yet");
        health.succeeded();
        assert!(health.is_healthy());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_during_a_sync_is_not_cleared_by_its_end() {
        let health = health();
        health.requested();
        health.began();
        advance(HALF).await;
        health.requested();
        health.succeeded();
        advance(HALF).await;
        assert!(health.is_healthy(), "it waits for half of the limit");
        advance(HALF).await;
        assert!(!health.is_healthy());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_during_a_sync_without_older_ones_counts() {
        let health = health();
        health.began();
        health.requested();
        advance(LIMIT).await;
        assert!(!health.is_healthy());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_sync_clears_nothing() {
        let health = health();
        health.requested();
        advance(HALF).await;
        health.began();
        health.requested();
        health.failed();
        advance(HALF).await;
        assert!(!health.is_healthy());
    }
}
