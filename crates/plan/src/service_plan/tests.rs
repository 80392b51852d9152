mod addresses;
mod health_check;
mod local_policy;
mod node_ports;
mod source_ranges;
mod upstream_scenarios;

use expect_test::{Expect, expect};

use super::*;
use crate::State;
use crate::testing::{cluster, key, text};

/// What the Service `web` contributes: its state, its health check, the policies Local that cannot be kept,
/// and its warnings.
fn check(lines: &str, expected: Expect) {
    check_with(lines, &Options::default(), expected);
}

fn check_with(lines: &str, options: &Options, expected: Expect) {
    let cluster = cluster(lines);
    let plan = plan_service(cluster.service(&key("web")).unwrap(), &cluster, options);
    let warnings: String = plan.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    let missing = plan.without_local_endpoint.iter();
    let missing: String = missing.map(|(family, policy)| format!("missing: {family} {policy:?}\n")).collect();
    let health = plan.health_check.map_or(String::new(), |check| {
        let ready = Family::ALL.map(|family| check.local_endpoints.get(family).map(|n| (family, n)));
        let ready: String = ready.iter().flatten().map(|(f, n)| format!(" {f}:{n}")).collect();
        format!("health check: {}{ready}\n", check.port)
    });
    let state =
        State { virtual_servers: plan.virtual_servers, members: plan.members, addresses: plan.addresses };
    expected.assert_eq(&format!("{}{health}{missing}{warnings}", text(&state)));
}

#[test]
fn a_cluster_ip_is_a_virtual_server_in_the_sets_and_bound() {
    check(
        "service web 10.96.0.20 80/TCP
         slice web-1 web 8080/TCP 10.244.1.5@n1 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn ports_of_all_protocols_go_to_the_target_ports_of_the_same_name() {
    check(
        "service web 10.96.0.20 http:80/TCP dns:53/UDP dns-tcp:53/TCP signal:5060/SCTP
         slice web-1 web http:8080/TCP dns:1053/UDP dns-tcp:1053/TCP signal:5061/SCTP 10.244.1.5@n1 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:53 -s rr
            -a -t 10.96.0.20:53 -r 10.244.1.5:1053 -m -w 1
            -a -t 10.96.0.20:53 -r 10.244.2.7:1053 -m -w 1
            -A -u 10.96.0.20:53 -s rr
            -a -u 10.96.0.20:53 -r 10.244.1.5:1053 -m -w 1
            -a -u 10.96.0.20:53 -r 10.244.2.7:1053 -m -w 1
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A --sctp-service 10.96.0.20:5060 -s rr
            -a --sctp-service 10.96.0.20:5060 -r 10.244.1.5:5061 -m -w 1
            -a --sctp-service 10.96.0.20:5060 -r 10.244.2.7:5061 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:1053,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.5,udp:1053,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.5,sctp:5061,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:53
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,udp:53
            add KUBE-CLUSTER-IP 10.96.0.20,sctp:5060
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn a_target_port_of_another_protocol_is_none() {
    check(
        "service web 10.96.0.20 dns:53/UDP
         slice web-1 web dns:53/TCP 10.244.1.5@n1",
        expect![[r#"
            -A -u 10.96.0.20:53 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,udp:53
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn slices_are_merged_and_each_endpoint_is_there_once() {
    check(
        "service web 10.96.0.20 http:80/TCP
         slice web-1 web http:8080/TCP 10.244.2.7@n2 10.244.2.10@n2
         slice web-2 web http:8080/TCP 10.244.2.7@n2!terminating 10.244.2.9@n2
         slice web-3 web http:9090/TCP 10.244.2.7@n2
         slice other-1 other http:8080/TCP 10.244.2.11@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -a -t 10.96.0.20:80 -r 10.244.2.7:9090 -m -w 1
            -a -t 10.96.0.20:80 -r 10.244.2.9:8080 -m -w 1
            -a -t 10.96.0.20:80 -r 10.244.2.10:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn each_family_has_its_own_half() {
    check(
        "service web 10.96.0.20 fd00:96::20 80/TCP
         slice web-4 web 8080/TCP 10.244.1.5@n1
         slice web-6 web 8080/TCP fd00:244:1::5@n1",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -A -t [fd00:96::20]:80 -s rr
            -a -t [fd00:96::20]:80 -r [fd00:244:1::5]:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-6-LOOP-BACK fd00:244:1::5,tcp:8080,fd00:244:1::5
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 fd00:96::20
        "#]],
    );
}

#[test]
fn a_family_that_is_not_served_has_none() {
    let only_v6 = Options { families: [Family::V6].into(), ..Options::default() };
    check_with(
        "service web 10.96.0.20 fd00:96::20 80/TCP
         slice web-4 web 8080/TCP 10.244.1.5@n1
         slice web-6 web 8080/TCP fd00:244:1::5@n1",
        &only_v6,
        expect![[r#"
            -A -t [fd00:96::20]:80 -s rr
            -a -t [fd00:96::20]:80 -r [fd00:244:1::5]:8080 -m -w 1
            add KUBE-6-LOOP-BACK fd00:244:1::5,tcp:8080,fd00:244:1::5
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: fd00:96::20
        "#]],
    );
    check_with(
        "service web 10.96.0.20 80/TCP scheduler=fair",
        &only_v6,
        expect![[r#"
            bound:
        "#]],
    );
}

#[test]
fn endpoints_of_a_family_without_cluster_ip_are_unused() {
    check(
        "service web fd00:96::20 80/TCP
         slice web-4 web 8080/TCP 10.244.1.5@n1",
        expect![[r#"
            -A -t [fd00:96::20]:80 -s rr
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-NO-ENDPOINT fd00:96::20,tcp:80
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: fd00:96::20
        "#]],
    );
}

#[test]
fn client_affinity_is_persistence() {
    check(
        "service web 10.96.0.20 80/TCP affinity=10800 scheduler=sh flags=sh-port
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s sh -p 10800 -b sh-port
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn weights_reach_the_real_servers() {
    check(
        "service web 10.96.0.20 80/TCP weights=zone=z2:3
         slice stable web 8080/TCP 10.244.2.7@n2,z2 10.244.3.8@n3,z3
         slice canary web 8080/TCP weight=0 10.244.2.9@n2,z2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s wrr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 3
            -a -t 10.96.0.20:80 -r 10.244.2.9:8080 -m -w 0
            -a -t 10.96.0.20:80 -r 10.244.3.8:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn internal_policy_local_uses_this_node_only() {
    check(
        "service web 10.96.0.20 80/TCP internal=Local
         slice web-1 web 8080/TCP 10.244.1.5@n1 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn internal_policy_local_is_kept_where_the_node_has_no_endpoint() {
    check(
        "service web 10.96.0.20 80/TCP internal=Local
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            missing: IPv4 Internal
        "#]],
    );
}

/// Here kube-proxy uses every endpoint.
#[test]
fn internal_policy_local_is_kept_even_if_the_service_is_reachable_from_outside() {
    check(
        "service web 10.96.0.20 80/TCP node-port=30080 internal=Local external-ip=198.51.100.7
         slice web-1 web 8080/TCP 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -A -t 198.51.100.7:80 -s rr
            -a -t 198.51.100.7:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP 198.51.100.7,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 198.51.100.7
            bound: 10.96.0.20 198.51.100.7
            missing: IPv4 Internal
        "#]],
    );
}

#[test]
fn without_ready_endpoints_those_that_end_still_serve() {
    check(
        "service web 10.96.0.20 80/TCP
         slice web-1 web 8080/TCP 10.244.2.7@n2!terminating 10.244.2.8@n2!stopped 10.244.2.9@n2!unready",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
    check(
        "service web 10.96.0.20 80/TCP
         slice web-1 web 8080/TCP 10.244.2.7@n2!terminating 10.244.2.8@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.8:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn internal_policy_local_falls_back_to_what_ends_on_this_node() {
    check(
        "service web 10.96.0.20 80/TCP internal=Local
         slice web-1 web 8080/TCP 10.244.1.5@n1!terminating 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn every_endpoint_of_this_node_may_reach_itself() {
    check(
        "service web 10.96.0.20 80/TCP
         slice web-1 web 8080/TCP 10.244.1.5@n1 10.244.1.6@n1!unready 10.244.1.7@n1!terminating 10.244.1.8@n1!stopped",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.6,tcp:8080,10.244.1.6
            add KUBE-LOOP-BACK 10.244.1.7,tcp:8080,10.244.1.7
            add KUBE-LOOP-BACK 10.244.1.8,tcp:8080,10.244.1.8
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn a_service_without_endpoints_is_an_empty_virtual_server() {
    check(
        "service web 10.96.0.20 80/TCP",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

#[test]
fn headless_services_and_names_contribute_nothing() {
    check(
        "service web 80/TCP scheduler=fair
         slice web-1 web 8080/TCP 10.244.1.5@n1",
        expect![[r#"
            bound:
        "#]],
    );
    check(
        "service web 10.96.0.20 80/TCP type=ExternalName
         slice web-1 web 8080/TCP 10.244.1.5@n1",
        expect![[r#"
            bound:
        "#]],
    );
}

#[test]
fn of_two_ports_that_ask_for_the_same_the_first_gets_it() {
    check(
        "service web 10.96.0.20 new:80/TCP old:80/TCP
         slice web-1 web new:8080/TCP old:9090/TCP 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            warning: port "old": 10.96.0.20:80/TCP is already taken by another port or address of this Service, which keeps it
        "#]],
    );
}

#[test]
fn warnings_about_annotations_do_not_stop_anything() {
    check(
        "service web 10.96.0.20 80/TCP scheduler=fair flags=mh-port weights=junk
         slice web-1 web 8080/TCP weight=many 10.244.2.7@n2",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            warning: annotation kube-ipvs.io/weights: "junk" is not of the form zone=NAME:WEIGHT or node=NAME:WEIGHT; it is ignored
            warning: EndpointSlice shop/web-1: annotation kube-ipvs.io/weight: "many" is no weight from 0 to 65535; its endpoints count as 1
            warning: annotation kube-ipvs.io/scheduler: "fair" is no scheduler of IPVS; use one of rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos; the default rr is used
            warning: annotation kube-ipvs.io/scheduler-flags: mh-port is a flag of scheduler mh, not of rr; it is ignored
        "#]],
    );
}
