//! What work costs in instructions, from a change that was told to the kernel that was told of it, as ratios between
//! sizes: a step that walks over everything shows at once. The builds of tests are not optimised, which ratios do not
//! mind.

use std::ops::Range;

use lab::count::{instructions, measured};
use plan::{RealServerKey, VirtualServerKey};

use super::*;

/// A daemon without its loop, so that each step can be taken by itself.
struct Still {
    daemon: Daemon<Shared>,
    now: Instant,
    /// What health checks and metrics run on.
    _runtime: tokio::runtime::Runtime,
}

impl Still {
    /// Everything is listed, and nothing done yet.
    fn listed(services: usize) -> Still {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let guard = runtime.enter();
        let kernel = Shared(Arc::new(std::sync::Mutex::new(FakeKernel::new())));
        let daemon = daemon(kernel, Options::default(), outlets(Metrics::new().unwrap()));
        drop(guard);
        let mut still = Still { daemon, now: Instant::now(), _runtime: runtime };
        for number in 0..services {
            let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
            still.daemon.take(service(&format!("web-{number}"), &format!("10.96.{high}.{low}"), None));
            still.daemon.take(slice(&format!("web-{number}"), &[1, 2]));
        }
        synced().into_iter().for_each(|change| still.daemon.take(change));
        still
    }

    /// The kernel holds what is planned.
    fn synced(services: usize) -> Still {
        let mut still = Still::listed(services);
        still.work();
        still.sent();
        still
    }

    fn work(&mut self) {
        self.daemon.work(self.now);
    }

    /// Works until the audit under way has ended.
    fn finish_audit(&mut self) {
        while self.daemon.pacer.is_auditing() {
            self.daemon.work(Instant::now() + Duration::from_secs(1));
        }
    }

    /// How many operations the kernel has carried out since the last call.
    fn sent(&mut self) -> usize {
        self.daemon.dataplane.kernel().with(FakeKernel::take_log).lines().count()
    }
}

/// The Services that change, one after the other: a hash table moves all that it holds when it is full, which is one
/// change's cost in many and must not look like every one's.
const CHANGED: Range<usize> = 0..8;

/// Maps and trees grow by the logarithm of what they hold; anything else here is a walk over all Services.
#[test]
fn a_change_costs_the_same_among_many_services() {
    let Some([few, many]) = instructions([10, 10_000], |size| {
        let mut still = Still::synced(size);
        measured(|| {
            for number in CHANGED {
                still.daemon.take(slice(&format!("web-{number}"), &[1, 2, 3]));
                still.work();
            }
        });
        assert_eq!(still.sent(), CHANGED.len());
    }) else {
        return;
    };
    assert!(5 * many < 6 * few, "{few} instructions among 10 Services, {many} among 10000");
}

/// A Service whose changes come faster than they are applied is brought to where they end.
#[test]
fn changes_of_a_service_that_wait_together_are_one() {
    let mut still = Still::synced(10);
    for host in 3..=99 {
        still.daemon.take(slice("web-7", &[1, 2, host]));
    }
    still.work();
    assert_eq!(still.sent(), 1);
}

/// With connections that the change leaves to drain, and others that drain already.
#[test]
fn a_removal_costs_the_same_among_many_that_drain() {
    let Some([few, many]) = instructions([10, 2_000], |size| {
        let mut still = Still::synced(size);
        for number in 0..size {
            still.daemon.take(slice(&format!("web-{number}"), &[1]));
        }
        let busy = |key: &VirtualServerKey, host| {
            let address = IpAddr::from([10, 0, 0, host]);
            ((*key, RealServerKey { address, port: 8080 }), 1)
        };
        still.daemon.dataplane.kernel().with(|kernel| {
            let keys: Vec<_> = kernel.state.virtual_servers.keys().copied().collect();
            kernel.connections.extend(keys.iter().flat_map(|key| [busy(key, 1), busy(key, 2)]));
        });
        still.work();
        assert_eq!(still.daemon.dataplane.draining(), size);
        still.sent();
        measured(|| {
            for number in CHANGED {
                still.daemon.take(slice(&format!("web-{number}"), &[]));
                still.work();
            }
        });
        assert_eq!(still.daemon.dataplane.draining(), size + CHANGED.len());
    }) else {
        return;
    };
    assert!(5 * many < 6 * few, "{few} instructions while 10 drain, {many} while 2000 do");
}

/// Planning everything, comparing it with what the kernel holds, and sending what is missing.
#[test]
fn the_first_sync_is_linear() {
    let Some([some, all]) = instructions([1_000, 10_000], |size| {
        let mut still = Still::listed(size);
        measured(|| still.work());
    }) else {
        return;
    };
    assert!(all < 13 * some, "{some} instructions for 1000 Services, {all} for 10000");
}

/// An audit that finds nothing.
#[test]
fn an_audit_is_linear() {
    let Some([some, all]) = instructions([1_000, 10_000], |size| {
        let mut still = Still::synced(size);
        still.daemon.pacer.audit_now();
        measured(|| {
            still.work();
            still.finish_audit();
        });
        assert_eq!(still.sent(), 0);
    }) else {
        return;
    };
    assert!(all < 13 * some, "{some} instructions for 1000 Services, {all} for 10000");
}
