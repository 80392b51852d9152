//! Three nodes with kube-ipvs, and what clients in all places can say of a Service.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::thread;
use std::time::Duration;

use lab::cluster::addresses::{Addresses, CLUSTER_CIDR};
use lab::cluster::{Node, Pod, Size};
use lab::namespace::Namespace;
use lab::traffic::{self, Answer, Client, Failure, Protocol, Server, Spread};
use lab::wait;

use crate::support::manifests::{Endpoint, Service, ports};
use crate::support::testbed::{Proxy, Testbed};

#[path = "scene/pool.rs"]
mod pool;

use pool::Turn;

/// Where a client is: `pod-2`, `node-1` (a process of the node itself, or a pod on its network) or `host-1` outside.
pub(crate) type Place = str;

pub(crate) const FLAGS: [&str; 6] = [
    "--cluster-cidr",
    CLUSTER_CIDR,
    // The limit of tracked connections is the kernel's, and no namespace may change it.
    "--conntrack-max-per-core",
    "0",
    // No audit makes up for a change that was missed, or takes time from the tests.
    "--ipvs-sync-period",
    "1h",
];

/// How long a client waits for an answer. A refusal over IPv6 may take one retransmission, a second: Linux overlooks an
/// ICMPv6 error that comes while the client is still sending.
const PATIENCE: Duration = Duration::from_secs(3);

/// When a test gives up waiting for a change to be seen. Upstream allows 30 s for endpoints and 2 min for Services.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const TCP: Protocol = Protocol::Tcp;
pub(crate) const UDP: Protocol = Protocol::Udp;

/// Three nodes with kube-ipvs on each, and one host outside, for a test. With one pod on each node, `pod-2` is on
/// `node-2`; with two, `pod-1` and `pod-2` are on `node-1`, and so on.
pub(crate) struct Scene {
    stage: Option<Stage>,
    is_shared: bool,
    servers: Vec<Server>,
    turn: Turn,
}

/// What a scene is played on.
pub(crate) struct Stage {
    /// kube-ipvs on `node-1`, `node-2` and `node-3`. (Dropped first, since their logs are the testbed's.)
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) testbed: Testbed,
}

// === impl Scene ===

impl Scene {
    /// A cluster that one test after another uses, as upstream's tests do. Its pods serve the usual ports of some
    /// protocols. It is handed on without Services, and with kube-ipvs still running, so a test must leave those alone.
    /// None if this machine cannot have one, which is counted.
    #[track_caller]
    pub(crate) fn shared(pods_per_node: u8, protocols: &[Protocol]) -> Option<Scene> {
        let turn = Turn::begin();
        let stage = match pool::take(pods_per_node) {
            Some(stage) => stage,
            None => Stage::build(pods_per_node)?,
        };
        Some(Scene::on(stage, true, protocols, turn))
    }

    /// The same for one test alone.
    #[track_caller]
    pub(crate) fn build(pods_per_node: u8, protocols: &[Protocol]) -> Option<Scene> {
        let turn = Turn::begin();
        Some(Scene::on(Stage::build(pods_per_node)?, false, protocols, turn))
    }

    /// With kube-ipvs as the test has started it.
    pub(crate) fn of(proxies: Vec<Proxy>, testbed: Testbed) -> Scene {
        Scene::on(Stage { proxies, testbed }, false, &[], Turn::begin())
    }

    fn on(stage: Stage, is_shared: bool, protocols: &[Protocol], turn: Turn) -> Scene {
        let pods = stage.testbed.cluster.pods();
        let serve = |pod: &Pod| {
            let serve =
                |protocol: &Protocol| stage.serve(&pod.name, &pod.name, *protocol, ports(*protocol).1);
            protocols.iter().map(serve).collect::<Vec<_>>()
        };
        let servers = pods.into_iter().flat_map(serve).collect();
        Scene { stage: Some(stage), is_shared, servers, turn }
    }
}

impl Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        self.stage.as_ref().unwrap()
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Stage {
        self.stage.as_mut().unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Whoever takes the stage next serves the same ports.
        self.servers.clear();
        let stage = self.stage.take().filter(|_| self.is_shared && !thread::panicking());
        if let Some(stage) = stage.filter(Stage::is_cleared) {
            self.turn.leave(stage);
        }
    }
}

// === impl Stage ===

impl Stage {
    #[track_caller]
    fn build(pods_per_node: u8) -> Option<Stage> {
        let testbed = Testbed::sized(Size { nodes: 3, pods_per_node, hosts: 1 }, &[])?;
        let proxies = testbed.run_everywhere(&FLAGS);
        Some(Stage { proxies, testbed })
    }

    /// Takes all Services away and says whether they are gone from every node.
    fn is_cleared(&self) -> bool {
        self.testbed.manifests.clear();
        let is_empty = |node: &Node| node.ipvs().is_ok_and(|ipvs| ipvs.trim().is_empty());
        wait::until(LIMIT, || self.testbed.cluster.nodes.iter().all(is_empty))
    }

    fn pods_per_node(&self) -> usize {
        self.testbed.cluster.nodes[0].pods.len()
    }

    pub(crate) fn apply(&self, service: &Service) {
        self.testbed.manifests.apply(service);
    }

    pub(crate) fn delete(&self, service: &Service) {
        self.testbed.manifests.delete(service);
    }

    /// Ready endpoints for pods on the pods' own network.
    pub(crate) fn endpoints(&self, pods: &[&str]) -> Vec<Endpoint> {
        self.testbed.endpoints(pods)
    }

    /// The endpoint of a pod on its node's network. A server there has to be started in the node's namespace.
    pub(crate) fn host_network_endpoint(&self, pod: &str, node: &str) -> Endpoint {
        let addresses = self.addresses(node);
        let node = node.to_owned();
        Endpoint { pod: pod.to_owned(), node, addresses, ..self.endpoints(&["pod-1"]).remove(0) }
    }

    #[track_caller]
    pub(crate) fn namespace(&self, place: &Place) -> &Namespace {
        self.testbed.cluster.find(place).unwrap_or_else(|| panic!("{place} is nowhere")).0
    }

    #[track_caller]
    pub(crate) fn addresses(&self, place: &Place) -> Addresses {
        self.testbed.cluster.find(place).unwrap_or_else(|| panic!("{place} is nowhere")).1
    }

    /// A port of a place, IPv4 first: a node port, for instance.
    #[track_caller]
    pub(crate) fn port_of(&self, place: &Place, port: u16) -> [SocketAddr; 2] {
        at(self.addresses(place).both(), port)
    }

    /// Starts a server on a port of a place, under a name.
    #[track_caller]
    pub(crate) fn serve(&self, place: &Place, name: &str, protocol: Protocol, port: u16) -> Server {
        Server::start(self.namespace(place), name, protocol, port).unwrap()
    }

    /// Lets the host outside send what is for some addresses to a node.
    pub(crate) fn route_via(&self, node: &str, addresses: &[IpAddr]) {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let nodes = &self.testbed.cluster.nodes;
        let node = nodes.iter().find(|other| other.name == node).unwrap();
        let host = &self.testbed.cluster.hosts[0];
        // A node that does not serve an address yet sends the packet back to the router and tells the host to do so
        // itself, which the host would remember for minutes.
        for setting in ["ipv4.conf.all", "ipv4.conf.eth0", "ipv6.conf.all", "ipv6.conf.eth0"] {
            host.namespace.sysctl(&format!("net.{setting}.accept_redirects"), "0").unwrap();
        }
        host.route_via(&addresses, node).unwrap();
    }

    /// A client who waits for each answer for some seconds.
    #[track_caller]
    pub(crate) fn client(&self, from: &Place, protocol: Protocol, to: SocketAddr) -> Client<'_> {
        Client::new(self.namespace(from), protocol, to).patience(PATIENCE)
    }

    /// Waits until a client is answered.
    #[track_caller]
    pub(crate) fn answer(&self, from: &Place, protocol: Protocol, to: SocketAddr) -> Answer {
        let mut last = None;
        wait::until(LIMIT, || {
            last = Some(self.client(from, protocol, to).ask().unwrap());
            matches!(last, Some(Ok(_)))
        });
        match last {
            Some(Ok(answer)) => answer,
            last => panic!("{from} asks {protocol} {to}: {last:?}"),
        }
    }

    /// Waits until exactly these servers answer a client, at an address of each family. No request may fail then.
    #[track_caller]
    pub(crate) fn served_by(&self, from: &Place, protocol: Protocol, to: [SocketAddr; 2], servers: &[&str]) {
        let expected: BTreeSet<&str> = servers.iter().copied().collect();
        for to in to {
            let mut last = String::new();
            let is_served = wait::until(LIMIT, || {
                let spread = self.client(from, protocol, to).ask_many(2 * servers.len() + 1, 1).unwrap();
                last = spread.to_string();
                spread.failures.is_empty()
                    && spread.servers().into_iter().collect::<BTreeSet<_>>() == expected
            });
            assert!(is_served, "{from} asks {protocol} {to}: {last}, where {servers:?} should answer");
        }
    }

    /// Waits until servers see a client under its own address, once the policy is in force that keeps it.
    #[track_caller]
    pub(crate) fn keeps_its_source(&self, from: &Place, protocol: Protocol, to: [SocketAddr; 2]) {
        for (to, source) in to.into_iter().zip(self.addresses(from).both()) {
            let mut seen = None;
            let is_source = wait::until(LIMIT, || {
                seen = Some(self.answer(from, protocol, to).seen_source.ip());
                seen == Some(source)
            });
            assert!(is_source, "servers see {seen:?} instead of {source} when {from} asks {protocol} {to}");
        }
    }

    /// Waits until a server answers a client, and compares the client's address as the server sees it.
    #[track_caller]
    pub(crate) fn served_from(
        &self,
        from: &Place,
        protocol: Protocol,
        to: [SocketAddr; 2],
        server: &str,
        source: Addresses,
    ) {
        for (to, source) in to.into_iter().zip(source.both()) {
            self.served_by_one(from, protocol, to, server);
            let seen = self.answer(from, protocol, to).seen_source.ip();
            assert_eq!(seen, source, "the source that {server} sees when {from} asks {protocol} {to}");
        }
    }

    #[track_caller]
    fn served_by_one(&self, from: &Place, protocol: Protocol, to: SocketAddr, server: &str) {
        let mut last = None;
        let is_served = wait::until(LIMIT, || {
            last = Some(self.client(from, protocol, to).ask().unwrap());
            matches!(&last, Some(Ok(answer)) if answer.server == server)
        });
        assert!(is_served, "{from} asks {protocol} {to}: {last:?}, where {server} should answer");
    }

    /// Waits until a client is refused at an address of each family: told so, and not left waiting.
    #[track_caller]
    pub(crate) fn refused(&self, from: &Place, protocol: Protocol, to: [SocketAddr; 2]) {
        self.fails(from, protocol, to, "refused", |failure| *failure == Failure::Refused);
    }

    /// Waits until a client gets no answer of any kind at an address of each family.
    #[track_caller]
    pub(crate) fn silent(&self, from: &Place, protocol: Protocol, to: [SocketAddr; 2]) {
        self.fails(from, protocol, to, "silence", |failure| *failure == Failure::Timeout);
    }

    /// Waits until a client is not served at an address of each family, however it is told.
    #[track_caller]
    pub(crate) fn unserved(&self, from: &Place, protocol: Protocol, to: [SocketAddr; 2]) {
        self.fails(from, protocol, to, "no answer", |_| true);
    }

    /// Waits until both of two requests fail as they should. The families are asked at the same time, since silence
    /// takes time.
    #[track_caller]
    fn fails(
        &self,
        from: &Place,
        protocol: Protocol,
        to: [SocketAddr; 2],
        expected: &str,
        is_expected: impl Fn(&Failure) -> bool + Sync,
    ) {
        let fail = |to: SocketAddr| {
            let mut last = Spread::default();
            let client = self.client(from, protocol, to);
            let has_failed = wait::until(LIMIT, || {
                last = client.ask_many(2, 2).unwrap();
                last.answers.is_empty() && last.failures.keys().all(&is_expected)
            });
            (has_failed, last)
        };
        let fail = &fail;
        let outcomes = thread::scope(|scope| {
            to.map(|to| scope.spawn(move || fail(to))).map(|asking| asking.join().unwrap())
        });
        for (to, (has_failed, last)) in to.into_iter().zip(outcomes) {
            assert!(has_failed, "{from} asks {protocol} {to}: {last}, where {expected} is expected");
        }
    }

    /// Waits until a health-check node port answers with a status, or with none if it is closed. An address of each
    /// family.
    #[track_caller]
    pub(crate) fn health(&self, from: &Place, to: [SocketAddr; 2], status: Option<u16>) {
        for to in to {
            let mut last = None;
            let is_so = wait::until(LIMIT, || {
                let answer = traffic::get(self.namespace(from), to, "/healthz").unwrap();
                let is_so = match (&answer, status) {
                    (Ok(answer), Some(status)) => answer.status == status,
                    (Err(failure), None) => *failure == Failure::Refused,
                    _ => false,
                };
                last = Some(answer);
                is_so
            });
            assert!(is_so, "{from} asks http://{to}/healthz: {last:?}, where {status:?} is expected");
        }
    }
}

/// A port of an address of each family.
pub(crate) fn at(addresses: [IpAddr; 2], port: u16) -> [SocketAddr; 2] {
    addresses.map(|ip| SocketAddr::new(ip, port))
}
