//! `[sig-network] Conntrack` (test/e2e/network/conntrack.go), and what `[sig-network] LoadBalancers` asks of UDP.
//!
//! A UDP client that goes on sending from one port stays with its server for as long as conntrack remembers the flow,
//! which every datagram prolongs. Upstream has a test for each way to reach a Service; here all ways are called at the
//! same time.

#[path = "conntrack/callers.rs"]
mod callers;
#[path = "conntrack/flows.rs"]
mod flows;
#[path = "conntrack/invalid.rs"]
mod invalid;
#[path = "conntrack/segment.rs"]
mod segment;

use crate::scene::{Scene, UDP};
use crate::support::manifests::{Condition, Service, Slice};

use self::callers::Callers;
use self::flows::{Witnesses, flows_to};

/// Where pods listen, and where they listen after their target port has changed.
const PORT: u16 = 5353;
const NEW_PORT: u16 = 5354;

/// The cycle of upstream's tests: a pod serves, another one comes, the first goes. The last step replaces the pod at
/// once, as a load balancer's test does when the pods have the same name. (Upstream: "should be able to preserve UDP
/// traffic when server pod cycles for a NodePort service", "… a ClusterIP service", "… a ClusterIP service with
/// InternalTrafficPolicy set to Local", "… a ClusterIP service and client is hostNetwork"; LoadBalancers: "should
/// be able to preserve UDP traffic when server pod cycles for a LoadBalancer service on different nodes", "… on the
/// same nodes".)
#[test]
fn should_be_able_to_preserve_udp_traffic_when_server_pod_cycles() {
    let Some(callers) = Callers::build() else { return };
    callers.serve(&["pod-1"]);
    callers.reach("pod-1");
    callers.assert_flows_to("pod-1");
    let witnesses = Witnesses::call(&callers);
    callers.serve(&["pod-1", "pod-2"]);
    callers.serve(&["pod-2"]);
    callers.reach("pod-2");
    callers.serve(&["pod-1"]);
    callers.reach("pod-1");
    callers.leave_nothing_to("pod-2");
    witnesses.assert_untouched();
    callers.serve(&["pod-3"]);
    callers.cluster.reach("pod-3");
    // It is on another node than the callers.
    callers.local.reach_nobody();
    callers.leave_nothing_to("pod-1");
}

/// Upstream: "should be able to preserve UDP traffic when initial unready endpoints get ready".
#[test]
fn should_be_able_to_preserve_udp_traffic_when_initial_unready_endpoints_get_ready() {
    let Some(callers) = Callers::build() else { return };
    callers.apply(|service| {
        service.slice(callers.scene.endpoints(&["pod-1"])).with("pod-1", Condition::Unready)
    });
    callers.reach_nobody();
    callers.serve(&["pod-1"]);
    callers.reach("pod-1");
    callers.apply(|service| {
        service.slice(callers.scene.endpoints(&["pod-1"])).with("pod-1", Condition::Unready)
    });
    callers.reach_nobody();
    callers.leave_nothing_to("pod-1");
}

/// The Service is scaled to zero and back, deleted and made again.
#[test]
fn should_be_able_to_preserve_udp_traffic_when_the_service_comes_back() {
    let Some(callers) = Callers::build() else { return };
    callers.serve(&["pod-1"]);
    callers.reach("pod-1");
    callers.serve(&[]);
    callers.reach_nobody();
    callers.leave_nothing_to("pod-1");
    callers.serve(&["pod-2"]);
    callers.reach("pod-2");
    callers.delete();
    callers.reach_nobody();
    callers.leave_nothing_to("pod-2");
    callers.serve(&["pod-1"]);
    callers.reach("pod-1");
}

/// Upstream: "should be able to cleanup conntrack entries when UDP service target port changes for a NodePort service".
#[test]
fn should_be_able_to_clean_up_conntrack_entries_when_the_target_port_of_a_udp_service_changes() {
    let Some(callers) = Callers::build() else { return };
    let scene = &callers.scene;
    let _moved = scene.serve("pod-1", "pod-1-moved", UDP, NEW_PORT);
    callers.serve(&["pod-1"]);
    callers.reach("pod-1");
    callers.apply(|service| service.add(on_port(scene, NEW_PORT)));
    callers.reach("pod-1-moved");
    for place in ["node-1", "node-2", "node-3"] {
        let stale: Vec<_> = flows_to(scene, place, callers.services(), "pod-1")
            .into_iter()
            .filter(|flow| flow.contains(&format!("sport={PORT} ")))
            .collect();
        assert!(stale.is_empty(), "{place} still has {stale:#?}");
    }
}

/// `pod-1` on another port.
fn on_port(scene: &Scene, port: u16) -> Slice {
    let mut slice = Slice::of(scene.endpoints(&["pod-1"]));
    slice.ports = Some(vec![("udp".to_owned(), UDP, port)]);
    slice
}

/// What every Service of these tests is made from.
fn udp(name: &str, number: u16) -> Service {
    Service::new(name, number).protocols(&[UDP])
}
