//! Whether this proxy keeps up, which is what `/healthz`, `/livez` and every health check tell.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use model::{Family, Node};
use tokio::time::Instant;

/// Healthy is a proxy in which no change waits longer than a limit to be in the kernel. Before the first change
/// it is healthy, as kube-proxy is.
///
/// Unlike in kube-proxy, the end of a sync does not clear what was asked for while it ran.
#[derive(Debug)]
pub(crate) struct ProxyHealth {
    families: BTreeSet<Family>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How long a change may wait.
    limit: Duration,
    queue: Queue,
    /// Whether the kernel has been brought to the plan once.
    synced: bool,
    /// When it was last brought there; the start until then, as in kube-proxy.
    last_updated: Timestamp,
    /// Whether new traffic should come to this node, as its Node tells.
    node_eligible: bool,
    /// Whether the API server was to tell of the Node and has not.
    awaits_node: bool,
}

/// What waits for the kernel.
#[derive(Debug, Default)]
struct Queue {
    /// Since when the oldest change waits that a sync under way would serve, or the next one if none is.
    pending: Option<Instant>,
    /// Since when the oldest change waits that came during the sync under way.
    later: Option<Instant>,
    syncing: bool,
}

// === impl ProxyHealth ===

impl ProxyHealth {
    /// Nothing is pending yet. kube-proxy's limit is twice its sync period. A node that has to be told of by the API
    /// server is not eligible before it is.
    pub(crate) fn new(limit: Duration, families: BTreeSet<Family>, awaits_node: bool) -> Self {
        let state = State {
            limit,
            queue: Queue::default(),
            synced: false,
            last_updated: Timestamp::now(),
            node_eligible: !awaits_node,
            awaits_node,
        };
        ProxyHealth { families, state: Mutex::new(state) }
    }

    /// Sets another limit.
    pub(crate) fn set_limit(&self, limit: Duration) {
        self.state().limit = limit;
    }

    /// The families that are served.
    pub(crate) fn families(&self) -> &BTreeSet<Family> {
        &self.families
    }

    /// A sync is asked for.
    pub(crate) fn requested(&self) {
        let now = Instant::now();
        let queue = &mut self.state().queue;
        match queue.syncing {
            false => queue.pending.get_or_insert(now),
            true => queue.later.get_or_insert(now),
        };
    }

    /// A sync of all that was asked for begins.
    pub(crate) fn began(&self) {
        let queue = &mut self.state().queue;
        queue.absorb();
        queue.syncing = true;
    }

    /// The sync is done, and the kernel has what was asked for before it began.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state();
        state.queue = Queue { pending: state.queue.later, ..Queue::default() };
        state.synced = true;
        state.last_updated = Timestamp::now();
    }

    /// The sync failed; everything still waits.
    pub(crate) fn failed(&self) {
        self.state().queue.absorb();
    }

    /// The API server told of the node that is served. When its object is deleted, what it said last holds.
    pub(crate) fn set_node(&self, node: &Node) {
        let mut state = self.state();
        state.node_eligible = !node.leaving;
        state.awaits_node = false;
    }

    /// Whether nothing waits, or not for as long as the limit.
    pub(crate) fn is_healthy(&self) -> bool {
        let state = self.state();
        state.queue.age().is_none_or(|age| age < state.limit)
    }

    /// How long the oldest change waits; none if nothing waits.
    pub(crate) fn oldest_pending(&self) -> Option<Duration> {
        self.state().queue.age()
    }

    /// Whether the kernel has been brought to the plan once.
    pub(crate) fn is_synced(&self) -> bool {
        self.state().synced
    }

    /// When the kernel was last brought to the plan.
    pub(crate) fn last_updated(&self) -> Timestamp {
        self.state().last_updated
    }

    /// Whether new traffic should come to this node, as far as its Node tells.
    pub(crate) fn node_is_eligible(&self) -> bool {
        self.state().node_eligible
    }

    /// Whether the API server was to tell of the Node and has not.
    pub(crate) fn awaits_node(&self) -> bool {
        self.state().awaits_node
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Queue ===

impl Queue {
    /// How long the oldest change waits.
    fn age(&self) -> Option<Duration> {
        self.pending.or(self.later).map(|oldest| oldest.elapsed())
    }

    /// The end of a sync that served nothing. What came during it came after what was pending.
    fn absorb(&mut self) {
        *self = Queue { pending: self.pending.or(self.later), ..Queue::default() };
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);
    const HALF: Duration = Duration::from_secs(30);

    fn health() -> ProxyHealth {
        ProxyHealth::new(LIMIT, Family::ALL.into(), false)
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

    #[test]
    fn a_node_is_awaited_until_it_is_told_of() {
        assert!(!health().awaits_node());
        let awaiting = ProxyHealth::new(LIMIT, Family::ALL.into(), true);
        assert!(awaiting.awaits_node());
        awaiting.set_node(&Node::named("node-a"));
        assert!(!awaiting.awaits_node() && awaiting.node_is_eligible());
    }
}
