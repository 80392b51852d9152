mod upstream_scenarios;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use expect_test::{Expect, expect};
use model::{Family, Protocol};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::print::operations_text;
use crate::testing::{apply, cluster, options, planned};
use crate::{Entry, Scheduler, SetId};

fn state(lines: &str) -> State {
    planned(&cluster(lines), &options("host=192.0.2.1"))
}

fn check(before: &str, after: &str, expected: Expect) {
    let operations = difference(&state(before), &state(after));
    expected.assert_eq(&operations_text(&operations));
}

const WEB: &str = "service web 10.96.0.1 fd00:96::1 http:80/TCP dns:53/UDP
                   slice web-4 web http:8080/TCP dns:53/UDP 10.244.1.5@n1 10.244.2.5@n2
                   slice web-6 web http:8080/TCP dns:53/UDP fd00:244:1::5@n1";

#[test]
fn what_is_added_answers_only_when_it_can_be_served() {
    check(
        "",
        WEB,
        expect![[r#"
            + ipset add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            + ipset add KUBE-LOOP-BACK 10.244.1.5,udp:53,10.244.1.5
            + ipset add KUBE-6-LOOP-BACK fd00:244:1::5,tcp:8080,fd00:244:1::5
            + ipset add KUBE-6-LOOP-BACK fd00:244:1::5,udp:53,fd00:244:1::5
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,udp:53
            + ipset add KUBE-6-CLUSTER-IP fd00:96::1,tcp:80
            + ipset add KUBE-6-CLUSTER-IP fd00:96::1,udp:53
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipset add KUBE-6-IPVS-IPS fd00:96::1
            + ipvsadm -A -u 10.96.0.1:53 -s rr
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ipvsadm -A -u [fd00:96::1]:53 -s rr
            + ipvsadm -A -t [fd00:96::1]:80 -s rr
            + ipvsadm -a -u 10.96.0.1:53 -r 10.244.1.5:53 -m -w 1
            + ipvsadm -a -u 10.96.0.1:53 -r 10.244.2.5:53 -m -w 1
            + ipvsadm -a -t 10.96.0.1:80 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 10.96.0.1:80 -r 10.244.2.5:8080 -m -w 1
            + ipvsadm -a -u [fd00:96::1]:53 -r [fd00:244:1::5]:53 -m -w 1
            + ipvsadm -a -t [fd00:96::1]:80 -r [fd00:244:1::5]:8080 -m -w 1
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            + ip addr add fd00:96::1/128 dev kube-ipvs0
        "#]],
    );
}

#[test]
fn what_is_removed_is_silent_before_it_is_taken_apart() {
    check(
        WEB,
        "",
        expect![[r#"
            - ip addr del 10.96.0.1/32 dev kube-ipvs0
            - ip addr del fd00:96::1/128 dev kube-ipvs0
            - ipvsadm -D -u 10.96.0.1:53
            - ipvsadm -D -t 10.96.0.1:80
            - ipvsadm -D -u [fd00:96::1]:53
            - ipvsadm -D -t [fd00:96::1]:80
            - ipset del KUBE-IPVS-IPS 10.96.0.1
            - ipset del KUBE-6-IPVS-IPS fd00:96::1
            - ipset del KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            - ipset del KUBE-LOOP-BACK 10.244.1.5,udp:53,10.244.1.5
            - ipset del KUBE-6-LOOP-BACK fd00:244:1::5,tcp:8080,fd00:244:1::5
            - ipset del KUBE-6-LOOP-BACK fd00:244:1::5,udp:53,fd00:244:1::5
            - ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            - ipset del KUBE-CLUSTER-IP 10.96.0.1,udp:53
            - ipset del KUBE-6-CLUSTER-IP fd00:96::1,tcp:80
            - ipset del KUBE-6-CLUSTER-IP fd00:96::1,udp:53
        "#]],
    );
}

#[test]
fn a_port_that_moves_is_served_at_both_places_in_between() {
    check(
        "service web 10.96.0.1 80/TCP
         slice web-1 web 8080/TCP 10.244.2.5@n2",
        "service web 10.96.0.1 81/TCP
         slice web-1 web 8080/TCP 10.244.2.5@n2",
        expect![[r#"
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:81
            + ipvsadm -A -t 10.96.0.1:81 -s rr
            + ipvsadm -a -t 10.96.0.1:81 -r 10.244.2.5:8080 -m -w 1
            - ipvsadm -D -t 10.96.0.1:80
            - ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:80
        "#]],
    );
}

#[test]
fn an_endpoint_that_replaces_another_comes_before_that_goes() {
    check(
        "service web 10.96.0.1 80/TCP
         slice web-1 web 8080/TCP 10.244.2.5@n2 10.244.2.6@n2",
        "service web 10.96.0.1 80/TCP
         slice web-1 web 8080/TCP 10.244.2.6@n2 10.244.2.7@n2",
        expect![[r#"
            + ipvsadm -a -t 10.96.0.1:80 -r 10.244.2.7:8080 -m -w 1
            - ipvsadm -d -t 10.96.0.1:80 -r 10.244.2.5:8080
        "#]],
    );
}

#[test]
fn clients_of_a_new_address_keep_their_source_from_the_start() {
    check(
        "",
        "service web type=LoadBalancer 10.96.0.1 80/TCP node-port=30080 lb-ip=203.0.113.9 external=Local
         slice web-1 web 8080/TCP 10.244.1.5@n1 10.244.2.5@n2",
        expect![[r#"
            + ipset add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            + ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            + ipset add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            + ipset add KUBE-NODE-PORT-TCP 30080
            + ipset add KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80
            + ipset add KUBE-NODE-PORT-LOCAL-TCP 30080
            + ipset add KUBE-IPVS-IPS 10.96.0.1
            + ipset add KUBE-IPVS-IPS 203.0.113.9
            + ipvsadm -A -t 10.96.0.1:80 -s rr
            + ipvsadm -A -t 192.0.2.1:30080 -s rr
            + ipvsadm -A -t 203.0.113.9:80 -s rr
            + ipvsadm -a -t 10.96.0.1:80 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 10.96.0.1:80 -r 10.244.2.5:8080 -m -w 1
            + ipvsadm -a -t 192.0.2.1:30080 -r 10.244.1.5:8080 -m -w 1
            + ipvsadm -a -t 203.0.113.9:80 -r 10.244.1.5:8080 -m -w 1
            + ip addr add 10.96.0.1/32 dev kube-ipvs0
            + ip addr add 203.0.113.9/32 dev kube-ipvs0
        "#]],
    );
}

#[test]
fn clients_keep_their_source_once_the_endpoints_of_other_nodes_are_gone() {
    check(
        "service web type=LoadBalancer 10.96.0.1 80/TCP node-port=30080 lb-ip=203.0.113.9
         slice web-1 web 8080/TCP 10.244.1.5@n1 10.244.2.5@n2",
        "service web type=LoadBalancer 10.96.0.1 80/TCP node-port=30080 lb-ip=203.0.113.9 external=Local
         slice web-1 web 8080/TCP 10.244.1.5@n1 10.244.2.5@n2",
        expect![[r#"
            - ipvsadm -d -t 192.0.2.1:30080 -r 10.244.2.5:8080
            - ipvsadm -d -t 203.0.113.9:80 -r 10.244.2.5:8080
            + ipset add KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80
            + ipset add KUBE-NODE-PORT-LOCAL-TCP 30080
        "#]],
    );
}

#[test]
fn clients_of_an_address_that_only_other_nodes_serve_are_dropped_before_they_keep_their_source() {
    let [before, after] = ["", "external=Local"].map(|policy| {
        let service = format!(
            "service web type=LoadBalancer 10.96.0.1 80/TCP node-port=30080 lb-ip=203.0.113.9 {policy}"
        );
        let lines = format!("{service}\nslice web-1 web 8080/TCP 10.244.2.5@n2");
        planned(&cluster(&lines), &options("detector host=192.0.2.1"))
    });
    expect![[r#"
        + ipset add KUBE-NO-LOCAL-ENDPOINT 192.0.2.1,tcp:30080
        + ipset add KUBE-NO-LOCAL-ENDPOINT 203.0.113.9,tcp:80
        + ipset add KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80
        + ipset add KUBE-NODE-PORT-LOCAL-TCP 30080
    "#]]
    .assert_eq(&operations_text(&difference(&before, &after)));
}

#[test]
fn what_is_urgent_does_not_keep_the_source_of_what_other_nodes_still_serve() {
    let [before, after] = ["", "external=Local"].map(|policy| {
        state(&format!(
            "service web type=LoadBalancer 10.96.0.1 80/TCP node-port=30080 lb-ip=203.0.113.9 {policy}
             slice web-1 web 8080/TCP 10.244.1.5@n1 10.244.2.5@n2"
        ))
    });
    let [first, rest] = Difference::between(&before, &after).split(&after);
    assert_eq!(first.operations().collect::<Vec<_>>(), Vec::new());
    assert_eq!(rest.operations().collect::<Vec<_>>(), difference(&before, &after));
}

#[test]
fn attributes_change_in_place() {
    check(
        "service web 10.96.0.1 80/TCP
         slice web-1 web 8080/TCP 10.244.2.5@n2",
        "service web 10.96.0.1 80/TCP scheduler=sh flags=sh-port affinity=10800
         slice web-1 web 8080/TCP 10.244.2.5@n2",
        expect![[r#"
            ~ ipvsadm -E -t 10.96.0.1:80 -s sh -p 10800 -b sh-port
        "#]],
    );
}

#[test]
fn a_weight_changes_in_place() {
    check(
        "service web 10.96.0.1 80/TCP scheduler=wrr
         slice web-1 web 8080/TCP weight=95 10.244.2.5@n2 10.244.2.6@n2",
        "service web 10.96.0.1 80/TCP scheduler=wrr
         slice web-1 web 8080/TCP weight=95 10.244.2.5@n2
         slice web-2 web 8080/TCP weight=0 10.244.2.6@n2",
        expect![[r#"
            ~ ipvsadm -e -t 10.96.0.1:80 -r 10.244.2.6:8080 -m -w 0
        "#]],
    );
}

#[test]
fn a_forwarding_method_that_is_not_ours_is_corrected() {
    let after = state(
        "service web 10.96.0.1 80/TCP
         slice web-1 web 8080/TCP 10.244.2.5@n2",
    );
    let mut before = after.clone();
    for server in before.virtual_servers.values_mut() {
        Arc::make_mut(server).real_servers[0].masqueraded = false;
    }
    expect![[r#"
        ~ ipvsadm -e -t 10.96.0.1:80 -r 10.244.2.5:8080 -m -w 1
    "#]]
    .assert_eq(&operations_text(&difference(&before, &after)));
}

#[test]
fn an_attribute_that_is_never_planned_is_corrected() {
    let after = state("service web 10.96.0.1 80/TCP");
    let mut before = after.clone();
    for server in before.virtual_servers.values_mut() {
        Arc::make_mut(server).config.unusual = true;
    }
    expect![[r#"
        ~ ipvsadm -E -t 10.96.0.1:80 -s rr
    "#]]
    .assert_eq(&operations_text(&difference(&before, &after)));
}

#[test]
fn operations_name_their_element_and_their_virtual_server() {
    let (before, after) = (state("service old 10.96.0.9 81/TCP"), state(WEB));
    let operations = difference(&before, &after);
    let lines = operations.iter().map(|operation| {
        let server = operation.virtual_server().map_or("-".to_owned(), ToString::to_string);
        format!("{server}: {operation}\n")
    });
    expect![[r#"
        -: add set entry KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
        -: add set entry KUBE-LOOP-BACK 10.244.1.5,udp:53,10.244.1.5
        -: add set entry KUBE-6-LOOP-BACK fd00:244:1::5,tcp:8080,fd00:244:1::5
        -: add set entry KUBE-6-LOOP-BACK fd00:244:1::5,udp:53,fd00:244:1::5
        -: add set entry KUBE-CLUSTER-IP 10.96.0.1,tcp:80
        -: add set entry KUBE-CLUSTER-IP 10.96.0.1,udp:53
        -: add set entry KUBE-6-CLUSTER-IP fd00:96::1,tcp:80
        -: add set entry KUBE-6-CLUSTER-IP fd00:96::1,udp:53
        -: add set entry KUBE-IPVS-IPS 10.96.0.1
        -: add set entry KUBE-6-IPVS-IPS fd00:96::1
        10.96.0.1:53/UDP: add virtual server 10.96.0.1:53/UDP
        10.96.0.1:80/TCP: add virtual server 10.96.0.1:80/TCP
        [fd00:96::1]:53/UDP: add virtual server [fd00:96::1]:53/UDP
        [fd00:96::1]:80/TCP: add virtual server [fd00:96::1]:80/TCP
        10.96.0.1:53/UDP: add real server 10.244.1.5:53 to 10.96.0.1:53/UDP
        10.96.0.1:53/UDP: add real server 10.244.2.5:53 to 10.96.0.1:53/UDP
        10.96.0.1:80/TCP: add real server 10.244.1.5:8080 to 10.96.0.1:80/TCP
        10.96.0.1:80/TCP: add real server 10.244.2.5:8080 to 10.96.0.1:80/TCP
        [fd00:96::1]:53/UDP: add real server [fd00:244:1::5]:53 to [fd00:96::1]:53/UDP
        [fd00:96::1]:80/TCP: add real server [fd00:244:1::5]:8080 to [fd00:96::1]:80/TCP
        -: remove set entry KUBE-NO-ENDPOINT 10.96.0.9,tcp:81
        -: bind 10.96.0.1 to kube-ipvs0
        -: bind fd00:96::1 to kube-ipvs0
        -: unbind 10.96.0.9 from kube-ipvs0
        10.96.0.9:81/TCP: remove virtual server 10.96.0.9:81/TCP
        -: remove set entry KUBE-IPVS-IPS 10.96.0.9
        -: remove set entry KUBE-CLUSTER-IP 10.96.0.9,tcp:81
    "#]]
    .assert_eq(&lines.collect::<String>());
}

fn any_state() -> impl Strategy<Value = State> {
    let addresses = || select(vec!["10.96.0.1", "10.96.0.2", "fd00::1"]).prop_map(|ip| ip.parse().unwrap());
    let keys = (addresses(), select(vec![53u16, 80]), select(vec![Protocol::Tcp, Protocol::Udp]))
        .prop_map(|(address, port, protocol)| VirtualServerKey { address, port, protocol });
    let names = select(SetName::ALL.to_vec());
    let ports = || select(vec![53u16, 80, 81]);
    let entries = prop_oneof![
        addresses().prop_map(Entry::Ip),
        ports().prop_map(Entry::Port),
        (addresses(), ports()).prop_map(|(address, port)| Entry::IpPort(address, Protocol::Tcp, port)),
    ];
    let members = (names, select(Family::ALL.to_vec()), entries)
        .prop_map(|(name, family, entry)| Member { set: SetId::new(name, family), entry });
    (btree_map(keys, virtual_server(), 0..4), btree_set(members, 0..6), btree_set(addresses(), 0..3))
        .prop_map(|(virtual_servers, members, addresses): (BTreeMap<_, _>, BTreeSet<_>, BTreeSet<_>)| State {
            virtual_servers,
            members,
            addresses,
        })
}

fn virtual_server() -> impl Strategy<Value = Arc<VirtualServer>> {
    let config =
        (select(Scheduler::ALL.to_vec()), select(vec![0, 0x10]), prop::option::of(1..3u32), any::<bool>())
            .prop_map(|(scheduler, scheduler_flags, persistence, unusual)| VirtualServerConfig {
                scheduler: Some(scheduler),
                scheduler_flags,
                persistence,
                unusual,
            });
    let real = (select(vec!["10.1.0.1", "10.1.0.2", "fd00:1::1"]), 1..3u16, 0..3u32, any::<bool>()).prop_map(
        |(address, port, weight, masqueraded)| RealServer {
            address: address.parse().unwrap(),
            port,
            weight,
            masqueraded,
        },
    );
    (config, vec(real, 0..5)).prop_map(|(config, mut real_servers)| {
        real_servers.sort();
        real_servers.dedup_by_key(|real| real.key());
        Arc::new(VirtualServer { config, real_servers, drain_timeout: None })
    })
}

proptest! {
    #[test]
    fn carrying_out_the_difference_leads_there(before in any_state(), after in any_state()) {
        let mut state = before.clone();
        apply(&mut state, &difference(&before, &after));
        prop_assert_eq!(&state, &after);
        prop_assert_eq!(difference(&state, &after), Vec::new());
    }

    #[test]
    fn phases_follow_each_other(before in any_state(), after in any_state()) {
        let operations = difference(&before, &after);
        let others = operations.iter().filter(|operation| operation.phase() != Phase::KeepSource);
        prop_assert!(others.is_sorted_by_key(|operation| operation.phase()));
        let adds_after_unbinding = operations
            .iter()
            .skip_while(|operation| !matches!(operation, Operation::UnbindAddress(_)))
            .any(|operation| !operation.removes());
        prop_assert!(!adds_after_unbinding);
    }

    #[test]
    fn a_source_is_kept_once_no_endpoint_leaves_any_more(before in any_state(), after in any_state()) {
        let operations = difference(&before, &after);
        for (place, operation) in operations.iter().enumerate() {
            let Operation::AddMember(member) = operation else { continue };
            if operation.phase() != Phase::KeepSource {
                continue;
            }
            let concerns = |key: &VirtualServerKey| {
                member.virtual_server() == Some(*key) || member.node_port() == Some((key.protocol, key.port))
            };
            let is_left = |operation: &Operation| {
                matches!(operation, Operation::RemoveRealServer(key, ..) if concerns(key))
            };
            let is_taken = |operation: &Operation| {
                matches!(operation, Operation::RemoveVirtualServer(key) if concerns(key))
            };
            let (earlier, later) = operations.split_at(place);
            prop_assert!(!later.iter().any(is_left) && !earlier.iter().any(is_taken));
            // What drops clients instead, because only other nodes have endpoints, is there by then.
            let drops = |operation: &Operation| {
                matches!(operation, Operation::AddMember(member) if member.set.name == SetName::NoLocalEndpoint)
            };
            prop_assert!(!later.iter().any(drops));
            let serves = |operation: &Operation| operation.phase() == Phase::RealServers;
            prop_assert!(
                operations.iter().any(|operation| is_left(operation) || is_taken(operation))
                    || !earlier.iter().any(serves)
            );
        }
    }
}
