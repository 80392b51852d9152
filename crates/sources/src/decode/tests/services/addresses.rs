//! The addresses of a Service.

use expect_test::expect;

use super::super::check;
use super::check_spec;

/// The cluster IP of a family, as kube-proxy finds it.
#[test]
fn cluster_ips() {
    let cases = [
        "{clusterIP: 10.0.0.1}",
        "{clusterIP: 'fd00::1'}",
        "{clusterIP: 010.000.0.01}",
        "{clusterIP: '::ffff:10.0.0.1'}",
        "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1]}",
        "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1']}",
        "{clusterIP: 10.0.0.1, ipFamilies: [IPv4]}",
        "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4, IPv6]}",
        "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], ipFamilies: [IPv6, IPv4]}",
        "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], ipFamilies: [IPv4, IPv4]}",
        "{clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, 'fd00::1'], ipFamilies: [IPv5, IPv6]}",
        "{clusterIP: 'fd00::1', clusterIPs: ['fd00::1', 10.0.0.1], ipFamilies: [IPv6, IPv4]}",
        "{clusterIPs: [10.0.0.1], ipFamilies: [IPv4]}",
        "{clusterIP: nonsense}",
        "{clusterIP: 0.0.0.0}",
        "{clusterIP: 7}",
        "{clusterIP: 10.0.0.1, clusterIPs: [7], ipFamilies: [IPv4]}",
    ];
    let documents: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(index, spec)| format!("{{kind: Service, metadata: {{name: c{index}}}, spec: {spec}}}"))
        .collect();
    check(
        &documents.join("\n---\n"),
        expect![[r#"
            + Service default/c0 ClusterIp 10.0.0.1
            + Service default/c1 ClusterIp fd00::1
            + Service default/c2 ClusterIp 10.0.0.1
            + Service default/c3 ClusterIp 10.0.0.1
            + Service default/c4 ClusterIp 10.0.0.1
            + Service default/c5 ClusterIp 10.0.0.1
            ! Service default/c5: spec.clusterIPs[1]: "fd00::1" is not served, because spec.ipFamilies is empty
            + Service default/c6 ClusterIp
            ! Service default/c6: spec.ipFamilies[0]: spec.clusterIPs has no address for IPv4; not served
            + Service default/c7 ClusterIp 10.0.0.1
            ! Service default/c7: spec.ipFamilies[1]: spec.clusterIPs has no address for IPv6; not served
            + Service default/c8 ClusterIp
            ! Service default/c8: spec.clusterIPs[0]: "10.0.0.1" is not an IPv6 address; ignored
            ! Service default/c8: spec.clusterIPs[1]: "fd00::1" is not an IPv4 address; ignored
            + Service default/c9 ClusterIp 10.0.0.1
            ! Service default/c9: spec.clusterIPs[1]: "fd00::1" is not an IPv4 address; ignored
            + Service default/c10 ClusterIp fd00::1
            ! Service default/c10: spec.ipFamilies[0]: "IPv5" is neither IPv4 nor IPv6; ignored
            + Service default/c11 ClusterIp 10.0.0.1 fd00::1
            + Service default/c12 ClusterIp
            ! Service default/c12: spec.clusterIP: empty, so the Service has no address and is not served
            + Service default/c13 ClusterIp
            ! Service default/c13: spec.clusterIP: "nonsense" is not an IP address; ignored
            + Service default/c14 ClusterIp
            ! Service default/c14: spec.clusterIP: "0.0.0.0" is the unspecified address; ignored
            + Service default/c15 ClusterIp
            ! Service default/c15: spec.clusterIP: invalid type: integer `7`, expected a string; the Service is not served
            + Service default/c16 ClusterIp
            ! Service default/c16: spec.clusterIPs[0]: invalid type: integer `7`, expected a string; ignored
            ! Service default/c16: spec.ipFamilies[0]: spec.clusterIPs has no address for IPv4; not served
        "#]],
    );
}

#[test]
fn external_ips() {
    check_spec(
        "{clusterIP: 10.0.0.1, externalIPs: [203.0.113.1, 203.000.113.002, '', '  ', x, 127.0.0.1, 0.0.0.0,
         224.0.0.1, 'fd00::1', null, 7, ' 203.0.113.3']}",
        expect![[r#"
            + Service shop/web ClusterIp 10.0.0.1 external=203.0.113.1,203.0.113.2,127.0.0.1,fd00::1
            ! Service shop/web: spec.externalIPs[9]: null; ignored
            ! Service shop/web: spec.externalIPs[10]: invalid type: integer `7`, expected a string; ignored
            ! Service shop/web: spec.externalIPs[4]: "x" is not an IP address; ignored
            ! Service shop/web: spec.externalIPs[6]: "0.0.0.0" is the unspecified address; ignored
            ! Service shop/web: spec.externalIPs[7]: "224.0.0.1" is a multicast address; ignored
            ! Service shop/web: spec.externalIPs[11]: " 203.0.113.3" is not an IP address; ignored
        "#]],
    );
}

#[test]
fn load_balancer_addresses() {
    check(
        "
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.0.0.1}
status:
  loadBalancer:
    ingress:
    - {ip: 203.0.113.1}
    - {ip: 203.0.113.2, ipMode: VIP}
    - {ip: 203.0.113.3, ipMode: Proxy}
    - {ip: 203.0.113.4, ipMode: Other}
    - {ip: 203.0.113.5, ipMode: 7}
    - {ip: 203.0.113.6, ipMode: null}
    - {hostname: lb.example.com}
    - {ip: ''}
    - {ip: nonsense}
    - {ip: 7}
    - 7
",
        expect![[r#"
            + Service default/web ClusterIp 10.0.0.1 lb=203.0.113.1,203.0.113.2,203.0.113.6
            ! Service default/web: status.loadBalancer.ingress[10]: invalid type: number, expected an object; ignored
            ! Service default/web: status.loadBalancer.ingress[3].ipMode: "Other" is neither VIP nor Proxy; the entry is ignored
            ! Service default/web: status.loadBalancer.ingress[4].ipMode: invalid type: integer `7`, expected a string; the entry is ignored
            ! Service default/web: status.loadBalancer.ingress[8].ip: "nonsense" is not an IP address; ignored
            ! Service default/web: status.loadBalancer.ingress[9].ip: invalid type: integer `7`, expected a string; ignored
        "#]],
    );
    check(
        "{kind: Service, metadata: {name: web}, spec: {clusterIP: 10.0.0.1}, status: 7}",
        expect![[r#"
            + Service default/web ClusterIp 10.0.0.1
            ! Service default/web: status: invalid type: number, expected an object; ignored
        "#]],
    );
}

#[test]
fn source_ranges() {
    check_spec(
        "{clusterIP: 10.0.0.1, loadBalancerSourceRanges: [' 10.1.2.3/8', 010.1.0.0/16, 10.1.2.3, x, '', 7,
         'fd00::1/64', 10.1.2.3/32]}",
        expect![[r#"
            + Service shop/web ClusterIp 10.0.0.1 ranges=10.0.0.0/8,10.1.0.0/16,fd00::/64,10.1.2.3/32
            ! Service shop/web: spec.loadBalancerSourceRanges[5]: invalid type: integer `7`, expected a string; ignored
            ! Service shop/web: spec.loadBalancerSourceRanges[2]: "10.1.2.3" is not a range of IP addresses (such as 10.0.0.0/8); ignored
            ! Service shop/web: spec.loadBalancerSourceRanges[3]: "x" is not a range of IP addresses (such as 10.0.0.0/8); ignored
            ! Service shop/web: spec.loadBalancerSourceRanges[4]: "" is not a range of IP addresses (such as 10.0.0.0/8); ignored
        "#]],
    );
    check_spec(
        "{clusterIP: 10.0.0.1, loadBalancerSourceRanges: [10.0.0.0/8, 1.2.3.4/0, 'fd00::/8']}",
        expect![[r#"
            + Service shop/web ClusterIp 10.0.0.1 ranges=fd00::/8
        "#]],
    );
    check_spec(
        "{clusterIP: 10.0.0.1, loadBalancerSourceRanges: [10.0.0.0/8, '::/0']}",
        expect![[r#"
        + Service shop/web ClusterIp 10.0.0.1 ranges=10.0.0.0/8
    "#]],
    );
}
