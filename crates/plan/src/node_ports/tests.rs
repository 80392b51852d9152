use expect_test::{Expect, expect};

use super::*;

/// The addresses of the upstream tests' interfaces, for the choice that `--nodeport-addresses` makes of them.
fn check(choice: &[&str], expected: Expect) {
    let host = "10.1.0.5 10.1.0.6 172.17.0.1 192.168.7.1 fe80::1 fd00:1::5 fd00:2::5";
    let options = Options {
        host_addresses: host.split(' ').map(|address| address.parse().unwrap()).collect(),
        node_port_addresses: match choice {
            [] => NodePortAddresses::All,
            ["primary"] => NodePortAddresses::Primary,
            networks => NodePortAddresses::Networks(networks.iter().map(|n| n.parse().unwrap()).collect()),
        },
        ..Options::default()
    };
    let node = Node {
        internal_addresses: vec!["10.1.0.6".parse().unwrap()],
        external_addresses: vec!["10.1.0.5".parse().unwrap(), "fd00:2::5".parse().unwrap()],
        ..Node::named("n1")
    };
    let lines = Family::ALL.map(|family| {
        let addresses = addresses(family, &options, Some(&node));
        let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        let all = if on_all_addresses(family, &options, Some(&node)) { " (all)" } else { "" };
        format!("{family}{all}: {}\n", addresses.join(" "))
    });
    expected.assert_eq(&lines.concat());
}

#[test]
fn every_address_but_link_local_ones_of_ipv6() {
    check(
        &[],
        expect![[r#"
            IPv4 (all): 10.1.0.5 10.1.0.6 172.17.0.1 192.168.7.1
            IPv6 (all): fd00:1::5 fd00:2::5
        "#]],
    );
}

#[test]
fn a_zero_length_network_means_every_address() {
    check(
        &["10.1.0.5/32", "0.0.0.0/0"],
        expect![[r#"
            IPv4 (all): 10.1.0.5 10.1.0.6 172.17.0.1 192.168.7.1
            IPv6 (all): fd00:1::5 fd00:2::5
        "#]],
    );
}

#[test]
fn networks_choose_and_a_family_without_one_has_every_address() {
    check(
        &["10.1.0.0/16", "192.168.7.1/32"],
        expect![[r#"
            IPv4: 10.1.0.5 10.1.0.6 192.168.7.1
            IPv6 (all): fd00:1::5 fd00:2::5
        "#]],
    );
}

#[test]
fn a_link_local_network_is_taken_at_its_word() {
    check(
        &["fe80::/10"],
        expect![[r#"
            IPv4 (all): 10.1.0.5 10.1.0.6 172.17.0.1 192.168.7.1
            IPv6: fe80::1
        "#]],
    );
}

#[test]
fn networks_without_an_address_leave_none() {
    check(
        &["198.51.100.0/24", "2001:db8::/32"],
        expect![[r#"
            IPv4: 
            IPv6: 
        "#]],
    );
}

#[test]
fn primary_is_the_first_internal_else_external_address_of_the_node() {
    check(
        &["primary"],
        expect![[r#"
            IPv4: 10.1.0.6
            IPv6: fd00:2::5
        "#]],
    );
}

#[test]
fn primary_of_an_unknown_node_means_every_address() {
    let options = Options {
        host_addresses: ["10.1.0.5".parse().unwrap()].into(),
        node_port_addresses: NodePortAddresses::Primary,
        ..Options::default()
    };
    assert_eq!(addresses(Family::V4, &options, None), ["10.1.0.5".parse::<IpAddr>().unwrap()]);
}

/// Upstream's `TestIpIsValidForSet`: of IPv4 only loopback addresses are out, and those the options never hold.
#[test]
fn link_local_addresses_of_ipv4_serve() {
    let options = Options {
        host_addresses: ["169.254.0.1".parse().unwrap(), "fe80::1".parse().unwrap()].into(),
        ..Options::default()
    };
    assert_eq!(addresses(Family::V4, &options, None), ["169.254.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(addresses(Family::V6, &options, None), [] as [IpAddr; 0]);
}
