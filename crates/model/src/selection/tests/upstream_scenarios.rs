//! The cases of upstream's `TestCategorizeEndpoints` (`pkg/proxy/topology_test.go`), of which those about gates
//! that are locked by now, and about annotations that are not read any more, are left out.

use super::*;

/// Selects for a Service with the words `iTP` and `eTP` for policies Local and `outside` for a node port, on
/// the node `n1` in `zone`, and compares the last octets of what is left.
#[track_caller]
fn check(service_words: &str, zone: &str, endpoints: &str, expected: Expect) {
    let policy = |word| match service_words.contains(word) {
        true => TrafficPolicy::Local,
        false => TrafficPolicy::Cluster,
    };
    let outside = service_words.contains("outside");
    let port = ServicePort {
        name: "http".into(),
        protocol: Protocol::Tcp,
        port: 80,
        node_port: outside.then_some(30080),
    };
    let service = Service {
        kind: ServiceKind::NodePort,
        internal_policy: policy("iTP"),
        external_policy: policy("eTP"),
        ..service("")
    };
    let slices = slices(&[endpoints]);
    let vantage = Vantage { node: "n1", zone: (zone != "none").then_some(zone) };
    let selection = Selection::of(&service, &port, Family::V4, slices.iter(), vantage);
    let octets = |candidates: &[Candidate<'_>]| -> String {
        candidates.iter().map(|c| format!(" {}", c.address.to_string().rsplit('.').next().unwrap())).collect()
    };
    let (cluster, local) = (octets(&selection.cluster), octets(&selection.local));
    let usable = if selection.any_usable { "usable" } else { "unusable" };
    expected.assert_eq(&format!("cluster:{cluster}, local:{local}, {usable}"));
}

/// Four endpoints elsewhere, in three zones.
const ZONES: &str = "3@n2:r/z-a 4@n2:r/z-b 5@n2:r/z-c 6@n2:r/z-a";

#[test]
fn hints_for_the_zone_of_the_node() {
    check("", "z-a", ZONES, expect!["cluster: 3 6, local:, usable"]);
}

#[test]
fn external_policy_local_ignores_topology_for_local_endpoints() {
    check(
        "eTP outside",
        "z-a",
        "3@n1:r/z-a 4@n1:r/z-b 5@n2:r/z-c 6@n2:r/z-a",
        expect!["cluster: 3 6, local: 3 4, usable"],
    );
}

#[test]
fn internal_policy_local_ignores_topology_for_local_endpoints() {
    check(
        "iTP outside",
        "z-a",
        "3@n1:r/z-a 4@n1:r/z-b 5@n2:r/z-c 6@n2:r/z-a",
        expect!["cluster: 3 6, local: 3 4, usable"],
    );
}

#[test]
fn a_node_without_zone_label() {
    check("", "none", "3@n2:r/z-a 4@n2:r/z-b", expect!["cluster: 3 4, local:, usable"]);
}

#[test]
fn a_node_with_an_empty_zone_label() {
    check("", "", "3@n2:r/z-a 4@n2:r/z-b", expect!["cluster: 3 4, local:, usable"]);
}

#[test]
fn a_zone_without_endpoints() {
    check("", "z-b", "3@n2:r/z-a", expect!["cluster: 3, local:, usable"]);
}

#[test]
fn an_unready_endpoint() {
    check("", "z-a", "3@n2:r/z-a 4@n2:r/z-b 5@n2:r/z-c 6@n2:/z-a", expect!["cluster: 3, local:, usable"]);
}

#[test]
fn only_unready_endpoints_in_the_zone() {
    check("", "z-a", "3@n2:/z-a 4@n2:r/z-b 5@n2:r/z-c 6@n2:/z-a", expect!["cluster: 4 5, local:, usable"]);
}

#[test]
fn an_unready_endpoint_without_hint_does_not_disable_hints() {
    check("", "z-a", "3@n2:r/z-a 4@n2:r/z-b 5@n2:", expect!["cluster: 3, local:, usable"]);
}

#[test]
fn a_missing_hint_disables_them() {
    check("", "z-a", "3@n2:r/z-a 4@n2:r/z-b 5@n2:r 6@n2:r/z-a", expect!["cluster: 3 4 5 6, local:, usable"]);
}

#[test]
fn several_zones_in_one_hint() {
    check(
        "",
        "z-c",
        "3@n2:r/z-a,z-b,z-c 4@n2:r/z-b,z-c 5@n2:r/z-b,z-d 6@n2:r/z-c",
        expect!["cluster: 3 4 6, local:, usable"],
    );
}

#[test]
fn hints_for_the_node_itself() {
    check(
        "",
        "z-a",
        "3@n1:r/z-a,n1 4@n2:r/z-a,n2 5@n3:r/z-b,n3 6@n4:r/z-c,n4",
        expect!["cluster: 3, local:, usable"],
    );
}

#[test]
fn hints_for_nodes_that_some_endpoints_lack() {
    check("", "z-a", "3@n1:r/n1 4@n2:r/n2 5@n3:r", expect!["cluster: 3 4 5, local:, usable"]);
}

#[test]
fn hints_for_nodes_that_some_endpoints_lack_leave_those_for_zones() {
    check("", "z-a", "3@n1:r/z-a,n1 4@n2:r/z-a 5@n3:r/z-b", expect!["cluster: 3 4, local:, usable"]);
}

#[test]
fn hints_for_other_nodes_leave_those_for_zones() {
    check("", "z-a", "3@n2:r/z-a,n2 4@n3:r/z-a,n3 5@n4:r/z-b,n4", expect!["cluster: 3 4, local:, usable"]);
}

/// Upstream merges the two lists into a third, which only its other modes use.
#[test]
fn topology_and_locality_that_differ() {
    check(
        "eTP outside",
        "z-a",
        "1@n1:r/z-a 2@n1:r/z-b 3@n2:r/z-a 4@n2:r/z-b",
        expect!["cluster: 1 3, local: 1 2, usable"],
    );
}

#[test]
fn internal_policy_local_without_endpoints() {
    check("iTP", "z-a", "", expect!["cluster:, local:, unusable"]);
}

#[test]
fn internal_policy_local_with_endpoints_elsewhere() {
    check("iTP", "z-a", "1@n2:r 2@n2:r", expect!["cluster:, local:, usable"]);
}

#[test]
fn internal_policy_local_with_endpoints_here() {
    check("iTP", "z-a", "1@n1:r 2@n1:r", expect!["cluster:, local: 1 2, usable"]);
}

#[test]
fn internal_policy_local_with_endpoints_here_and_elsewhere() {
    check("iTP", "z-a", "1@n1:r 2@n2:r", expect!["cluster:, local: 1, usable"]);
}

#[test]
fn policy_cluster_with_nothing_ready() {
    check("", "z-a", "1@n2: 2@n2:", expect!["cluster:, local:, unusable"]);
}

#[test]
fn policy_cluster_with_some_ready() {
    check("", "z-a", "1@n2: 2@n2:r", expect!["cluster: 2, local:, usable"]);
}

#[test]
fn policy_cluster_with_all_terminating() {
    check("", "z-a", "1@n1:st 2@n2:st", expect!["cluster: 1 2, local:, usable"]);
}

#[test]
fn internal_local_external_cluster() {
    check("iTP outside", "z-a", "1@n1:r 2@n2:r", expect!["cluster: 1 2, local: 1, usable"]);
}

#[test]
fn internal_cluster_external_local() {
    check("eTP outside", "z-a", "1@n1:r 2@n2:r", expect!["cluster: 1 2, local: 1, usable"]);
}

#[test]
fn both_local_with_endpoints_here_and_elsewhere() {
    check("iTP eTP outside", "z-a", "1@n1:r 2@n2:r", expect!["cluster: 1 2, local: 1, usable"]);
}

#[test]
fn both_local_with_endpoints_elsewhere() {
    check("iTP eTP outside", "z-a", "1@n2:r 2@n2:r", expect!["cluster: 1 2, local:, usable"]);
}

#[test]
fn both_local_with_endpoints_that_end_elsewhere() {
    check("iTP eTP outside", "z-a", "1@n2:st 2@n2:st", expect!["cluster: 1 2, local:, usable"]);
}

#[test]
fn external_local_with_endpoints_that_end() {
    check("eTP outside", "z-a", "1@n2:r 2@n1: 3@n1:st 4@n2:st", expect!["cluster: 1, local: 3, usable"]);
}

#[test]
fn external_policy_without_an_outside() {
    check("eTP", "z-a", "1@n2:r 2@n1:r", expect!["cluster: 1 2, local:, usable"]);
}

#[test]
fn no_cluster_endpoints_for_internal_policy_local_without_an_outside() {
    check("iTP", "z-a", "1@n2:r 2@n1:r", expect!["cluster:, local: 2, usable"]);
}

#[test]
fn a_single_endpoint_that_serves_but_is_neither_ready_nor_terminating() {
    check("", "z-a", "1@n1:s", expect!["cluster:, local:, unusable"]);
}

#[test]
fn a_single_endpoint_that_ends_and_does_not_serve() {
    check("iTP eTP outside", "z-a", "1@n1:t", expect!["cluster:, local:, unusable"]);
}
