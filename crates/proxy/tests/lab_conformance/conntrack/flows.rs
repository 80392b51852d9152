//! What `conntrack` prints, and flows that nobody may touch.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::caller::Caller;
use crate::scene::{Scene, UDP, at};
use crate::support::manifests::Port;
use crate::support::testbed::shell;

use super::callers::{Callers, virtual_ips};
use super::{PORT, udp};

/// Flows on `node-1` that have to do with a stale one: the same pod by another Service, by another port of the same
/// address, and without any Service; the same address and port in another zone, as a virtual switch has.
pub(super) struct Witnesses {
    flows: Vec<(String, String)>,
    scene: Rc<Scene>,
    _callers: Vec<Caller>,
}

/// Flows of UDP on a node that were sent to one of these addresses and are answered by a pod.
#[track_caller]
pub(super) fn flows_to(scene: &Scene, node: &str, services: Vec<SocketAddr>, pod: &str) -> Vec<String> {
    let pod = scene.addresses(pod).both().map(|ip| format!("src={ip} "));
    let is_service = |line: &String| {
        services.iter().any(|service| {
            let ends = format!("dst={} ", service.ip());
            let port = format!("dport={} ", service.port());
            original(line).is_some_and(|text| text.contains(&ends) && text.contains(&port))
        })
    };
    let is_answered =
        |line: &String| reply(line).is_some_and(|text| pod.iter().any(|pod| text.contains(pod.as_str())));
    let flows = list(scene, node).into_iter();
    flows.filter(|line| !line.contains("zone=") && is_service(line) && is_answered(line)).collect()
}

/// All flows of UDP, of both families.
fn list(scene: &Scene, node: &str) -> Vec<String> {
    const LIST: &str =
        "conntrack -L -p udp -o id -f ipv4 2>/dev/null; conntrack -L -p udp -o id -f ipv6 2>/dev/null";
    shell(scene.namespace(node), LIST).lines().map(str::to_owned).collect()
}

/// The direction of the first packet.
fn original(line: &str) -> Option<&str> {
    Some(&line[line.find("src=")?..line.rfind("src=")?])
}

/// The direction of the answers.
fn reply(line: &str) -> Option<&str> {
    Some(&line[line.rfind("src=")?..])
}

/// The kernel's number for a flow: another flow with the same addresses and ports most likely has another one.
fn id(line: &str) -> Option<&str> {
    line.split_once("id=")?.1.split_whitespace().next()
}

// === impl Witnesses ===

impl Witnesses {
    /// Begins the flows, all of them to `pod-1`, which is about to leave the Services.
    #[track_caller]
    pub(super) fn call(callers: &Callers) -> Witnesses {
        let scene = Rc::clone(&callers.scene);
        let mut ways: Vec<SocketAddr> = scene.port_of("pod-1", PORT).into();
        let other = udp("other", 12).slice(scene.endpoints(&["pod-1"]));
        scene.apply(&other);
        ways.extend(other.addresses(UDP));
        let neighbour =
            udp("neighbour", 13).load_balancer(&virtual_ips()).ports([Port { number: 54, ..Port::of(UDP) }]);
        scene.apply(&neighbour.slice(scene.endpoints(&["pod-1"])));
        ways.extend(at(virtual_ips(), 54));
        let callers: Vec<Caller> = ways.into_iter().map(|to| Caller::start(&scene, "pod-2", to)).collect();
        callers.iter().for_each(|caller| caller.reaches("pod-1"));
        let mut tuples: Vec<String> = callers.iter().map(tuple).collect();
        tuples.extend(insert_into_zone(&scene));
        let mut witnesses = Witnesses { flows: Vec::new(), scene, _callers: callers };
        witnesses.flows = tuples.into_iter().map(|tuple| (witnesses.find(&tuple), tuple)).collect();
        witnesses
    }

    /// Each of the flows is the same as at the beginning.
    #[track_caller]
    pub(super) fn assert_untouched(&self) {
        for (before, tuple) in &self.flows {
            assert_eq!(id(&self.find(tuple)), id(before), "{before} was made anew");
        }
    }

    #[track_caller]
    fn find(&self, tuple: &str) -> String {
        let flows = list(&self.scene, "node-1");
        let found = flows.iter().find(|line| line.contains(tuple));
        found.unwrap_or_else(|| panic!("no flow has {tuple:?}: {flows:#?}")).clone()
    }
}

fn tuple(caller: &Caller) -> String {
    format!("dst={} sport={} dport={} ", caller.to().ip(), caller.port(), caller.to().port())
}

/// Puts a flow like those of the Service's callers into another zone.
fn insert_into_zone(scene: &Scene) -> Vec<String> {
    const CLIENT_PORT: u16 = 11111;
    let insert = |(client, service, server): (IpAddr, IpAddr, IpAddr)| {
        let to = format!("-s {client} -d {service} --sport {CLIENT_PORT} --dport 53");
        let back = format!("-r {server} -q {client} --reply-port-src {PORT} --reply-port-dst {CLIENT_PORT}");
        shell(scene.namespace("node-1"), &format!("conntrack -I -p udp -w 7 -t 600 {to} {back}"));
        format!("dst={service} sport={CLIENT_PORT} dport=53 ")
    };
    let [client4, client6] = scene.addresses("pod-2").both();
    let [server4, server6] = scene.addresses("pod-1").both();
    let [service4, service6] = udp("cluster", 10).ips();
    [(client4, service4, server4), (client6, service6, server6)].map(insert).into()
}
