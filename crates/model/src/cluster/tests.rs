use super::*;
use crate::{Family, PerFamily, SchedulingHints, ServiceKind, TrafficPolicy};

fn service(name: &str, affinity_seconds: Option<u32>) -> Service {
    Service {
        key: ObjectKey::new("shop", name),
        created: None,
        kind: ServiceKind::ClusterIp,
        cluster_ips: PerFamily::default(),
        ports: Vec::new(),
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        external_policy: TrafficPolicy::Cluster,
        internal_policy: TrafficPolicy::Cluster,
        affinity_seconds,
        health_check_node_port: None,
        scheduling: SchedulingHints::default(),
    }
}

fn slice(name: &str, service: &str) -> EndpointSlice {
    EndpointSlice {
        key: ObjectKey::new("shop", name),
        service: service.into(),
        family: Family::V4,
        ports: Vec::new(),
        endpoints: Vec::new(),
        weight: None,
    }
}

fn touched(names: &[&str]) -> Effect {
    Effect::Services(names.iter().map(|name| ObjectKey::new("shop", *name)).collect())
}

#[test]
fn an_object_that_says_nothing_new_has_no_effect() {
    let mut cluster = Cluster::new("node-a");
    assert_eq!(cluster.apply(Change::ServiceApplied(service("web", None))), touched(&["web"]));
    assert_eq!(cluster.apply(Change::ServiceApplied(service("web", None))), Effect::Nothing);
    assert_eq!(cluster.apply(Change::ServiceApplied(service("web", Some(5)))), touched(&["web"]));
    assert_eq!(cluster.apply(Change::SliceApplied(slice("web-1", "web"))), touched(&["web"]));
    assert_eq!(cluster.apply(Change::SliceApplied(slice("web-1", "web"))), Effect::Nothing);
}

#[test]
fn a_slice_that_changes_its_service_touches_both() {
    let mut cluster = Cluster::new("node-a");
    cluster.apply(Change::SliceApplied(slice("x", "web")));
    assert_eq!(cluster.apply(Change::SliceApplied(slice("x", "api"))), touched(&["api", "web"]));
    assert_eq!(cluster.slices(&ObjectKey::new("shop", "web")).count(), 0);
    assert_eq!(cluster.slices(&ObjectKey::new("shop", "api")).count(), 1);
    assert_eq!(cluster.apply(Change::SliceRemoved(ObjectKey::new("shop", "x"))), touched(&["api"]));
    assert_eq!(cluster.apply(Change::SliceRemoved(ObjectKey::new("shop", "x"))), Effect::Nothing);
}

#[test]
fn planning_waits_for_services_and_slices_but_not_for_the_node() {
    let mut cluster = Cluster::new("node-a");
    assert_eq!(cluster.apply(Change::Synced(Kind::Service)), Effect::Synced(Kind::Service));
    assert!(!cluster.is_synced());
    assert_eq!(cluster.apply(Change::Synced(Kind::EndpointSlice)), Effect::Synced(Kind::EndpointSlice));
    assert!(cluster.is_synced());
    assert_eq!(cluster.apply(Change::Synced(Kind::EndpointSlice)), Effect::Nothing);
    assert!(!cluster.has_synced(Kind::Node));
}

#[test]
fn other_nodes_are_ignored_and_the_own_node_outlives_its_object() {
    let mut cluster = Cluster::new("node-a");
    assert_eq!(cluster.apply(Change::NodeApplied(Node::named("node-b"))), Effect::Nothing);
    assert_eq!(cluster.apply(Change::NodeApplied(Node::named("node-a"))), Effect::Everything);
    assert_eq!(cluster.apply(Change::NodeApplied(Node::named("node-a"))), Effect::Nothing);
    assert_eq!(cluster.apply(Change::NodeRemoved("node-a".into())), Effect::Nothing);
    assert!(cluster.node().is_some());
}
