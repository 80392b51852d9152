//! The cases of upstream's `TestSyncIPSetEntries` (`pkg/proxy/ipvs/ipset_test.go`): from the entries that a set
//! has to those that it should have. Like there, entries that stay are not touched.

use super::*;
use crate::{Entry, SetName};

/// Entries of a set, one a word, as `ipset` prints them.
fn members(set: SetName, family: Family, words: &str) -> BTreeSet<Member> {
    words.split_whitespace().map(|word| Member::new(set, family, entry(set, word))).collect()
}

fn entry(set: SetName, word: &str) -> Entry {
    let parts: Vec<&str> = word.split(',').collect();
    let (protocol, port) = parts[1].split_once(':').unwrap();
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => panic!("{word:?} has no protocol"),
    };
    let (ip, port) = (parts[0].parse().unwrap(), port.parse().unwrap());
    match set {
        SetName::LoopBack => Entry::IpPortIp(ip, protocol, port, parts[2].parse().unwrap()),
        SetName::LoadBalancerSourceCidr => Entry::IpPortNet(ip, protocol, port, parts[2].parse().unwrap()),
        _ => Entry::IpPort(ip, protocol, port),
    }
}

/// The operations from the entries that `set` has to those that it should have.
fn check(set: SetName, family: Family, has: &str, wanted: &str, expected: Expect) {
    let state = |words| State { members: members(set, family, words), ..State::default() };
    expected.assert_eq(&operations_text(&difference(&state(has), &state(wanted))));
}

const PAIRS: SetName = SetName::ClusterIp;
const TRIPLES: SetName = SetName::LoopBack;
const NETS: SetName = SetName::LoadBalancerSourceCidr;

#[test]
fn add_to_an_empty_set() {
    check(
        PAIRS,
        Family::V4,
        "",
        "172.16.4.5,tcp:80",
        expect![[r#"
            + ipset add KUBE-CLUSTER-IP 172.16.4.5,tcp:80
        "#]],
    );
}

#[test]
fn ipv6_unchanged() {
    check(PAIRS, Family::V6, "fd00::4:5,tcp:80", "fd00::4:5,tcp:80", expect![""]);
}

#[test]
fn a_udp_entry_is_replaced_by_tcp_ones() {
    check(
        PAIRS,
        Family::V4,
        "172.16.4.5,udp:53",
        "172.16.4.5,tcp:80 172.16.4.5,tcp:443",
        expect![[r#"
            + ipset add KUBE-CLUSTER-IP 172.16.4.5,tcp:80
            + ipset add KUBE-CLUSTER-IP 172.16.4.5,tcp:443
            - ipset del KUBE-CLUSTER-IP 172.16.4.5,udp:53
        "#]],
    );
}

#[test]
fn address_port_and_address_unchanged() {
    check(TRIPLES, Family::V4, "172.16.4.5,tcp:80,172.16.4.5", "172.16.4.5,tcp:80,172.16.4.5", expect![""]);
}

#[test]
fn ipv6_deleted_and_added() {
    check(
        TRIPLES,
        Family::V6,
        "fd00::5,tcp:8081,fd00::5",
        "fd00::5,tcp:80,fd00::5",
        expect![[r#"
            + ipset add KUBE-6-LOOP-BACK fd00::5,tcp:80,fd00::5
            - ipset del KUBE-6-LOOP-BACK fd00::5,tcp:8081,fd00::5
        "#]],
    );
}

#[test]
fn two_added() {
    check(
        TRIPLES,
        Family::V4,
        "172.16.4.5,tcp:80,172.16.4.5",
        "172.16.4.5,tcp:80,172.16.4.5 172.16.4.6,tcp:80,172.16.4.6 172.16.4.7,tcp:80,172.16.4.7",
        expect![[r#"
            + ipset add KUBE-LOOP-BACK 172.16.4.6,tcp:80,172.16.4.6
            + ipset add KUBE-LOOP-BACK 172.16.4.7,tcp:80,172.16.4.7
        "#]],
    );
}

#[test]
fn networks_added() {
    check(
        NETS,
        Family::V4,
        "",
        "172.20.1.1,tcp:80,192.168.0.0/16 172.20.1.1,tcp:80,10.1.0.0/16",
        expect![[r#"
            + ipset add KUBE-LOAD-BALANCER-SOURCE-CIDR 172.20.1.1,tcp:80,10.1.0.0/16
            + ipset add KUBE-LOAD-BALANCER-SOURCE-CIDR 172.20.1.1,tcp:80,192.168.0.0/16
        "#]],
    );
}

#[test]
fn ipv6_network_unchanged() {
    check(NETS, Family::V6, "fd00::1,tcp:80,2001:db8::/32", "fd00::1,tcp:80,2001:db8::/32", expect![""]);
}

#[test]
fn ipv6_entry_removed() {
    check(
        NETS,
        Family::V6,
        "fd00::1,tcp:80,2001:db8::/32",
        "",
        expect![[r#"
            - ipset del KUBE-6-LOAD-BALANCER-SOURCE-CID fd00::1,tcp:80,2001:db8::/32
        "#]],
    );
}

#[test]
fn a_port_removed() {
    check(
        PAIRS,
        Family::V4,
        "172.16.4.5,tcp:80 172.16.4.5,tcp:443",
        "172.16.4.5,tcp:80",
        expect![[r#"
            - ipset del KUBE-CLUSTER-IP 172.16.4.5,tcp:443
        "#]],
    );
}

#[test]
fn ports_change() {
    check(
        PAIRS,
        Family::V4,
        "172.16.4.5,tcp:80",
        "172.16.4.5,tcp:8080 172.16.4.5,tcp:9090",
        expect![[r#"
            + ipset add KUBE-CLUSTER-IP 172.16.4.5,tcp:8080
            + ipset add KUBE-CLUSTER-IP 172.16.4.5,tcp:9090
            - ipset del KUBE-CLUSTER-IP 172.16.4.5,tcp:80
        "#]],
    );
}

#[test]
fn several_stale_ports_removed() {
    check(
        PAIRS,
        Family::V4,
        "172.16.4.5,tcp:8080 172.16.4.5,tcp:8081 172.16.4.5,tcp:8082 172.16.4.5,tcp:80",
        "172.16.4.5,tcp:80",
        expect![[r#"
            - ipset del KUBE-CLUSTER-IP 172.16.4.5,tcp:8080
            - ipset del KUBE-CLUSTER-IP 172.16.4.5,tcp:8081
            - ipset del KUBE-CLUSTER-IP 172.16.4.5,tcp:8082
        "#]],
    );
}

#[test]
fn sctp_added() {
    check(
        PAIRS,
        Family::V4,
        "172.16.4.5,tcp:80",
        "172.16.4.5,tcp:80 172.16.4.5,sctp:80",
        expect![[r#"
            + ipset add KUBE-CLUSTER-IP 172.16.4.5,sctp:80
        "#]],
    );
}

#[test]
fn ipv6_sctp_unchanged() {
    check(PAIRS, Family::V6, "fd00::5,sctp:80", "fd00::5,sctp:80", expect![""]);
}
