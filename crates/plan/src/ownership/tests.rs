use std::net::SocketAddr;
use std::sync::Arc;

use expect_test::{Expect, expect};

use super::*;
use crate::testing::{cluster, planned};
use crate::{SetId, SetType, VirtualServer, VirtualServerConfig};

/// An observed state: virtual servers as `10.96.0.1:80/TCP`, set entries as `KUBE-IPVS-IPS 10.96.0.1`, and
/// addresses.
fn observed(lines: &str) -> State {
    let mut state = State::default();
    for line in lines.lines().map(str::trim) {
        if let Some((set, entry)) = line.split_once(' ') {
            state.members.insert(member(set, entry));
        } else if let Some((place, protocol)) = line.split_once('/') {
            let place: SocketAddr = place.parse().unwrap();
            let key = VirtualServerKey {
                address: place.ip(),
                port: place.port(),
                protocol: named(&protocol.to_lowercase()),
            };
            state.virtual_servers.insert(key, unknown_virtual_server());
        } else {
            state.addresses.insert(line.parse().unwrap());
        }
    }
    state
}

fn member(set: &str, entry: &str) -> Member {
    let set = SetId::by_name(set).unwrap();
    let entry = match set.name.set_type() {
        SetType::HashIp => Entry::Ip(entry.parse().unwrap()),
        SetType::BitmapPort => Entry::Port(entry.parse().unwrap()),
        SetType::HashIpPort => {
            let (ip, port) = entry.split_once(',').unwrap();
            let (protocol, port) = port.split_once(':').unwrap();
            Entry::IpPort(ip.parse().unwrap(), named(protocol), port.parse().unwrap())
        }
        other => panic!("no test has entries of type {other}"),
    };
    Member { set, entry }
}

fn named(protocol: &str) -> Protocol {
    let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    all.into_iter().find(|known| known.lower_case() == protocol).unwrap()
}

fn unknown_virtual_server() -> Arc<VirtualServer> {
    let config =
        VirtualServerConfig { scheduler: None, scheduler_flags: 0, persistence: None, unusual: false };
    Arc::new(VirtualServer { config, real_servers: Vec::new(), drain_timeout: None })
}

/// Who owns what of `lines`, where the Service of `desired` is wanted.
fn check(lines: &str, desired: &str, options: &Options, expected: Expect) {
    show(claim(observed(lines), &planned(&cluster(desired), options), options), expected);
}

/// Who owns what of `lines`, where everything of a proxy's has to go and these sets exist.
fn check_remains(lines: &str, sets: &[&str], expected: Expect) {
    let sets = sets.iter().map(|set| SetId::by_name(set).unwrap()).collect();
    show(claim_remains(observed(lines), &sets, &Options::default()), expected);
}

fn show(claimed: Claimed, expected: Expect) {
    let servers = |owner: &'static str, keys: Vec<VirtualServerKey>| {
        keys.into_iter().map(move |key| format!("{owner}: {key}\n"))
    };
    let addresses = |owner: &'static str, addresses: Vec<IpAddr>| {
        addresses.into_iter().map(move |address| format!("{owner}: {address}\n"))
    };
    let text: String = servers("ours", claimed.state.virtual_servers.into_keys().collect())
        .chain(servers("foreign", claimed.foreign_virtual_servers))
        .chain(addresses("ours", claimed.state.addresses.into_iter().collect()))
        .chain(addresses("foreign", claimed.foreign_addresses))
        .chain(claimed.state.members.into_iter().map(|member| format!("ours: {member}\n")))
        .collect();
    expected.assert_eq(&text);
}

#[test]
fn what_stands_in_the_sets_is_a_proxys() {
    check(
        "10.96.0.1:80/TCP
         10.96.0.1:443/TCP
         10.96.0.1:80/UDP
         10.96.0.2:80/TCP
         10.96.0.1
         10.96.0.2
         KUBE-CLUSTER-IP 10.96.0.1,tcp:80
         KUBE-IPVS-IPS 10.96.0.1",
        "",
        &Options::default(),
        expect![[r#"
            ours: 10.96.0.1:80/TCP
            foreign: 10.96.0.1:80/UDP
            foreign: 10.96.0.1:443/TCP
            foreign: 10.96.0.2:80/TCP
            ours: 10.96.0.1
            foreign: 10.96.0.2
            ours: KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            ours: KUBE-IPVS-IPS 10.96.0.1
        "#]],
    );
}

fn on_host(addresses: &[&str]) -> Options {
    let host_addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Options { host_addresses, ..Options::default() }
}

#[test]
fn every_kind_of_service_address_is_recognised() {
    check(
        "198.51.100.1:80/TCP
         198.51.100.2:80/TCP
         198.51.100.3:80/TCP
         192.0.2.1:30080/TCP
         192.0.2.1:30080/UDP
         192.0.2.1:30053/UDP
         192.0.2.1:30090/SCTP
         192.0.2.2:30090/SCTP
         KUBE-EXTERNAL-IP 198.51.100.1,tcp:80
         KUBE-EXTERNAL-IP-LOCAL 198.51.100.2,tcp:80
         KUBE-LOAD-BALANCER 198.51.100.3,tcp:80
         KUBE-NODE-PORT-TCP 30080
         KUBE-NODE-PORT-UDP 30053
         KUBE-NODE-PORT-SCTP-HASH 192.0.2.1,sctp:30090",
        "",
        &on_host(&["192.0.2.1"]),
        expect![[r#"
            ours: 192.0.2.1:30053/UDP
            ours: 192.0.2.1:30080/TCP
            ours: 192.0.2.1:30090/SCTP
            ours: 198.51.100.1:80/TCP
            ours: 198.51.100.2:80/TCP
            ours: 198.51.100.3:80/TCP
            foreign: 192.0.2.1:30080/UDP
            foreign: 192.0.2.2:30090/SCTP
            ours: KUBE-EXTERNAL-IP 198.51.100.1,tcp:80
            ours: KUBE-EXTERNAL-IP-LOCAL 198.51.100.2,tcp:80
            ours: KUBE-LOAD-BALANCER 198.51.100.3,tcp:80
            ours: KUBE-NODE-PORT-TCP 30080
            ours: KUBE-NODE-PORT-UDP 30053
            ours: KUBE-NODE-PORT-SCTP-HASH 192.0.2.1,sctp:30090
        "#]],
    );
}

#[test]
fn the_sets_of_one_family_say_nothing_of_the_other() {
    check(
        "192.0.2.1:30080/TCP
         [fd00::1]:30080/TCP
         [fd00::2]:80/TCP
         fd00::2
         KUBE-6-NODE-PORT-TCP 30080
         KUBE-6-CLUSTER-IP fd00::2,tcp:80
         KUBE-6-IPVS-IPS fd00::2",
        "",
        &on_host(&["fd00::1"]),
        expect![[r#"
            ours: [fd00::1]:30080/TCP
            ours: [fd00::2]:80/TCP
            foreign: 192.0.2.1:30080/TCP
            ours: fd00::2
            ours: KUBE-6-CLUSTER-IP fd00::2,tcp:80
            ours: KUBE-6-NODE-PORT-TCP 30080
            ours: KUBE-6-IPVS-IPS fd00::2
        "#]],
    );
}

#[test]
fn what_is_wanted_is_never_foreign() {
    check(
        "10.96.0.1:80/TCP
         10.96.0.1:81/TCP
         10.96.0.1",
        "service web 10.96.0.1 80/TCP",
        &Options::default(),
        expect![[r#"
            ours: 10.96.0.1:80/TCP
            foreign: 10.96.0.1:81/TCP
            ours: 10.96.0.1
        "#]],
    );
}

#[test]
fn excluded_networks_keep_virtual_servers_but_not_addresses() {
    let options = Options { exclude_cidrs: vec!["10.96.0.0/24".parse().unwrap()], ..Options::default() };
    check(
        "10.96.0.1:80/TCP
         10.96.0.1:81/TCP
         10.96.1.1:80/TCP
         10.96.0.2
         KUBE-CLUSTER-IP 10.96.0.1,tcp:80
         KUBE-CLUSTER-IP 10.96.0.1,tcp:81
         KUBE-CLUSTER-IP 10.96.1.1,tcp:80
         KUBE-IPVS-IPS 10.96.0.2",
        "service web 10.96.0.1 80/TCP",
        &options,
        expect![[r#"
            ours: 10.96.0.1:80/TCP
            ours: 10.96.1.1:80/TCP
            foreign: 10.96.0.1:81/TCP
            ours: 10.96.0.2
            ours: KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            ours: KUBE-CLUSTER-IP 10.96.0.1,tcp:81
            ours: KUBE-CLUSTER-IP 10.96.1.1,tcp:80
            ours: KUBE-IPVS-IPS 10.96.0.2
        "#]],
    );
}

#[test]
fn a_family_that_is_not_served_is_not_looked_at() {
    let options = Options { families: [Family::V4].into(), ..Options::default() };
    check(
        "10.96.0.1:80/TCP
         [fd00::1]:80/TCP
         [fd00::2]:80/TCP
         10.96.0.1
         fd00::1
         fd00::3
         KUBE-CLUSTER-IP 10.96.0.1,tcp:80
         KUBE-IPVS-IPS 10.96.0.1
         KUBE-6-CLUSTER-IP fd00::1,tcp:80
         KUBE-6-IPVS-IPS fd00::1",
        "",
        &options,
        expect![[r#"
            ours: 10.96.0.1:80/TCP
            ours: 10.96.0.1
            ours: KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            ours: KUBE-IPVS-IPS 10.96.0.1
        "#]],
    );
}

#[test]
fn node_ports_that_kube_proxy_put_on_service_addresses_are_a_proxys() {
    check(
        "10.96.0.1:30080/TCP
         10.96.0.2:30080/TCP
         KUBE-NODE-PORT-TCP 30080
         KUBE-IPVS-IPS 10.96.0.1",
        "",
        &Options::default(),
        expect![[r#"
            ours: 10.96.0.1:30080/TCP
            foreign: 10.96.0.2:30080/TCP
            ours: KUBE-NODE-PORT-TCP 30080
            ours: KUBE-IPVS-IPS 10.96.0.1
        "#]],
    );
}

const HALF: &str = "10.96.0.1:80/TCP
     192.0.2.1:80/TCP
     10.96.0.1
     192.0.2.2";

#[test]
fn remains_whose_sets_are_gone_are_known_by_the_interface() {
    check_remains(
        HALF,
        &[],
        expect![[r#"
            ours: 10.96.0.1:80/TCP
            foreign: 192.0.2.1:80/TCP
            ours: 10.96.0.1
            ours: 192.0.2.2
            ours: KUBE-CLUSTER-IP 10.96.0.1,tcp:80
            ours: KUBE-IPVS-IPS 10.96.0.1
            ours: KUBE-IPVS-IPS 192.0.2.2
        "#]],
    );
}

#[test]
fn remains_whose_sets_are_there_are_known_by_them() {
    let lines = format!("{HALF}\nKUBE-IPVS-IPS 10.96.0.1");
    check_remains(
        &lines,
        &["KUBE-IPVS-IPS"],
        expect![[r#"
        ours: 10.96.0.1:80/TCP
        foreign: 192.0.2.1:80/TCP
        ours: 10.96.0.1
        foreign: 192.0.2.2
        ours: KUBE-CLUSTER-IP 10.96.0.1,tcp:80
        ours: KUBE-IPVS-IPS 10.96.0.1
    "#]],
    );
    check_remains(
        &lines,
        &["KUBE-IPVS-IPS", "KUBE-CLUSTER-IP"],
        expect![[r#"
        foreign: 10.96.0.1:80/TCP
        foreign: 192.0.2.1:80/TCP
        ours: 10.96.0.1
        foreign: 192.0.2.2
        ours: KUBE-IPVS-IPS 10.96.0.1
    "#]],
    );
}
