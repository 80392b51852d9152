//! Each policy from each kind of client: who is served, and which source address the server sees.
//!
//! The table stands in `docs/traffic.md` as well, with the reasons.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use expect_test::expect;
use lab::cluster::Node;
use lab::cluster::addresses::CLUSTER_CIDR;
use lab::traffic::{Client, Failure, Protocol};
use lab::wait;
use serde_json::json;

use crate::scene::{Place, Scene, TCP, UDP, at};
use crate::support::manifests::{Port, Service};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// Where clients are, and through which node those outside send.
const CLIENTS: [(&Place, Option<&str>); 6] = [
    ("pod-2", None),
    ("pod-3", None),
    ("node-1", None),
    ("node-2", None),
    ("host-1", Some("node-1")),
    ("host-1", Some("node-2")),
];

/// A family, 0 for IPv4, and a protocol.
type Kind = (usize, Protocol);

const KINDS: [Kind; 4] = [(0, TCP), (1, TCP), (0, UDP), (1, UDP)];

/// A Service under test: reachable by every kind of address, over TCP and UDP.
struct Subject {
    service: Service,
    number: u16,
    node_port: u16,
}

// === impl Subject ===

impl Subject {
    fn new(name: &str, number: u16, policy: &str) -> Subject {
        let node_port = 30000 + number;
        let subject = Subject { service: Service::new(name, number), number, node_port };
        let service = subject
            .service
            .clone()
            .load_balancer(&subject.load_balancer_ips())
            .ports([TCP, UDP].map(|protocol| Port { number: 80, ..Port::of(protocol).node_port(node_port) }))
            .spec(json!({
                "externalIPs": subject.external_ips(),
                "internalTrafficPolicy": policy,
                "externalTrafficPolicy": policy,
                "healthCheckNodePort": 32000 + number,
            }));
        Subject { service, ..subject }
    }

    fn external_ips(&self) -> [IpAddr; 2] {
        [format!("198.51.100.{}", self.number), format!("2001:db8:1::{}", self.number)]
            .map(|ip| ip.parse().unwrap())
    }

    fn load_balancer_ips(&self) -> [IpAddr; 2] {
        [format!("203.0.113.{}", self.number), format!("2001:db8:2::{}", self.number)]
            .map(|ip| ip.parse().unwrap())
    }

    /// The addresses of one family: cluster IP, external IP, load balancer, node port of the endpoint's node, node port
    /// of another.
    fn addresses(&self, scene: &Scene, family: usize) -> [SocketAddr; 5] {
        let all = [
            self.service.at(80),
            at(self.external_ips(), 80),
            at(self.load_balancer_ips(), 80),
            scene.port_of("node-1", self.node_port),
            scene.port_of("node-2", self.node_port),
        ];
        all.map(|both| both[family])
    }
}

/// Two pods are on `node-1`; `pod-1` is the only endpoint.
#[test]
fn each_policy_from_each_kind_of_client() {
    let Some(scene) = Scene::shared(2, &[TCP, UDP]) else { return };
    let endpoints = || scene.endpoints(&["pod-1"]);
    let mut cluster = Subject::new("cluster", 10, "Cluster");
    let mut local = Subject::new("local", 11, "Local");
    let none = Subject::new("none", 12, "Cluster");
    for subject in [&mut cluster, &mut local] {
        subject.service = subject.service.clone().slice(endpoints());
    }
    for subject in [&cluster, &local, &none] {
        scene.apply(&subject.service);
    }
    scene.testbed.cluster.nodes.iter().for_each(|node| settle(&scene, node));
    let tables = [&cluster, &local, &none].map(|subject| tables(&scene, subject));
    let expected = [
        expect![[r#"
            client            cluster IP     external IP    load balancer  node-1's port  node-2's port
            pod-2             as itself      as node-1      as node-1      as node-1      as node-2
            pod-3             as itself      as node-2      as node-2      as node-1      as node-2
            node-1            as itself      as itself      as itself      as itself      as node-2
            node-2            as itself      as itself      as itself      as node-1      as itself
            host-1 via node-1 as node-1      as node-1      as node-1      as node-1      as node-2
            host-1 via node-2 as node-2      as node-2      as node-2      as node-1      as node-2
        "#]],
        expect![[r#"
            client            cluster IP     external IP    load balancer  node-1's port  node-2's port
            pod-2             as itself      as itself      as itself      as itself      as node-2
            pod-3             refused        as itself      as itself      as itself      as node-2
            node-1            as itself      as the address as the address as itself      silent
            node-2            refused        as itself      as itself      as itself      as itself
            host-1 via node-1 as node-1      as itself      as itself      as itself      silent
            host-1 via node-2 refused        silent         silent         as itself      silent
        "#]],
        expect![[r#"
            client            cluster IP     external IP    load balancer  node-1's port  node-2's port
            pod-2             refused        refused        refused        refused        refused
            pod-3             refused        refused        refused        refused        refused
            node-1            refused        refused        refused        refused        refused
            node-2            refused        refused        refused        refused        refused
            host-1 via node-1 refused        refused        refused        refused        refused
            host-1 via node-2 refused        refused        refused        refused        refused
        "#]],
    ];
    for (tables, expected) in tables.into_iter().zip(expected) {
        tables.values().for_each(|table| expected.assert_eq(table));
    }
}

/// Waits until `kube-ipvs diff` finds nothing.
#[track_caller]
fn settle(scene: &Scene, node: &Node) {
    let mut last = String::new();
    let has_settled = wait::until(Duration::from_secs(60), || {
        let (code, text) = scene.testbed.command(node, "diff", &["--cluster-cidr", CLUSTER_CIDR]);
        last = text;
        code == Some(0)
    });
    assert!(has_settled, "kube-ipvs diff on {} still finds:\n{last}", node.name);
}

/// A table for each family and protocol. They should all be alike.
fn tables(scene: &Scene, subject: &Subject) -> BTreeMap<Kind, String> {
    let mut tables: BTreeMap<Kind, String> = BTreeMap::new();
    let head = ["client", "cluster IP", "external IP", "load balancer", "node-1's port", "node-2's port"];
    for key in KINDS {
        tables.insert(key, line(head));
    }
    for (client, via) in CLIENTS {
        if let Some(node) = via {
            let ips = [subject.service.ips(), subject.external_ips(), subject.load_balancer_ips()];
            scene.route_via(node, &ips.concat());
        }
        let title = via.map_or_else(|| client.to_owned(), |node| format!("{client} via {node}"));
        for (key, cells) in ask(scene, client, subject) {
            let [a, b, c, d, e] = &cells;
            tables.get_mut(&key).unwrap().push_str(&line([&title, a, b, c, d, e]));
        }
    }
    tables
}

/// What a client sees at each address, asked at the same time, since silence takes time.
fn ask(scene: &Scene, client: &Place, subject: &Subject) -> Vec<(Kind, [String; 5])> {
    thread::scope(|scope| {
        let asking = KINDS.map(|(family, protocol)| {
            let cells = subject.addresses(scene, family).map(|to| {
                scope.spawn(move || {
                    let namespace = scene.namespace(client);
                    match Client::new(namespace, protocol, to).ask().unwrap() {
                        Ok(answer) if answer.server != "pod-1" => answer.server,
                        Ok(answer) => seen(scene, client, to, answer.seen_source.ip()),
                        Err(Failure::Timeout) => "silent".to_owned(),
                        // A process that sends UDP on its own node is told that it may not.
                        Err(Failure::Refused | Failure::Unreachable) => "refused".to_owned(),
                        Err(failure) => failure.to_string(),
                    }
                })
            });
            ((family, protocol), cells)
        });
        let join = |cells: [thread::ScopedJoinHandle<'_, String>; 5]| cells.map(|cell| cell.join().unwrap());
        asking.into_iter().map(|(key, cells)| (key, join(cells))).collect()
    })
}

/// Whose address the server sees.
fn seen(scene: &Scene, client: &Place, to: SocketAddr, source: IpAddr) -> String {
    let places = [client].into_iter().chain(NODES);
    let found = places.into_iter().find(|place| scene.addresses(place).both().contains(&source));
    match found {
        Some(place) if place == client => "as itself".to_owned(),
        Some(place) => format!("as {place}"),
        None if source == to.ip() => "as the address".to_owned(),
        None => format!("as {source}"),
    }
}

fn line(cells: [&str; 6]) -> String {
    let [client, rest @ ..] = cells;
    let rest: String = rest.iter().map(|cell| format!(" {cell:<14}")).collect();
    format!("{client:<17}{rest}").trim_end().to_owned() + "\n"
}
