mod audits;
mod cost;
mod health;
mod leftovers;
mod node;
mod outside;
mod reconfiguration;
mod reports;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use dataplane::fake::FakeKernel;
use dataplane::{Kernel, Settings, Timeouts};
use model::{
    Endpoint, EndpointSlice, Family, Kind, PerFamily, Protocol, SchedulingHints, Service, ServiceKind,
    ServicePort, SlicePort, TrafficPolicy,
};
use plan::{Options, Scheduler};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Sender};

use super::*;
use crate::health_checks::{HealthChecks, ProxyHealth};
use crate::metrics::Metrics;

const PERIODS: Periods = Periods { audit: Duration::from_secs(30), changes: Duration::ZERO };

/// How often rules could not be written.
const RESTORE_FAILURES: &str = "kubeproxy_sync_proxy_rules_iptables_restore_failures_total";

/// A kernel that a test can look into while a daemon uses it.
#[derive(Clone, Debug)]
struct Shared(Arc<std::sync::Mutex<FakeKernel>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut FakeKernel) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }
}

impl Kernel for Shared {
    fn shortfall(&mut self, families: &[Family]) -> Result<dataplane::Shortfall, dataplane::Error> {
        self.with(|kernel| kernel.shortfall(families))
    }
    fn create(&mut self, missing: &[dataplane::Missing]) -> Result<(), dataplane::Error> {
        self.with(|kernel| kernel.create(missing))
    }
    fn virtual_servers(&mut self) -> Result<dataplane::VirtualServers, dataplane::Error> {
        self.with(FakeKernel::virtual_servers)
    }
    fn set_entries(&mut self, set: plan::SetId) -> Result<Vec<plan::Entry>, dataplane::Error> {
        self.with(|kernel| kernel.set_entries(set))
    }
    fn addresses(&mut self) -> Result<BTreeSet<IpAddr>, dataplane::Error> {
        self.with(FakeKernel::addresses)
    }
    fn apply(&mut self, operations: &[plan::Operation]) -> dataplane::Applied {
        self.with(|kernel| kernel.apply(operations))
    }
    fn real_servers(
        &mut self,
        key: &plan::VirtualServerKey,
    ) -> Result<Vec<dataplane::RealServerLoad>, dataplane::Error> {
        self.with(|kernel| kernel.real_servers(key))
    }
    fn host_addresses(&mut self) -> Result<BTreeSet<IpAddr>, dataplane::Error> {
        self.with(|kernel| kernel.host_addresses())
    }
    fn forget_flows(
        &mut self,
        stale: &BTreeMap<plan::VirtualServerKey, dataplane::flows::Stale>,
    ) -> Result<usize, dataplane::Error> {
        self.with(|kernel| kernel.forget_flows(stale))
    }
    fn rules_reader(&mut self, family: Family) -> dataplane::RulesReader {
        self.with(|kernel| kernel.rules_reader(family))
    }
    fn restore_rules(&mut self, family: Family, input: &str) -> Result<(), dataplane::Error> {
        self.with(|kernel| kernel.restore_rules(family, input))
    }
    fn nftables(&mut self) -> Result<Vec<Family>, dataplane::Error> {
        self.with(FakeKernel::nftables)
    }
    fn delete_nftables(&mut self, family: Family) -> Result<(), dataplane::Error> {
        self.with(|kernel| kernel.delete_nftables(family))
    }
    fn sysctl(&mut self, name: &str) -> Option<String> {
        self.with(|kernel| kernel.sysctl(name))
    }
    fn may_set_sysctl(&mut self, name: &str) -> bool {
        self.with(|kernel| kernel.may_set_sysctl(name))
    }
    fn set_sysctl(&mut self, name: &str, value: &str) -> Result<(), dataplane::Error> {
        self.with(|kernel| kernel.set_sysctl(name, value))
    }
    fn timeouts(&mut self) -> Result<Timeouts, dataplane::Error> {
        self.with(|kernel| kernel.timeouts())
    }
    fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), dataplane::Error> {
        self.with(|kernel| kernel.set_timeouts(timeouts))
    }
    fn sent_messages(&self) -> dataplane::SentMessages {
        self.with(|kernel| kernel.sent_messages())
    }
}

/// A running daemon, the kernel under it, and the source that feeds it.
struct Bench {
    kernel: Shared,
    source: Sender<Change>,
    eye: Sender<Sighting>,
    configurator: Sender<Reconfiguration>,
    metrics: Metrics,
    health: Arc<ProxyHealth>,
}

impl Bench {
    fn start(kernel: FakeKernel) -> Bench {
        Bench::start_as(kernel, |daemon| daemon)
    }

    /// The same with a daemon of another kind.
    fn start_as(kernel: FakeKernel, kind: impl FnOnce(Daemon<Shared>) -> Daemon<Shared>) -> Bench {
        let kernel = Shared(Arc::new(std::sync::Mutex::new(kernel)));
        let metrics = Metrics::new().unwrap();
        let outlets = outlets(metrics.clone());
        let health = Arc::clone(&outlets.health);
        let daemon = daemon(kernel.clone(), Options::default(), outlets);
        let (source, changes) = mpsc::channel(16);
        let (eye, sightings) = mpsc::channel(16);
        let (configurator, reconfigurations) = mpsc::channel(1);
        tokio::spawn(kind(daemon).run(
            changes,
            sightings,
            closed(),
            reconfigurations,
            std::future::pending(),
        ));
        Bench { kernel, source, eye, configurator, metrics, health }
    }

    /// Sends changes and lets the daemon work until it waits again.
    async fn tell(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.source.send(change).await.unwrap();
        }
        settle().await;
    }

    /// Lets the daemon work until something is true. The clock goes on, and so does what has no part in it: audits
    /// read the rules on a thread.
    async fn until(&self, what: &str, condition: impl Fn(&Bench) -> bool) {
        for _ in 0..5000 {
            if condition(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain until {what}");
    }

    fn virtual_servers(&self) -> String {
        self.kernel.with(|kernel| plan::print::ipvsadm_save(&kernel.state))
    }

    /// The metrics whose names and labels begin so.
    fn metrics(&self, names: &[&str]) -> String {
        let text = self.metrics.text().unwrap();
        let is_wanted = |line: &&str| names.iter().any(|name| line.starts_with(name));
        text.lines().filter(is_wanted).collect::<Vec<_>>().join("\n")
    }

    /// The rules for IPv4, as `iptables-save` prints them.
    fn rules(&self) -> String {
        self.kernel.with(|kernel| kernel.saved_rules(Family::V4)).unwrap()
    }
}

/// A daemon on `node-a` that knows nothing yet.
fn daemon<K: Kernel>(kernel: K, options: Options, outlets: Outlets) -> Daemon<K> {
    let dataplane = Dataplane::new(kernel, settings());
    Daemon::new(Cluster::new("node-a"), Planner::new(options), dataplane, PERIODS, outlets)
}

fn settings() -> Settings {
    Settings { sysctls: Vec::new(), timeouts: Timeouts::default(), drain_limit: Duration::from_secs(900) }
}

/// Runs a daemon to which nobody but its source has anything to say.
async fn run<K: Kernel>(
    daemon: Daemon<K>,
    changes: Changes,
    stop: impl Future<Output = &'static str>,
) -> anyhow::Result<&'static str> {
    daemon.run(changes, closed(), closed(), closed(), stop).await
}

/// A channel whose other end is gone.
fn closed<T>() -> Receiver<T> {
    mpsc::channel(1).1
}

/// Health checks that nobody asks for, and nobody to record Events.
fn outlets(metrics: Metrics) -> Outlets {
    let health = Arc::new(ProxyHealth::new(Duration::from_secs(60), Family::ALL.into(), false));
    let health_checks = HealthChecks::start(&Handle::current(), Arc::clone(&health), |_| {});
    Outlets::new(health, health_checks, metrics, None)
}

/// With the clock stopped this returns when nothing is left to do but to wait for time.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn service(name: &str, ip: &str, scheduler: Option<&str>) -> Change {
    let address: IpAddr = ip.parse().unwrap();
    Change::ServiceApplied(Service {
        key: ObjectKey::new("shop", name),
        uid: None,
        created: None,
        kind: ServiceKind::ClusterIp,
        cluster_ips: PerFamily { v4: Some(address), v6: None },
        ports: vec![ServicePort { name: "".into(), protocol: Protocol::Tcp, port: 80, node_port: None }],
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        external_policy: TrafficPolicy::Cluster,
        internal_policy: TrafficPolicy::Cluster,
        affinity_seconds: None,
        health_check_node_port: None,
        scheduling: SchedulingHints { scheduler: scheduler.map(Arc::from), ..SchedulingHints::default() },
        drain_timeout: None,
    })
}

fn slice(service: &str, hosts: &[u8]) -> Change {
    let endpoint = |host: &u8| Endpoint {
        address: IpAddr::from([10, 0, 0, *host]),
        ready: true,
        serving: true,
        terminating: false,
        topology: Arc::default(),
    };
    Change::SliceApplied(EndpointSlice {
        key: ObjectKey::new("shop", format!("{service}-1")),
        service: service.into(),
        family: Family::V4,
        ports: vec![SlicePort { name: "".into(), protocol: Protocol::Tcp, port: 8080 }],
        endpoints: hosts.iter().map(endpoint).collect(),
        weight: None,
        triggered: None,
    })
}

fn synced() -> [Change; 3] {
    Kind::ALL.map(Change::Synced)
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_before_every_list_is_in_and_then_everything_at_once() {
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None), Change::Synced(Kind::Service)]).await;
    // What does not depend on Services is there already.
    let log = bench.kernel.with(FakeKernel::take_log);
    assert!(log.lines().all(|line| line.starts_with("create ")), "{log}");
    bench.tell([slice("web", &[1]), Change::Synced(Kind::EndpointSlice), Change::Synced(Kind::Node)]).await;
    let expected = "-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 10.0.0.1:8080 -m -w 1\n";
    assert_eq!(bench.virtual_servers(), expected);
}

/// A node that cannot reach the API server cannot do much else.
#[tokio::test(start_paused = true)]
async fn the_api_server_is_served_first() {
    let bench = Bench::start(FakeKernel::new());
    let Change::ServiceApplied(api_server) = service("kubernetes", "10.96.255.1", None) else { panic!() };
    let api_server = Service { key: ObjectKey::new("default", "kubernetes"), ..api_server };
    bench.tell([service("web", "10.96.0.1", None), Change::ServiceApplied(api_server)]).await;
    bench.tell(synced()).await;
    let log = bench.kernel.with(FakeKernel::take_log);
    let bound: Vec<&str> = log.lines().filter(|line| line.starts_with("bind ")).collect();
    assert_eq!(bound, ["bind 10.96.255.1 to kube-ipvs0", "bind 10.96.0.1 to kube-ipvs0"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_sends_what_changed() {
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None), slice("web", &[1])]).await;
    bench.tell(synced()).await;
    bench.kernel.with(FakeKernel::take_log);
    bench.tell([slice("web", &[1, 2])]).await;
    assert_eq!(
        bench.kernel.with(FakeKernel::take_log),
        "add real server 10.0.0.2:8080 to 10.96.0.1:80/TCP\n"
    );
    bench.tell([slice("web", &[1, 2])]).await;
    assert_eq!(bench.kernel.with(FakeKernel::take_log), "");
}

#[tokio::test(start_paused = true)]
async fn a_restart_sends_nothing() {
    let changes = || [service("web", "10.96.0.1", None), slice("web", &[1])].into_iter().chain(synced());
    let first = Bench::start(FakeKernel::new());
    first.tell(changes()).await;
    let mut kernel = std::mem::take(&mut *first.kernel.0.lock().unwrap());
    kernel.take_log();
    let restores = kernel.restores;
    let second = Bench::start(kernel);
    second.tell(changes()).await;
    assert_eq!(second.kernel.with(FakeKernel::take_log), "");
    assert_eq!(second.kernel.with(|kernel| kernel.restores), restores);
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_is_missing_falls_back_to_the_default() {
    let mut kernel = FakeKernel::new();
    kernel.missing_schedulers.insert(Scheduler::Fo);
    let bench = Bench::start(kernel);
    bench.tell([service("web", "10.96.0.1", Some("fo")), service("api", "10.96.0.2", None)]).await;
    bench.tell(synced()).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n-A -t 10.96.0.2:80 -s rr\n");
    // Later Services that ask for it do not try again.
    bench.kernel.with(FakeKernel::take_log);
    bench.tell([service("late", "10.96.0.3", Some("fo"))]).await;
    assert!(bench.virtual_servers().contains("10.96.0.3:80 -s rr"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_element_is_tried_again_and_drift_is_repaired() {
    let bench = Bench::start(FakeKernel::new());
    bench.tell(synced()).await;
    let refusal = ("add virtual server 10.96.0.1:80/TCP".to_owned(), netlink_errno());
    bench.kernel.with(|kernel| kernel.refusals.push(refusal));
    bench.tell([service("web", "10.96.0.1", None)]).await;
    assert_eq!(bench.virtual_servers(), "");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n");

    bench.kernel.with(|kernel| kernel.state.virtual_servers.clear());
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(bench.virtual_servers(), "-A -t 10.96.0.1:80 -s rr\n");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_somebody_takes_away_is_back_before_the_next_audit() {
    let bench = Bench::start(FakeKernel::new());
    bench.tell([service("web", "10.96.0.1", None)].into_iter().chain(synced())).await;
    let address: IpAddr = "10.96.0.1".parse().unwrap();
    bench.kernel.with(|kernel| kernel.state.addresses.clear());
    bench.eye.send(Sighting::AddressGone("192.0.2.1".parse().unwrap())).await.unwrap();
    settle().await;
    assert!(bench.kernel.with(|kernel| kernel.state.addresses.is_empty()));
    bench.eye.send(Sighting::AddressGone(address)).await.unwrap();
    settle().await;
    assert!(bench.kernel.with(|kernel| kernel.state.addresses.contains(&address)));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_ends_is_an_error_and_stopping_is_not() {
    let daemon = || daemon(FakeKernel::new(), Options::default(), outlets(Metrics::new().unwrap()));
    assert!(run(daemon(), closed(), std::future::pending()).await.is_err());
    let (_source, changes) = mpsc::channel(1);
    assert_eq!(run(daemon(), changes, async { "SIGTERM" }).await.unwrap(), "SIGTERM");
}

/// Any error number that is no special case.
fn netlink_errno() -> dataplane::Errno {
    dataplane::Errno::EPERM
}
