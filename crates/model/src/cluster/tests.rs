use super::*;
use crate::{Endpoint, Family, PerFamily, SchedulingHints, ServiceKind, TrafficPolicy};

fn service(name: &str, affinity_seconds: Option<u32>) -> Service {
    Service {
        key: ObjectKey::new("shop", name),
        uid: None,
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
        drain_timeout: None,
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
        triggered: None,
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

#[test]
fn a_node_that_leaves_is_planned_as_before() {
    let mut cluster = Cluster::new("node-a");
    cluster.apply(Change::NodeApplied(Node::named("node-a")));
    let leaving = Node { leaving: true, ..Node::named("node-a") };
    assert_eq!(cluster.apply(Change::NodeApplied(leaving.clone())), Effect::Nothing);
    assert_eq!(cluster.node(), Some(&leaving));
}

fn with_external_ip(name: &str, ip: &str) -> Service {
    Service { external_ips: vec![ip.parse().unwrap()], ..service(name, None) }
}

fn node(name: &str, ip: &str) -> Change {
    Change::NodeApplied(Node { internal_addresses: vec![ip.parse().unwrap()], ..Node::named(name) })
}

fn owner(cluster: &Cluster, ip: &str) -> Option<String> {
    cluster.address_owner(ip.parse().unwrap()).map(|owner| owner.to_string())
}

#[test]
fn another_nodes_address_has_an_owner_and_touches_who_claims_it() {
    let mut cluster = Cluster::new("node-a");
    assert_eq!(cluster.apply(node("node-b", "192.0.2.2")), Effect::Nothing);
    cluster.apply(Change::ServiceApplied(with_external_ip("web", "192.0.2.2")));
    cluster.apply(Change::ServiceApplied(with_external_ip("api", "192.0.2.3")));
    assert_eq!(owner(&cluster, "192.0.2.2").as_deref(), Some("node node-b"));
    assert_eq!(owner(&cluster, "192.0.2.3"), None);

    assert_eq!(cluster.apply(node("node-b", "192.0.2.2")), Effect::Nothing);
    assert_eq!(cluster.apply(node("node-b", "192.0.2.3")), touched(&["api", "web"]));
    assert_eq!(owner(&cluster, "192.0.2.2"), None);
    assert_eq!(cluster.apply(Change::NodeRemoved("node-b".into())), touched(&["api"]));
    assert_eq!(owner(&cluster, "192.0.2.3"), None);
}

#[test]
fn a_claim_that_ended_is_not_touched() {
    let mut cluster = Cluster::new("node-a");
    cluster.apply(Change::ServiceApplied(with_external_ip("web", "192.0.2.2")));
    cluster.apply(Change::ServiceApplied(with_external_ip("web", "192.0.2.3")));
    assert_eq!(cluster.apply(node("node-b", "192.0.2.2")), Effect::Nothing);
    assert_eq!(cluster.apply(node("node-c", "192.0.2.3")), touched(&["web"]));
    cluster.apply(Change::ServiceRemoved(ObjectKey::new("shop", "web")));
    assert_eq!(cluster.apply(Change::NodeRemoved("node-c".into())), Effect::Nothing);
}

#[test]
fn endpoints_of_the_api_server_are_the_control_planes_addresses() {
    let api_server = |ips: &[&str]| {
        let endpoint = |ip: &&str| Endpoint {
            address: ip.parse().unwrap(),
            ready: true,
            serving: true,
            terminating: false,
            topology: Arc::default(),
        };
        Change::SliceApplied(EndpointSlice {
            key: ObjectKey::new("default", "kubernetes"),
            endpoints: ips.iter().map(endpoint).collect(),
            ..slice("kubernetes", "kubernetes")
        })
    };
    let mut cluster = Cluster::new("node-a");
    cluster.apply(Change::ServiceApplied(with_external_ip("web", "192.0.2.1")));
    let kubernetes = ObjectKey::new("default", "kubernetes");
    let both = Effect::Services(vec![kubernetes.clone(), ObjectKey::new("shop", "web")]);
    assert_eq!(cluster.apply(api_server(&["192.0.2.1"])), both);
    assert_eq!(owner(&cluster, "192.0.2.1").as_deref(), Some("the control plane"));
    assert_eq!(
        cluster.apply(api_server(&["192.0.2.1", "192.0.2.9"])),
        Effect::Services(vec![kubernetes.clone()])
    );
    assert_eq!(cluster.apply(Change::SliceRemoved(kubernetes)), both);
    assert_eq!(owner(&cluster, "192.0.2.1"), None);
}

#[test]
fn a_slice_that_becomes_the_api_servers_touches_who_claims_its_addresses() {
    let endpoint = Endpoint {
        address: "192.0.2.1".parse().unwrap(),
        ready: true,
        serving: true,
        terminating: false,
        topology: Arc::default(),
    };
    let of = |service: &str| {
        let key = ObjectKey::new("default", "x");
        Change::SliceApplied(EndpointSlice { key, endpoints: vec![endpoint.clone()], ..slice("x", service) })
    };
    let all = |names: [&str; 2]| {
        let mut keys: Vec<ObjectKey> = names.map(|name| ObjectKey::new("default", name)).to_vec();
        keys.push(ObjectKey::new("shop", "web"));
        Effect::Services(keys)
    };
    let mut cluster = Cluster::new("node-a");
    cluster.apply(Change::ServiceApplied(with_external_ip("web", "192.0.2.1")));
    cluster.apply(of("other"));
    assert_eq!(owner(&cluster, "192.0.2.1"), None);
    assert_eq!(cluster.apply(of("kubernetes")), all(["kubernetes", "other"]));
    assert_eq!(owner(&cluster, "192.0.2.1").as_deref(), Some("the control plane"));
    assert_eq!(cluster.apply(of("other")), all(["other", "kubernetes"]));
    assert_eq!(owner(&cluster, "192.0.2.1"), None);
}
