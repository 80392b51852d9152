//! `loadBalancerSourceRanges`.

use super::*;

/// A load balancer in both families with these ranges; node n1 has 172.18.0.2 and fd00:18::2.
fn check_ranges(ranges: &str, expected: Expect) {
    let lines = format!(
        "node n1 172.18.0.2 fd00:18::2
         service web 10.96.0.20 fd00:96::20 type=LoadBalancer 443/TCP lb-ip=203.0.113.9 lb-ip=2001:db8::9 {ranges}"
    );
    let cluster = cluster(&lines);
    let plan = plan_service(cluster.service(&key("web")).unwrap(), &cluster, &Options::default());
    let members = plan.members.iter().filter(|member| {
        let names =
            [SetName::LoadBalancerFirewall, SetName::LoadBalancerSourceCidr, SetName::LoadBalancerSourceIp];
        names.contains(&member.set.name)
    });
    assert_eq!(plan.virtual_servers.len(), 4);
    expected.assert_eq(&members.map(|member| format!("{member}\n")).collect::<String>());
}

#[test]
fn without_ranges_nothing_is_guarded() {
    check_ranges("", expect![""]);
}

#[test]
fn a_range_guards_its_own_family_only() {
    check_ranges(
        "range=198.51.100.0/24",
        expect![[r#"
            KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:443
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,198.51.100.0/24
        "#]],
    );
    check_ranges(
        "range=2001:db8:5::/48",
        expect![[r#"
            KUBE-6-LOAD-BALANCER-FW 2001:db8::9,tcp:443
            KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::9,tcp:443,2001:db8:5::/48
        "#]],
    );
}

#[test]
fn several_ranges_of_both_families() {
    check_ranges(
        "range=198.51.100.0/24 range=192.0.2.0/25 range=2001:db8:5::/48 range=2001:db8:6::/48",
        expect![[r#"
            KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:443
            KUBE-6-LOAD-BALANCER-FW 2001:db8::9,tcp:443
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,192.0.2.0/25
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,198.51.100.0/24
            KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::9,tcp:443,2001:db8:5::/48
            KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::9,tcp:443,2001:db8:6::/48
        "#]],
    );
}

#[test]
fn single_addresses_go_without_prefix_length() {
    check_ranges(
        "range=198.51.100.7/32 range=2001:db8:5::7/128",
        expect![[r#"
            KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:443
            KUBE-6-LOAD-BALANCER-FW 2001:db8::9,tcp:443
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,198.51.100.7
            KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::9,tcp:443,2001:db8:5::7
        "#]],
    );
}

#[test]
fn host_bits_are_cleared_and_what_is_then_the_same_stands_once() {
    check_ranges(
        "range=198.51.100.7/24 range=198.51.100.9/24 range=2001:db8:5::7/48",
        expect![[r#"
            KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:443
            KUBE-6-LOAD-BALANCER-FW 2001:db8::9,tcp:443
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,198.51.100.0/24
            KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::9,tcp:443,2001:db8:5::/48
        "#]],
    );
}

#[test]
fn a_zero_length_range_lifts_the_restriction_of_its_family() {
    check_ranges(
        "range=0.0.0.0/0 range=2001:db8:5::/48",
        expect![[r#"
            KUBE-6-LOAD-BALANCER-FW 2001:db8::9,tcp:443
            KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::9,tcp:443,2001:db8:5::/48
        "#]],
    );
    check_ranges(
        "range=198.51.100.0/24 range=::/0 range=2001:db8:5::/48",
        expect![[r#"
            KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:443
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,198.51.100.0/24
        "#]],
    );
    check_ranges("range=198.51.100.0/24 range=10.0.0.0/0 range=::/0", expect![""]);
}

/// What the node itself sends carries the load balancer's address as source.
#[test]
fn the_node_is_allowed_if_a_range_has_its_address() {
    check_ranges(
        "range=172.18.0.0/16",
        expect![[r#"
            KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:443
            KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.9,tcp:443,203.0.113.9
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,172.18.0.0/16
        "#]],
    );
    check_ranges(
        "range=172.18.0.2/32 range=fd00:18::2/128",
        expect![[r#"
            KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:443
            KUBE-6-LOAD-BALANCER-FW 2001:db8::9,tcp:443
            KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.9,tcp:443,203.0.113.9
            KUBE-6-LOAD-BALANCER-SOURCE-IP 2001:db8::9,tcp:443,2001:db8::9
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,172.18.0.2
            KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::9,tcp:443,fd00:18::2
        "#]],
    );
    check_ranges(
        "range=198.51.100.0/24 range=172.18.255.255/16 range=fd00:19::/32",
        expect![[r#"
            KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:443
            KUBE-6-LOAD-BALANCER-FW 2001:db8::9,tcp:443
            KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.9,tcp:443,203.0.113.9
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,172.18.0.0/16
            KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:443,198.51.100.0/24
            KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::9,tcp:443,fd00:19::/32
        "#]],
    );
}

#[test]
fn a_node_that_is_not_known_is_not_allowed() {
    let mut nameless = Cluster::new(crate::testing::HERE);
    nameless.apply(crate::testing::change(
        "service web 10.96.0.20 type=LoadBalancer 443/TCP lb-ip=203.0.113.9 range=172.18.0.0/16",
    ));
    let plan = plan_service(nameless.service(&key("web")).unwrap(), &nameless, &Options::default());
    assert!(plan.members.iter().any(|member| member.set.name == SetName::LoadBalancerSourceCidr));
    assert!(plan.members.iter().all(|member| member.set.name != SetName::LoadBalancerSourceIp));
}

#[test]
fn every_load_balancer_address_and_port_has_the_ranges_and_nothing_else_has() {
    check_with(
        "node n1 172.18.0.2
         service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 dns:53/UDP \
         lb-ip=203.0.113.9 lb-ip=203.0.113.10 external-ip=192.0.2.1 range=172.16.0.0/12",
        &crate::testing::options("host=172.18.0.2"),
        expect![[r#"
            -A -u 10.96.0.20:53 -s rr
            -A -t 10.96.0.20:80 -s rr
            -A -t 172.18.0.2:30080 -s rr
            -A -u 192.0.2.1:53 -s rr
            -A -t 192.0.2.1:80 -s rr
            -A -u 203.0.113.9:53 -s rr
            -A -t 203.0.113.9:80 -s rr
            -A -u 203.0.113.10:53 -s rr
            -A -t 203.0.113.10:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,udp:53
            add KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            add KUBE-EXTERNAL-IP 192.0.2.1,udp:53
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            add KUBE-LOAD-BALANCER 203.0.113.9,udp:53
            add KUBE-LOAD-BALANCER 203.0.113.10,tcp:80
            add KUBE-LOAD-BALANCER 203.0.113.10,udp:53
            add KUBE-LOAD-BALANCER-FW 203.0.113.9,tcp:80
            add KUBE-LOAD-BALANCER-FW 203.0.113.9,udp:53
            add KUBE-LOAD-BALANCER-FW 203.0.113.10,tcp:80
            add KUBE-LOAD-BALANCER-FW 203.0.113.10,udp:53
            add KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.9,tcp:80,203.0.113.9
            add KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.9,udp:53,203.0.113.9
            add KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.10,tcp:80,203.0.113.10
            add KUBE-LOAD-BALANCER-SOURCE-IP 203.0.113.10,udp:53,203.0.113.10
            add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,tcp:80,172.16.0.0/12
            add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.9,udp:53,172.16.0.0/12
            add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.10,tcp:80,172.16.0.0/12
            add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.10,udp:53,172.16.0.0/12
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 172.18.0.2,tcp:30080
            add KUBE-NO-ENDPOINT 192.0.2.1,tcp:80
            add KUBE-NO-ENDPOINT 203.0.113.9,tcp:80
            add KUBE-NO-ENDPOINT 203.0.113.10,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.1
            add KUBE-IPVS-IPS 203.0.113.9
            add KUBE-IPVS-IPS 203.0.113.10
            bound: 10.96.0.20 192.0.2.1 203.0.113.9 203.0.113.10
        "#]],
    );
}
