//! `TestTestInternalTrafficPolicyE2E` and `TestNoEndpointsMetric`.

use super::*;

const HERE_AND_ELSEWHERE: &str = "slice svc1-1 svc1 80/TCP 10.0.1.1@n1 10.0.1.2@n2 10.0.1.3@n3";
const ELSEWHERE: &str = "slice svc1-1 svc1 80/TCP 10.0.1.1@n4 10.0.1.2@n2 10.0.1.3@n3";

fn check_internal(policy: &str, slice: &str, expected: Expect) {
    check_v4(&format!("service svc1 172.20.1.1 80/TCP {policy}\n{slice}"), "", expected);
}

#[test]
fn internal_traffic_policy_cluster_with_local_endpoints() {
    check_internal(
        "",
        HERE_AND_ELSEWHERE,
        expect![[r#"
            -A -t 172.20.1.1:80 -s rr
            -a -t 172.20.1.1:80 -r 10.0.1.1:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.2:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.3:80 -m -w 1
            add KUBE-LOOP-BACK 10.0.1.1,tcp:80,10.0.1.1
            add KUBE-CLUSTER-IP 172.20.1.1,tcp:80
            add KUBE-IPVS-IPS 172.20.1.1
            bound: 172.20.1.1
        "#]],
    );
}

#[test]
fn internal_traffic_policy_cluster_without_local_endpoints() {
    check_internal(
        "",
        ELSEWHERE,
        expect![[r#"
            -A -t 172.20.1.1:80 -s rr
            -a -t 172.20.1.1:80 -r 10.0.1.1:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.2:80 -m -w 1
            -a -t 172.20.1.1:80 -r 10.0.1.3:80 -m -w 1
            add KUBE-CLUSTER-IP 172.20.1.1,tcp:80
            add KUBE-IPVS-IPS 172.20.1.1
            bound: 172.20.1.1
        "#]],
    );
}

#[test]
fn internal_traffic_policy_local_with_local_endpoints() {
    check_internal(
        "internal=Local",
        HERE_AND_ELSEWHERE,
        expect![[r#"
            -A -t 172.20.1.1:80 -s rr
            -a -t 172.20.1.1:80 -r 10.0.1.1:80 -m -w 1
            add KUBE-LOOP-BACK 10.0.1.1,tcp:80,10.0.1.1
            add KUBE-CLUSTER-IP 172.20.1.1,tcp:80
            add KUBE-IPVS-IPS 172.20.1.1
            bound: 172.20.1.1
        "#]],
    );
}

#[test]
fn internal_traffic_policy_local_without_local_endpoints() {
    check_internal(
        "internal=Local",
        ELSEWHERE,
        expect![[r#"
            -A -t 172.20.1.1:80 -s rr
            add KUBE-CLUSTER-IP 172.20.1.1,tcp:80
            add KUBE-NO-ENDPOINT 172.20.1.1,tcp:80
            add KUBE-IPVS-IPS 172.20.1.1
            bound: 172.20.1.1
        "#]],
    );
}

/// The policies that the node cannot keep for a Service with a node port.
fn check_missing(policies: &str, slice: &str, expected: &[Policy]) {
    let service = format!("service svc1 172.20.1.1 type=NodePort 80/TCP node-port=30000 {policies}");
    let cluster = cluster(&format!("{service}\n{slice}"));
    let mut planner = crate::Planner::new(options("host=100.101.102.103"));
    planner.rebuild(&cluster);
    let missing = [Policy::Internal, Policy::External]
        .into_iter()
        .filter(|policy| planner.without_local_endpoint(Family::V4, *policy) == 1);
    assert_eq!(missing.collect::<Vec<_>>(), expected);
    assert_eq!(planner.without_local_endpoint(Family::V6, Policy::External), 0);
}

#[test]
fn no_endpoints_metric_internal_local_with_local_endpoints() {
    check_missing("internal=Local", HERE_AND_ELSEWHERE, &[]);
}

#[test]
fn no_endpoints_metric_external_local_with_local_endpoints() {
    check_missing("external=Local", HERE_AND_ELSEWHERE, &[]);
}

#[test]
fn no_endpoints_metric_both_local_with_local_endpoints() {
    check_missing("internal=Local external=Local", HERE_AND_ELSEWHERE, &[]);
}

#[test]
fn no_endpoints_metric_internal_local_without_local_endpoints() {
    check_missing("internal=Local", ELSEWHERE, &[Policy::Internal]);
}

#[test]
fn no_endpoints_metric_external_local_without_local_endpoints() {
    check_missing("external=Local", ELSEWHERE, &[Policy::External]);
}

#[test]
fn no_endpoints_metric_both_local_without_local_endpoints() {
    check_missing("internal=Local external=Local", ELSEWHERE, &[Policy::Internal, Policy::External]);
}

#[test]
fn no_endpoints_metric_both_local_without_any_endpoints() {
    check_missing("internal=Local external=Local", "", &[]);
}
