//! Callers by every way to a Service.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use lab::{Need, require};
use serde_json::json;

use crate::caller::Caller;
use crate::scene::{Scene, UDP, at};
use crate::support::manifests::{Port, Service};
use crate::support::testbed::eventually;

use super::flows::flows_to;
use super::udp;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
const NODE_PORT: u16 = 30053;
const LOCAL_NODE_PORT: u16 = 30054;

/// The load balancer's addresses.
pub(super) fn virtual_ips() -> [IpAddr; 2] {
    ["203.0.113.10", "2001:db8::10"].map(|ip| ip.parse().unwrap())
}

/// Three nodes, each with two pods, and callers of two Services: one without policies,
/// and one whose traffic stays on its node.
pub(super) struct Callers {
    pub(super) cluster: Group,
    pub(super) local: Group,
    pub(super) scene: Rc<Scene>,
}

/// A Service and its callers.
pub(super) struct Group {
    service: Service,
    callers: Vec<Caller>,
    scene: Rc<Scene>,
}

// === impl Callers ===

impl Callers {
    #[track_caller]
    pub(super) fn build() -> Option<Callers> {
        if !require(Need::Program("conntrack")) {
            return None;
        }
        let scene = Scene::shared(2, &[UDP])?;
        scene.route_via("node-3", &virtual_ips());
        let scene = Rc::new(scene);
        let node_port = |node| scene.port_of(node, NODE_PORT);
        let cluster =
            udp("cluster", 10).load_balancer(&virtual_ips()).ports([Port::of(UDP).node_port(NODE_PORT)]);
        let ways = [
            ("pod-2", cluster.addresses(UDP)),
            ("pod-5", cluster.addresses(UDP)),
            ("node-3", cluster.addresses(UDP)),
            ("pod-3", node_port("node-2")),
            ("host-1", node_port("node-1")),
            ("host-1", node_port("node-2")),
            ("host-1", at(virtual_ips(), 53)),
        ];
        let cluster = Group::call(&scene, cluster, &ways);
        let policies = json!({
            "type": "NodePort", "internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local",
        });
        let local = udp("local", 11).spec(policies).ports([Port::of(UDP).node_port(LOCAL_NODE_PORT)]);
        let ways = [
            ("pod-2", local.addresses(UDP)),
            ("node-1", local.addresses(UDP)),
            ("host-1", scene.port_of("node-1", LOCAL_NODE_PORT)),
        ];
        let local = Group::call(&scene, local, &ways);
        Some(Callers { cluster, local, scene })
    }

    /// Gives both Services these pods.
    pub(super) fn serve(&self, pods: &[&str]) {
        self.groups().for_each(|group| group.serve(pods));
    }

    /// Gives both Services something else than usual.
    pub(super) fn apply(&self, change: impl Fn(Service) -> Service) {
        self.groups().for_each(|group| self.scene.apply(&change(group.service.clone())));
    }

    pub(super) fn delete(&self) {
        self.groups().for_each(|group| self.scene.delete(&group.service));
    }

    #[track_caller]
    pub(super) fn reach(&self, server: &str) {
        self.groups().for_each(|group| group.reach(server));
    }

    #[track_caller]
    pub(super) fn reach_nobody(&self) {
        Caller::reach_nobody(self.groups().flat_map(|group| &group.callers));
    }

    /// Every node tracks flows through a Service to a pod.
    #[track_caller]
    pub(super) fn assert_flows_to(&self, pod: &str) {
        for node in NODES {
            assert!(
                !flows_to(&self.scene, node, self.services(), pod).is_empty(),
                "{node} tracks no flow to {pod}"
            );
        }
    }

    /// Waits until no node tracks a flow through a Service to a pod.
    #[track_caller]
    pub(super) fn leave_nothing_to(&self, pod: &str) {
        for node in NODES {
            let is_empty = || flows_to(&self.scene, node, self.services(), pod).is_empty();
            eventually(&format!("{node} tracks no flow to {pod}"), is_empty);
        }
    }

    /// Addresses and ports of the Services, as their callers use them.
    pub(super) fn services(&self) -> Vec<SocketAddr> {
        self.groups().flat_map(|group| &group.callers).map(Caller::to).collect()
    }

    fn groups(&self) -> impl Iterator<Item = &Group> + Clone {
        [&self.cluster, &self.local].into_iter()
    }
}

// === impl Group ===

impl Group {
    fn call(scene: &Rc<Scene>, service: Service, ways: &[(&str, [SocketAddr; 2])]) -> Group {
        scene.apply(&service);
        let call = |(from, to): &(&str, [SocketAddr; 2])| to.map(|to| Caller::start(scene, from, to));
        let callers = ways.iter().flat_map(call).collect();
        Group { service, callers, scene: Rc::clone(scene) }
    }

    fn serve(&self, pods: &[&str]) {
        self.scene.apply(&self.service.clone().slice(self.scene.endpoints(pods)));
    }

    #[track_caller]
    pub(super) fn reach(&self, server: &str) {
        self.callers.iter().for_each(|caller| caller.reaches(server));
    }

    #[track_caller]
    pub(super) fn reach_nobody(&self) {
        Caller::reach_nobody(self.callers.iter());
    }
}
