mod upstream_scenarios;

use expect_test::{Expect, expect};

use super::*;
use crate::{
    ObjectKey, PerFamily, Protocol, SchedulingHints, ServiceKind, SlicePort, Topology, TrafficPolicy,
};

const HERE: Vantage<'_> = Vantage { node: "n1", zone: Some("z1") };

/// One endpoint a word: `last-octet@node`, then letters: `r`eady, `s`erving, `t`erminating, and hints as
/// `z1`, `n1` after a slash. `5@n1:rs/z1,n2`
fn endpoint(word: &str) -> Endpoint {
    let (body, hints) = word.split_once('/').unwrap_or((word, ""));
    let (place, state) = body.split_once(':').unwrap();
    let (octet, node) = place.split_once('@').unwrap();
    let with = |first: char| hints.split(',').filter(|h| h.starts_with(first)).map(Arc::from).collect();
    Endpoint {
        address: format!("10.0.0.{octet}").parse().unwrap(),
        ready: state.contains('r'),
        serving: state.contains('s'),
        terminating: state.contains('t'),
        topology: Arc::new(Topology {
            node: Some(node.into()),
            zone: None,
            zone_hints: with('z'),
            node_hints: with('n'),
        }),
    }
}

fn slices(words: &[&str]) -> Vec<EndpointSlice> {
    words
        .iter()
        .enumerate()
        .map(|(number, line)| EndpointSlice {
            key: ObjectKey::new("ns", format!("svc-{number}")),
            service: "svc".into(),
            family: Family::V4,
            ports: vec![SlicePort { name: "http".into(), protocol: Protocol::Tcp, port: 80 }],
            endpoints: line.split(' ').filter(|word| !word.is_empty()).map(endpoint).collect(),
            weight: None,
            triggered: None,
        })
        .collect()
}

fn service(policies: &str) -> Service {
    let policy = |name| {
        if policies.contains(name) { TrafficPolicy::Local } else { TrafficPolicy::Cluster }
    };
    let outside = policies.contains("external");
    Service {
        key: ObjectKey::new("ns", "svc"),
        uid: None,
        created: None,
        kind: ServiceKind::ClusterIp,
        cluster_ips: PerFamily { v4: Some("10.96.0.1".parse().unwrap()), v6: None },
        ports: Vec::new(),
        external_ips: if outside { vec!["192.0.2.1".parse().unwrap()] } else { Vec::new() },
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        external_policy: policy("external=Local"),
        internal_policy: policy("internal=Local"),
        affinity_seconds: None,
        health_check_node_port: None,
        scheduling: SchedulingHints::default(),
        drain_timeout: None,
    }
}

fn list(candidates: &[Candidate<'_>]) -> String {
    let mut words: Vec<String> = Vec::new();
    for candidate in candidates {
        words.push(format!(
            "{}@{}",
            candidate.address,
            candidate.endpoint.topology.node.as_deref().unwrap_or("?")
        ));
    }
    words.join(" ")
}

#[track_caller]
fn check(policies: &str, lines: &[&str], expected: Expect) {
    let port = ServicePort { name: "http".into(), protocol: Protocol::Tcp, port: 80, node_port: None };
    let slices = slices(lines);
    let selection = Selection::of(&service(policies), &port, Family::V4, slices.iter(), HERE);
    expected.assert_eq(&format!(
        "cluster: {}\nlocal: {}\nhere: {}",
        list(&selection.cluster),
        list(&selection.local),
        list(&selection.on_this_node)
    ));
}

#[test]
fn ready_endpoints_everywhere() {
    check(
        "",
        &["1@n1:rs 2@n2:rs 3@n2: 4@n2:s"],
        expect![[r#"
        cluster: 10.0.0.1@n1 10.0.0.2@n2
        local: 
        here: 10.0.0.1@n1"#]],
    );
}

#[test]
fn terminating_ones_serve_only_when_nobody_is_ready() {
    check(
        "",
        &["1@n1:st 2@n2:rs"],
        expect![[r#"
        cluster: 10.0.0.2@n2
        local: 
        here: 10.0.0.1@n1"#]],
    );
    check(
        "",
        &["1@n1:st 2@n2:st 3@n2:t"],
        expect![[r#"
        cluster: 10.0.0.1@n1 10.0.0.2@n2
        local: 
        here: 10.0.0.1@n1"#]],
    );
}

#[test]
fn internal_policy_local_never_needs_the_cluster_list() {
    check(
        "internal=Local",
        &["1@n1:rs 2@n2:rs"],
        expect![[r#"
        cluster: 
        local: 10.0.0.1@n1
        here: 10.0.0.1@n1"#]],
    );
    check(
        "internal=Local",
        &["1@n1:st 2@n2:rs"],
        expect![[r#"
        cluster: 
        local: 10.0.0.1@n1
        here: 10.0.0.1@n1"#]],
    );
    check(
        "internal=Local",
        &["2@n2:rs"],
        expect![[r#"
        cluster: 
        local: 
        here: "#]],
    );
}

#[test]
fn external_policy_local_counts_only_with_an_outside() {
    check(
        "external=Local",
        &["1@n1:rs 2@n2:rs"],
        expect![[r#"
        cluster: 10.0.0.1@n1 10.0.0.2@n2
        local: 10.0.0.1@n1
        here: 10.0.0.1@n1"#]],
    );
}

#[test]
fn zone_hints_narrow_when_every_ready_endpoint_has_them() {
    check(
        "",
        &["1@n1:rs/z1 2@n2:rs/z2"],
        expect![[r#"
        cluster: 10.0.0.1@n1
        local: 
        here: 10.0.0.1@n1"#]],
    );
    check(
        "",
        &["1@n1:rs/z1 2@n2:rs"],
        expect![[r#"
        cluster: 10.0.0.1@n1 10.0.0.2@n2
        local: 
        here: 10.0.0.1@n1"#]],
    );
    check(
        "",
        &["1@n1:rs/z2 2@n2:rs/z3"],
        expect![[r#"
        cluster: 10.0.0.1@n1 10.0.0.2@n2
        local: 
        here: 10.0.0.1@n1"#]],
    );
    check(
        "",
        &["1@n1:rs/z1 2@n2:rs/z2 3@n2:"],
        expect![[r#"
        cluster: 10.0.0.1@n1
        local: 
        here: 10.0.0.1@n1"#]],
    );
}

#[test]
fn node_hints_go_before_zone_hints() {
    check(
        "",
        &["1@n1:rs/z1,n1 2@n2:rs/z1,n2"],
        expect![[r#"
        cluster: 10.0.0.1@n1
        local: 
        here: 10.0.0.1@n1"#]],
    );
    check(
        "",
        &["1@n1:rs/z1,n3 2@n2:rs/z2,n2"],
        expect![[r#"
        cluster: 10.0.0.1@n1
        local: 
        here: 10.0.0.1@n1"#]],
    );
}

#[test]
fn of_duplicates_the_running_pod_wins_in_any_order() {
    for lines in [["1@n2:st", "1@n1:rs"], ["1@n1:rs", "1@n2:st"]] {
        check(
            "",
            &lines,
            expect![[r#"
            cluster: 10.0.0.1@n1
            local: 
            here: 10.0.0.1@n1"#]],
        );
    }
}

#[test]
fn of_equal_duplicates_the_local_one_wins() {
    for lines in [["1@n2:rs", "1@n1:rs"], ["1@n1:rs", "1@n2:rs"]] {
        check(
            "internal=Local",
            &lines,
            expect![[r#"
            cluster: 
            local: 10.0.0.1@n1
            here: 10.0.0.1@n1"#]],
        );
    }
}
