use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use model::PerFamily;

use super::*;
use crate::LocalDetector;

fn cluster_cidrs() -> Options {
    detecting(
        LocalDetector::Cidr("10.244.0.0/16".parse().unwrap()),
        LocalDetector::Cidr("fd00:244::/32".parse().unwrap()),
    )
}

fn detecting(v4: LocalDetector, v6: LocalDetector) -> Options {
    Options { local_detector: PerFamily { v4: Some(v4), v6: Some(v6) }, ..Options::default() }
}

/// The rules that say what is masqueraded on its way to a cluster IP, of both families.
fn check_masquerading(options: &Options, expected: Expect) {
    let rulesets = Family::ALL.map(|family| ruleset(family, options).to_string());
    let lines = rulesets.iter().flat_map(|text| text.lines());
    let rules = lines.filter(|line| line.contains("CLUSTER-IP") && line.ends_with("-j KUBE-MARK-MASQ"));
    expected.assert_eq(&rules.flat_map(|line| [line, "\n"]).collect::<String>());
}

#[test]
fn all_rules_of_ipv4() {
    expect![[r#"
        *filter
        :KUBE-FORWARD - [0:0]
        :KUBE-IPVS-FILTER - [0:0]
        :KUBE-IPVS-OUT-FILTER - [0:0]
        :KUBE-NODE-PORT - [0:0]
        :KUBE-PROXY-FIREWALL - [0:0]
        :KUBE-SOURCE-RANGES-FIREWALL - [0:0]
        -A FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
        -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
        -A INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER
        -A INPUT -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
        -A INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT
        -A OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
        -A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
        -A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        -A KUBE-IPVS-FILTER -m conntrack ! --ctstate NEW -j RETURN
        -A KUBE-IPVS-FILTER -p tcp -m comment --comment "Kubernetes service without any endpoint" -m set --match-set KUBE-NO-ENDPOINT dst,dst -m set --match-set KUBE-LOAD-BALANCER-FW dst,dst -j KUBE-SOURCE-RANGES-FIREWALL
        -A KUBE-IPVS-FILTER -p tcp -m comment --comment "Kubernetes service without any endpoint" -m set --match-set KUBE-NO-ENDPOINT dst,dst -j REJECT --reject-with tcp-reset
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-LOAD-BALANCER dst,dst -j RETURN
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-CLUSTER-IP dst,dst -j RETURN
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-EXTERNAL-IP dst,dst -j RETURN
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -j RETURN
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j RETURN
        -A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT --reject-with icmp-port-unreachable
        -A KUBE-NODE-PORT -m comment --comment "Kubernetes health check node port" -m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j ACCEPT
        -A KUBE-PROXY-FIREWALL ! -s 10.244.0.0/16 -m conntrack --ctstate NEW -m comment --comment "Kubernetes policy Local without an endpoint on this node" -m set --match-set KUBE-NO-LOCAL-ENDPOINT dst,dst -m addrtype ! --src-type LOCAL -j DROP
        -A KUBE-PROXY-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port for load balancer with sourceRange" -m set --match-set KUBE-LOAD-BALANCER-FW dst,dst -j KUBE-SOURCE-RANGES-FIREWALL
        -A KUBE-SOURCE-RANGES-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port + source cidr for packet filter purpose" -m set --match-set KUBE-LOAD-BALANCER-SOURCE-CIDR dst,dst,src -j RETURN
        -A KUBE-SOURCE-RANGES-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port + source IP for packet filter purpose" -m set --match-set KUBE-LOAD-BALANCER-SOURCE-IP dst,dst,src -j RETURN
        -A KUBE-SOURCE-RANGES-FIREWALL -j DROP
        COMMIT
        *nat
        :KUBE-LOAD-BALANCER - [0:0]
        :KUBE-MARK-MASQ - [0:0]
        :KUBE-NODE-PORT - [0:0]
        :KUBE-POSTROUTING - [0:0]
        :KUBE-SERVICES - [0:0]
        -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
        -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -A KUBE-LOAD-BALANCER -m comment --comment "Kubernetes service load balancer ip + port with externalTrafficPolicy=local" -m set --match-set KUBE-LOAD-BALANCER-LOCAL dst,dst -j RETURN
        -A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
        -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
        -A KUBE-NODE-PORT -p tcp -m comment --comment "Kubernetes nodeport TCP port with externalTrafficPolicy=local" -m set --match-set KUBE-NODE-PORT-LOCAL-TCP dst -j RETURN
        -A KUBE-NODE-PORT -p tcp -m comment --comment "Kubernetes nodeport TCP port for masquerade purpose" -m set --match-set KUBE-NODE-PORT-TCP dst -j KUBE-MARK-MASQ
        -A KUBE-NODE-PORT -p udp -m comment --comment "Kubernetes nodeport UDP port with externalTrafficPolicy=local" -m set --match-set KUBE-NODE-PORT-LOCAL-UDP dst -j RETURN
        -A KUBE-NODE-PORT -p udp -m comment --comment "Kubernetes nodeport UDP port for masquerade purpose" -m set --match-set KUBE-NODE-PORT-UDP dst -j KUBE-MARK-MASQ
        -A KUBE-NODE-PORT -p sctp -m comment --comment "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type \'hash ip:port\'" -m set --match-set KUBE-NODE-PORT-LOCAL-SCTP-HASH dst,dst -j RETURN
        -A KUBE-NODE-PORT -p sctp -m comment --comment "Kubernetes nodeport SCTP port for masquerade purpose with type \'hash ip:port\'" -m set --match-set KUBE-NODE-PORT-SCTP-HASH dst,dst -j KUBE-MARK-MASQ
        -A KUBE-POSTROUTING -m comment --comment "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE
        -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
        -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
        -A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
        -A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN
        -A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
        -A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
        -A KUBE-SERVICES -m comment --comment "Kubernetes policy Local without an endpoint on this node" -m set --match-set KUBE-NO-LOCAL-ENDPOINT dst,dst -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
        -A KUBE-SERVICES -s 10.244.0.0/16 -m comment --comment "Kubernetes policy Local without an endpoint on this node" -m set --match-set KUBE-NO-LOCAL-ENDPOINT dst,dst -m set ! --match-set KUBE-IPVS-IPS dst -j KUBE-MARK-MASQ
        -A KUBE-SERVICES -m comment --comment "Kubernetes service lb portal" -m set --match-set KUBE-LOAD-BALANCER dst,dst -j KUBE-LOAD-BALANCER
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set KUBE-EXTERNAL-IP dst,dst -j KUBE-MARK-MASQ
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set KUBE-EXTERNAL-IP dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set KUBE-EXTERNAL-IP dst,dst -m addrtype --dst-type LOCAL -j ACCEPT
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port with externalTrafficPolicy=local" -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port with externalTrafficPolicy=local" -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -m addrtype --dst-type LOCAL -j ACCEPT
        -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
        -A KUBE-SERVICES -m set --match-set KUBE-LOAD-BALANCER dst,dst -j ACCEPT
        COMMIT
        *mangle
        :KUBE-IPVS-OUT-FILTER - [0:0]
        -A OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
        -A KUBE-IPVS-OUT-FILTER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
        -A KUBE-IPVS-OUT-FILTER -m set ! --match-set KUBE-LOAD-BALANCER-FW dst,dst -j RETURN
        -A KUBE-IPVS-OUT-FILTER -m set --match-set KUBE-LOAD-BALANCER-SOURCE-CIDR dst,dst,src -j RETURN
        -A KUBE-IPVS-OUT-FILTER -m set --match-set KUBE-LOAD-BALANCER-SOURCE-IP dst,dst,src -j RETURN
        -A KUBE-IPVS-OUT-FILTER -j DROP
        COMMIT
    "#]].assert_eq(&ruleset(Family::V4, &cluster_cidrs()).to_string());
}

#[test]
fn all_rules_of_ipv6() {
    expect![[r#"
        *filter
        :KUBE-FORWARD - [0:0]
        :KUBE-IPVS-FILTER - [0:0]
        :KUBE-IPVS-OUT-FILTER - [0:0]
        :KUBE-NODE-PORT - [0:0]
        :KUBE-PROXY-FIREWALL - [0:0]
        :KUBE-SOURCE-RANGES-FIREWALL - [0:0]
        -A FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
        -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
        -A INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER
        -A INPUT -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
        -A INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT
        -A OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
        -A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
        -A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        -A KUBE-IPVS-FILTER -m conntrack ! --ctstate NEW -j RETURN
        -A KUBE-IPVS-FILTER -p tcp -m comment --comment "Kubernetes service without any endpoint" -m set --match-set KUBE-6-NO-ENDPOINT dst,dst -m set --match-set KUBE-6-LOAD-BALANCER-FW dst,dst -j KUBE-SOURCE-RANGES-FIREWALL
        -A KUBE-IPVS-FILTER -p tcp -m comment --comment "Kubernetes service without any endpoint" -m set --match-set KUBE-6-NO-ENDPOINT dst,dst -j REJECT --reject-with tcp-reset
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-6-LOAD-BALANCER dst,dst -j RETURN
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j RETURN
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-6-EXTERNAL-IP dst,dst -j RETURN
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-6-EXTERNAL-IP-LOCAL dst,dst -j RETURN
        -A KUBE-IPVS-FILTER -m set --match-set KUBE-6-HEALTH-CHECK-NODE-PORT dst -j RETURN
        -A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-6-IPVS-IPS dst -j REJECT --reject-with icmp6-port-unreachable
        -A KUBE-NODE-PORT -m comment --comment "Kubernetes health check node port" -m set --match-set KUBE-6-HEALTH-CHECK-NODE-PORT dst -j ACCEPT
        -A KUBE-PROXY-FIREWALL ! -s fd00:244::/32 -m conntrack --ctstate NEW -m comment --comment "Kubernetes policy Local without an endpoint on this node" -m set --match-set KUBE-6-NO-LOCAL-ENDPOINT dst,dst -m addrtype ! --src-type LOCAL -j DROP
        -A KUBE-PROXY-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port for load balancer with sourceRange" -m set --match-set KUBE-6-LOAD-BALANCER-FW dst,dst -j KUBE-SOURCE-RANGES-FIREWALL
        -A KUBE-SOURCE-RANGES-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port + source cidr for packet filter purpose" -m set --match-set KUBE-6-LOAD-BALANCER-SOURCE-CID dst,dst,src -j RETURN
        -A KUBE-SOURCE-RANGES-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port + source IP for packet filter purpose" -m set --match-set KUBE-6-LOAD-BALANCER-SOURCE-IP dst,dst,src -j RETURN
        -A KUBE-SOURCE-RANGES-FIREWALL -j DROP
        COMMIT
        *nat
        :KUBE-LOAD-BALANCER - [0:0]
        :KUBE-MARK-MASQ - [0:0]
        :KUBE-NODE-PORT - [0:0]
        :KUBE-POSTROUTING - [0:0]
        :KUBE-SERVICES - [0:0]
        -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
        -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -A KUBE-LOAD-BALANCER -m comment --comment "Kubernetes service load balancer ip + port with externalTrafficPolicy=local" -m set --match-set KUBE-6-LOAD-BALANCER-LOCAL dst,dst -j RETURN
        -A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
        -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
        -A KUBE-NODE-PORT -p tcp -m comment --comment "Kubernetes nodeport TCP port with externalTrafficPolicy=local" -m set --match-set KUBE-6-NODE-PORT-LOCAL-TCP dst -j RETURN
        -A KUBE-NODE-PORT -p tcp -m comment --comment "Kubernetes nodeport TCP port for masquerade purpose" -m set --match-set KUBE-6-NODE-PORT-TCP dst -j KUBE-MARK-MASQ
        -A KUBE-NODE-PORT -p udp -m comment --comment "Kubernetes nodeport UDP port with externalTrafficPolicy=local" -m set --match-set KUBE-6-NODE-PORT-LOCAL-UDP dst -j RETURN
        -A KUBE-NODE-PORT -p udp -m comment --comment "Kubernetes nodeport UDP port for masquerade purpose" -m set --match-set KUBE-6-NODE-PORT-UDP dst -j KUBE-MARK-MASQ
        -A KUBE-NODE-PORT -p sctp -m comment --comment "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type \'hash ip:port\'" -m set --match-set KUBE-6-NODE-PORT-LOCAL-SCTP-HAS dst,dst -j RETURN
        -A KUBE-NODE-PORT -p sctp -m comment --comment "Kubernetes nodeport SCTP port for masquerade purpose with type \'hash ip:port\'" -m set --match-set KUBE-6-NODE-PORT-SCTP-HASH dst,dst -j KUBE-MARK-MASQ
        -A KUBE-POSTROUTING -m comment --comment "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" -m set --match-set KUBE-6-LOOP-BACK dst,dst,src -j MASQUERADE
        -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
        -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
        -A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
        -A KUBE-SERVICES -s ::1/128 -j RETURN
        -A KUBE-SERVICES ! -s fd00:244::/32 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
        -A KUBE-SERVICES -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j ACCEPT
        -A KUBE-SERVICES -m comment --comment "Kubernetes policy Local without an endpoint on this node" -m set --match-set KUBE-6-NO-LOCAL-ENDPOINT dst,dst -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
        -A KUBE-SERVICES -s fd00:244::/32 -m comment --comment "Kubernetes policy Local without an endpoint on this node" -m set --match-set KUBE-6-NO-LOCAL-ENDPOINT dst,dst -m set ! --match-set KUBE-6-IPVS-IPS dst -j KUBE-MARK-MASQ
        -A KUBE-SERVICES -m comment --comment "Kubernetes service lb portal" -m set --match-set KUBE-6-LOAD-BALANCER dst,dst -j KUBE-LOAD-BALANCER
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set KUBE-6-EXTERNAL-IP dst,dst -j KUBE-MARK-MASQ
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set KUBE-6-EXTERNAL-IP dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set KUBE-6-EXTERNAL-IP dst,dst -m addrtype --dst-type LOCAL -j ACCEPT
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port with externalTrafficPolicy=local" -m set --match-set KUBE-6-EXTERNAL-IP-LOCAL dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
        -A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port with externalTrafficPolicy=local" -m set --match-set KUBE-6-EXTERNAL-IP-LOCAL dst,dst -m addrtype --dst-type LOCAL -j ACCEPT
        -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
        -A KUBE-SERVICES -m set --match-set KUBE-6-LOAD-BALANCER dst,dst -j ACCEPT
        COMMIT
        *mangle
        :KUBE-IPVS-OUT-FILTER - [0:0]
        -A OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
        -A KUBE-IPVS-OUT-FILTER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
        -A KUBE-IPVS-OUT-FILTER -m set ! --match-set KUBE-6-LOAD-BALANCER-FW dst,dst -j RETURN
        -A KUBE-IPVS-OUT-FILTER -m set --match-set KUBE-6-LOAD-BALANCER-SOURCE-CID dst,dst,src -j RETURN
        -A KUBE-IPVS-OUT-FILTER -m set --match-set KUBE-6-LOAD-BALANCER-SOURCE-IP dst,dst,src -j RETURN
        -A KUBE-IPVS-OUT-FILTER -j DROP
        COMMIT
    "#]].assert_eq(&ruleset(Family::V6, &cluster_cidrs()).to_string());
}

#[test]
fn masquerade_all_masquerades_everything_to_cluster_ips() {
    check_masquerading(
        &Options { masquerade_all: true, ..cluster_cidrs() },
        expect![[r#"
            -A KUBE-SERVICES -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
            -A KUBE-SERVICES -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
        "#]],
    );
}

#[test]
fn a_cluster_cidr_masquerades_what_comes_from_elsewhere() {
    check_masquerading(
        &cluster_cidrs(),
        expect![[r#"
            -A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
            -A KUBE-SERVICES ! -s fd00:244::/32 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
        "#]],
    );
}

#[test]
fn a_cluster_cidr_is_written_as_the_kernel_prints_it() {
    let options = detecting(
        LocalDetector::Cidr("10.244.1.7/16".parse().unwrap()),
        LocalDetector::Cidr("fd00:244::1/128".parse().unwrap()),
    );
    check_masquerading(
        &options,
        expect![[r#"
            -A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
            -A KUBE-SERVICES ! -s fd00:244::1/128 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
        "#]],
    );
}

#[test]
fn nothing_comes_from_outside_of_every_address() {
    let options = detecting(
        LocalDetector::Cidr("0.0.0.0/0".parse().unwrap()),
        LocalDetector::Cidr("::/0".parse().unwrap()),
    );
    check_masquerading(&options, expect![""]);
}

#[test]
fn interfaces_tell_pods_apart_as_well() {
    let bridge = || LocalDetector::Interface("cbr0".to_owned());
    let prefix = || LocalDetector::InterfacePrefix("veth".to_owned());
    check_masquerading(
        &detecting(bridge(), prefix()),
        expect![[r#"
            -A KUBE-SERVICES ! -i cbr0 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
            -A KUBE-SERVICES ! -i veth+ -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-6-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
        "#]],
    );
}

#[test]
fn without_a_way_to_tell_pods_apart_only_the_node_itself_is_masqueraded() {
    check_masquerading(
        &Options::default(),
        expect![[r#"
            -A KUBE-SERVICES -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP src,dst -j KUBE-MARK-MASQ
            -A KUBE-SERVICES -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-6-CLUSTER-IP src,dst -j KUBE-MARK-MASQ
        "#]],
    );
}

#[test]
fn one_family_may_have_a_detector_and_the_other_not() {
    let mut options = cluster_cidrs();
    options.local_detector.v6 = None;
    check_masquerading(
        &options,
        expect![[r#"
            -A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
            -A KUBE-SERVICES -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set KUBE-6-CLUSTER-IP src,dst -j KUBE-MARK-MASQ
        "#]],
    );
}

#[test]
fn the_masquerade_bit_is_in_every_mark() {
    let options = Options { masquerade_mark: 1 << 31, ..Options::default() };
    let text = ruleset(Family::V4, &options).to_string();
    let marks = text.lines().filter(|line| line.contains("mark"));
    expect![[r#"
        -A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x80000000/0x80000000 -j ACCEPT
        -A KUBE-MARK-MASQ -j MARK --set-xmark 0x80000000/0x80000000
        -A KUBE-POSTROUTING -m mark ! --mark 0x80000000/0x80000000 -j RETURN
        -A KUBE-POSTROUTING -j MARK --set-xmark 0x80000000/0x0
    "#]].assert_eq(&marks.flat_map(|line| [line, "\n"]).collect::<String>());
}

#[test]
fn without_bridge_netfilter_no_rule_asks_for_bridge_ports() {
    let options = Options { bridge_netfilter: false, ..Options::default() };
    let text = ruleset(Family::V4, &options).to_string();
    assert!(!text.contains("physdev"), "{text}");
    assert_eq!(rule_count(&options), rule_count(&Options::default()));
}

#[test]
fn the_number_of_rules_depends_on_the_local_detector_alone() {
    let interface = LocalDetector::Interface("cbr0".to_owned());
    let all = [
        Options::default(),
        cluster_cidrs(),
        Options { masquerade_all: true, ..Options::default() },
        detecting(interface.clone(), interface),
    ];
    // Without a way to tell pods apart there are none about policy Local.
    assert_eq!(all.map(|options| rule_count(&options)[0]), [55, 58, 55, 57]);
}

fn rule_count(options: &Options) -> [usize; 2] {
    Family::ALL.map(|family| ruleset(family, options).rule_count())
}

/// What kube-proxy left for a Service of each kind is among ours, word by word and in the same order, but that cluster
/// IPs come first where they come last in kube-proxy's. The one exception is a rule for a single Service, of which
/// there are none here.
#[test]
fn the_rules_of_kube_proxy_are_among_ours() {
    let masquerade_all = Options { masquerade_all: true, ..Options::default() };
    check_recorded(Family::V4, &cluster_cidrs(), include_str!("testdata/node-a.iptables-save.txt"));
    check_recorded(Family::V6, &cluster_cidrs(), include_str!("testdata/node-a.ip6tables-save.txt"));
    let recorded = include_str!("testdata/node-b-masquerade-all.iptables-save.txt");
    check_recorded(Family::V4, &masquerade_all, recorded);
    let recorded = include_str!("testdata/node-b-masquerade-all.ip6tables-save.txt");
    check_recorded(Family::V6, &masquerade_all, recorded);
}

fn check_recorded(family: Family, options: &Options, recorded: &str) {
    let ours = ruleset(family, options).to_string();
    let ours = chains(&ours);
    let recorded = chains(recorded);
    assert_eq!(recorded.keys().filter(|(_, chain)| chain.starts_with("KUBE-")).count(), 11);
    for (chain, rules) in recorded {
        let ours = ours.get(&chain).map_or(&[][..], Vec::as_slice);
        let common: Vec<&str> = ours.iter().filter(|rule| rules.contains(rule)).copied().collect();
        let expected = if chain.1 == "KUBE-SERVICES" { with_cluster_ips_first(rules) } else { rules };
        assert_eq!(common, expected, "{family} {chain:?}");
    }
}

/// The first rule is about the loopback network.
fn with_cluster_ips_first(rules: Vec<&str>) -> Vec<&str> {
    let is_first = |(position, rule): &(usize, &str)| *position == 0 || rule.contains("-CLUSTER-IP ");
    let (first, rest): (Vec<_>, Vec<_>) = rules.into_iter().enumerate().partition(is_first);
    first.into_iter().chain(rest).map(|(_, rule)| rule).collect()
}

/// The rules of each table and chain, less those for a single Service.
fn chains(saved: &str) -> BTreeMap<(&str, &str), Vec<&str>> {
    let mut chains: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut table = "";
    for line in saved.lines() {
        let name = line.trim_start_matches("-A ").trim_start_matches(':');
        let name = name.split(' ').next().unwrap();
        match line.split_at(1) {
            ("*", name) => table = name,
            (":", _) => drop(chains.entry((table, name)).or_default()),
            ("-", _) if line.contains("-m ipvs") => {}
            ("-", _) => chains.entry((table, name)).or_default().push(line),
            _ => {}
        }
    }
    chains
}
