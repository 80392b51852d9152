//! Prints changes compactly, for golden tests.

use std::fmt::Write as _;

use model::{Change, EndpointSlice, Family, Node, Service, TrafficPolicy};

/// One line for each change, and one more for each port and endpoint.
pub(crate) fn show<'a>(changes: impl IntoIterator<Item = &'a Change>) -> String {
    changes.into_iter().map(show_one).collect()
}

fn show_one(change: &Change) -> String {
    match change {
        Change::ServiceApplied(service) => show_service(service),
        Change::ServiceRemoved(key) => format!("- Service {key}\n"),
        Change::SliceApplied(slice) => show_slice(slice),
        Change::SliceRemoved(key) => format!("- EndpointSlice {key}\n"),
        Change::NodeApplied(node) => show_node(node),
        Change::NodeRemoved(name) => format!("- Node {name}\n"),
        Change::Synced(kind) => format!("= {kind}\n"),
        Change::Problem(problem) => format!("! {problem}\n"),
    }
}

fn show_service(service: &Service) -> String {
    let mut text = format!("+ Service {} {:?}", service.key, service.kind);
    for family in Family::ALL {
        if let Some(ip) = service.cluster_ips.get(family) {
            write!(text, " {ip}").unwrap();
        }
    }
    if let Some(created) = service.created {
        write!(text, " created={created}").unwrap();
    }
    list(&mut text, "external", &service.external_ips);
    list(&mut text, "lb", &service.load_balancer_ips);
    list(&mut text, "ranges", &service.source_ranges);
    if service.external_policy == TrafficPolicy::Local {
        text.push_str(" eTP=Local");
    }
    if service.internal_policy == TrafficPolicy::Local {
        text.push_str(" iTP=Local");
    }
    option(&mut text, "affinity", service.affinity_seconds.as_ref());
    option(&mut text, "hc", service.health_check_node_port.as_ref());
    option(&mut text, "scheduler", service.scheduling.scheduler.as_ref());
    option(&mut text, "flags", service.scheduling.flags.as_ref());
    option(&mut text, "weights", service.scheduling.weights.as_ref());
    if let Some(timeout) = service.drain_timeout {
        write!(text, " drain={timeout:?}").unwrap();
    }
    for port in &service.ports {
        write!(text, "\n    port {:?} {}/{}", port.name, port.port, port.protocol).unwrap();
        option(&mut text, "node", port.node_port.as_ref());
    }
    text + "\n"
}

fn show_slice(slice: &EndpointSlice) -> String {
    let mut text = format!("+ EndpointSlice {} of {} {}", slice.key, slice.service, slice.family);
    option(&mut text, "weight", slice.weight.as_ref());
    option(&mut text, "triggered", slice.triggered.as_ref());
    for port in &slice.ports {
        write!(text, "\n    port {:?} {}/{}", port.name, port.port, port.protocol).unwrap();
    }
    for endpoint in &slice.endpoints {
        write!(text, "\n    {}", endpoint.address).unwrap();
        for (name, holds) in
            [("ready", endpoint.ready), ("serving", endpoint.serving), ("terminating", endpoint.terminating)]
        {
            if holds {
                write!(text, " {name}").unwrap();
            }
        }
        let topology = &endpoint.topology;
        option(&mut text, "node", topology.node.as_ref());
        option(&mut text, "zone", topology.zone.as_ref());
        list(&mut text, "forZones", &topology.zone_hints);
        list(&mut text, "forNodes", &topology.node_hints);
    }
    text + "\n"
}

fn show_node(node: &Node) -> String {
    let mut text = format!("+ Node {}", node.name);
    option(&mut text, "zone", node.zone.as_ref());
    list(&mut text, "internal", &node.internal_addresses);
    list(&mut text, "external", &node.external_addresses);
    list(&mut text, "pods", &node.pod_cidrs);
    if node.leaving {
        text.push_str(" leaving");
    }
    text + "\n"
}

fn option<T: std::fmt::Display>(text: &mut String, name: &str, value: Option<&T>) {
    if let Some(value) = value {
        write!(text, " {name}={value}").unwrap();
    }
}

fn list<T: std::fmt::Display>(text: &mut String, name: &str, values: &[T]) {
    if !values.is_empty() {
        let values: Vec<String> = values.iter().map(T::to_string).collect();
        write!(text, " {name}={}", values.join(",")).unwrap();
    }
}
