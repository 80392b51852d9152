//! Pods are replaced one after the other, again and again, while clients ask without a pause and others hold
//! connections.

use std::collections::BTreeMap;
use std::env;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::traffic::{Download, Server};
use serde_json::json;

use crate::load::Load;
use crate::scene::{Scene, TCP, at};
use crate::support::kernel::Dump;
use crate::support::manifests::{Condition, Port, Service};
use crate::support::testbed::eventually;

/// How many times all pods are replaced, unless the environment variable says otherwise.
const ROUNDS: usize = 10;
const ROUNDS_VARIABLE: &str = "ROLLING_UPDATES";

/// Each pod and the one that takes its place, on the same node.
const PAIRS: [(&str, &str); 3] = [("pod-1", "pod-2"), ("pod-3", "pod-4"), ("pod-5", "pod-6")];

const NODE_PORT: u16 = 30080;
const LONG_NODE_PORT: u16 = 30081;
const LOCAL_NODE_PORT: u16 = 30082;

/// What short requests ask. It stops with its pod, whereas the pods' usual port serves long connections.
const WEB: u16 = 8081;

/// The Services of these tests, with the pods of the moment.
struct Deployment {
    /// Reachable by all kinds of address, policy Cluster.
    cluster: Service,
    /// Behind a load balancer with policy Local.
    local: Service,
    /// Its drain time is short.
    hasty: Service,
    pods: Vec<(&'static str, Condition)>,
    servers: BTreeMap<&'static str, Server>,
    scene: Arc<Scene>,
}

// === impl Deployment ===

impl Deployment {
    fn new(scene: &Arc<Scene>) -> Deployment {
        let web = || Port::named("web", 80, WEB);
        let long = || Port::named("long", 81, 8080);
        let mut deployment = Deployment {
            cluster: Service::new("cluster", 10)
                .spec(json!({ "type": "NodePort" }))
                .ports([web().node_port(NODE_PORT), long().node_port(LONG_NODE_PORT)]),
            local: Service::new("local", 11)
                .load_balancer(&virtual_ips())
                .spec(json!({ "externalTrafficPolicy": "Local", "healthCheckNodePort": 32080 }))
                .ports([web().node_port(LOCAL_NODE_PORT)]),
            hasty: Service::new("hasty", 12).annotate("drain-timeout", "1s").ports([long()]),
            pods: Vec::new(),
            servers: BTreeMap::new(),
            scene: Arc::clone(scene),
        };
        PAIRS.iter().for_each(|(pod, _)| deployment.start(pod));
        deployment.apply();
        deployment
    }

    fn apply(&self) {
        let names: Vec<&str> = self.pods.iter().map(|(pod, _)| *pod).collect();
        for service in [&self.cluster, &self.local, &self.hasty] {
            let service = service.clone().slice(self.scene.endpoints(&names));
            let service =
                self.pods.iter().fold(service, |service, (pod, condition)| service.with(pod, *condition));
            self.scene.apply(&service);
        }
    }

    fn start(&mut self, pod: &'static str) {
        self.servers.insert(pod, self.scene.serve(pod, pod, TCP, WEB));
        self.pods.push((pod, Condition::Ready));
    }

    /// As a Deployment's controller does it: the new pod is ready before the old one is told to end. It ends when no
    /// node gives it anything new, and who was talking to it has finished.
    #[track_caller]
    fn replace(&mut self, old: &'static str, new: &'static str, load: &Load) {
        self.start(new);
        self.apply();
        let ending = self.pods.iter_mut().filter(|(pod, _)| *pod == old);
        ending.for_each(|(_, condition)| *condition = Condition::Terminating);
        self.apply();
        self.pods.retain(|(pod, _)| *pod != old);
        self.apply();
        let ips = self.scene.addresses(old).both().map(|ip| SocketAddr::new(ip, 0).to_string());
        let ips = ips.map(|text| format!("-r {}", &text[..text.len() - 1]));
        let has_none_new = || {
            self.scene.testbed.cluster.nodes.iter().all(|node| {
                let dump = Dump::of_ipvs(&node.namespace);
                let mut lines = dump.virtual_servers.iter();
                lines.all(|line| !ips.iter().any(|ip| line.contains(ip.as_str())) || line.ends_with("-w 0"))
            })
        };
        eventually(&format!("{old} gets nothing new"), has_none_new);
        load.turn_over();
        self.servers.remove(old);
    }
}

fn virtual_ips() -> [IpAddr; 2] {
    ["203.0.113.10", "2001:db8::10"].map(|ip| ip.parse().unwrap())
}

/// Long connections: from a pod by the cluster IP, and from outside by a node port.
#[track_caller]
fn downloads(scene: &Scene, service: &Service) -> Vec<(String, Download)> {
    let ways = [("pod-3", service.at(81)), ("host-1", scene.port_of("node-2", LONG_NODE_PORT))];
    let all = ways.into_iter().flat_map(|(from, to)| to.map(|to| (from, to)));
    all.map(|(from, to)| (format!("{from} to {to}"), download(scene, from, to))).collect()
}

#[track_caller]
fn download(scene: &Scene, from: &str, to: SocketAddr) -> Download {
    scene.answer(from, TCP, to);
    Download::start(scene.client(from, TCP, to), u32::MAX, Duration::from_millis(300)).unwrap().unwrap()
}

/// `[sig-network] LoadBalancers`: "should not have connectivity disruption during rolling update with
/// externalTrafficPolicy=Cluster", "… Local". Upstream asks for 95 % of requests to succeed; here none may fail, and no
/// connection may break that began before.
#[test]
fn should_not_have_connectivity_disruption_during_rolling_update() {
    let rounds = env::var(ROUNDS_VARIABLE).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let Some(scene) = Scene::build(2, &[TCP]) else { return };
    let scene = Arc::new(scene);
    scene.route_via("node-1", &virtual_ips());
    let mut deployment = Deployment::new(&scene);
    let ways = [
        ("pod-3", deployment.cluster.at(80)),
        ("node-3", deployment.cluster.at(80)),
        ("host-1", scene.port_of("node-2", NODE_PORT)),
        ("host-1", at(virtual_ips(), 80)),
    ];
    for (from, to) in ways {
        to.into_iter().for_each(|to| drop(scene.answer(from, TCP, to)));
    }
    let load = Load::start(&scene, &ways);
    let begin = Instant::now();
    let mut long = Vec::new();
    for round in 0..rounds {
        let mut hasty = Vec::new();
        if round % 10 == 0 {
            long.extend(downloads(&scene, &deployment.cluster));
            hasty.extend(deployment.hasty.at(81).map(|to| download(&scene, "pod-3", to)));
        }
        for (one, other) in PAIRS {
            let (old, new) = if round % 2 == 0 { (one, other) } else { (other, one) };
            deployment.replace(old, new, &load);
        }
        assert_eq!(load.figures().1, 0, "in round {round}:\n{load}");
        let broken: Vec<_> =
            long.iter().filter(|(_, download)| !download.is_running()).map(|(who, _)| who).collect();
        assert!(broken.is_empty(), "connections that broke off in round {round}: {broken:?}");
        for download in hasty {
            eventually("a connection ends with the time of draining", || !download.is_running());
        }
    }
    let before: Vec<u32> = long.iter().map(|(_, download)| download.received()).collect();
    eventually("long connections go on", || {
        long.iter().zip(&before).all(|((_, download), before)| download.received() > *before)
    });
    let (answers, failures) = load.figures();
    let (seconds, connections) = (begin.elapsed().as_secs(), long.len());
    eprintln!(
        "{rounds} rolling updates in {seconds} s: {answers} requests answered, {failures} failed; {connections} long connections, none cut\n{load}"
    );
}
