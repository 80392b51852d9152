//! What happens while an audit is under way.

use super::*;

/// A daemon without its loop, so that something can happen between two steps.
pub(super) struct Slow {
    pub(super) daemon: Daemon<Shared>,
    pub(super) kernel: Shared,
    now: Instant,
}

impl Slow {
    /// Has synced with these Services and slices.
    pub(super) fn synced(changes: impl IntoIterator<Item = Change>) -> Slow {
        Slow::synced_over(FakeKernel::new(), changes)
    }

    fn synced_over(kernel: FakeKernel, changes: impl IntoIterator<Item = Change>) -> Slow {
        let kernel = Shared(Arc::new(std::sync::Mutex::new(kernel)));
        let daemon = daemon(kernel.clone(), Options::default(), outlets(Metrics::new().unwrap()));
        // Looks are paced by the real time, which this is ahead of.
        let mut slow = Slow { daemon, kernel, now: Instant::now() + Duration::from_secs(60) };
        slow.tell(changes.into_iter().chain(synced()));
        slow
    }

    pub(super) fn tell(&mut self, changes: impl IntoIterator<Item = Change>) {
        changes.into_iter().for_each(|change| self.daemon.take(change));
        self.daemon.work(self.now);
    }

    /// Goes on with the audit under way, or begins one that is due.
    fn look(&mut self) {
        self.daemon.work(self.now);
        std::thread::sleep(Duration::from_millis(1));
    }

    fn finish_audit(&mut self) {
        while self.daemon.pacer.is_auditing() {
            self.look();
        }
    }

    fn has_real_server(&self, host: u8) -> bool {
        let saved = self.kernel.with(|kernel| plan::print::ipvsadm_save(&kernel.state));
        saved.contains(&format!("-r 10.0.0.{host}:8080"))
    }
}

#[tokio::test]
async fn what_fails_where_an_audit_has_looked_is_tried_again_after_it() {
    let mut slow = Slow::synced([service("web", "10.96.0.1", None), slice("web", &[1])]);
    slow.kernel.with(|kernel| {
        for server in kernel.state.virtual_servers.values_mut() {
            Arc::make_mut(server).real_servers.clear();
        }
    });
    slow.daemon.pacer.audit_now();
    while !slow.has_real_server(1) {
        slow.look();
    }
    assert!(slow.daemon.pacer.is_auditing());
    let refusal = ("add real server 10.0.0.2:8080 to 10.96.0.1:80/TCP".to_owned(), netlink_errno());
    slow.kernel.with(|kernel| kernel.refusals.push(refusal));
    slow.tell([slice("web", &[1, 2])]);
    assert!(!slow.has_real_server(2));
    // The retry falls into the audit.
    slow.now += Duration::from_secs(1);
    slow.finish_audit();
    slow.now += Duration::from_secs(1);
    slow.look();
    slow.finish_audit();
    assert!(slow.has_real_server(2));
}

/// There is nothing else to try.
#[tokio::test]
async fn a_missing_scheduler_without_a_substitute_is_tried_again_like_everything_else() {
    let mut kernel = FakeKernel::new();
    kernel.missing_schedulers.insert(Scheduler::Rr);
    let mut slow = Slow::synced_over(kernel, [service("web", "10.96.0.1", None)]);
    slow.finish_audit();
    slow.look();
    assert!(!slow.daemon.pacer.is_auditing());
    slow.now += Duration::from_secs(3);
    slow.look();
    assert!(slow.daemon.pacer.is_auditing());
}
