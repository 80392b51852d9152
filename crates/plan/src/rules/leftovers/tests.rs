use expect_test::{Expect, expect};
use model::Family;

use super::*;
use crate::Options;
use crate::rules::ruleset;

/// kube-proxy 1.36 in mode iptables with one Service of one endpoint, kubelet beside it, and others.
const MODE_IPTABLES: &str = r#"
*mangle
:PREROUTING ACCEPT [0:0]
:KUBE-IPTABLES-HINT - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-PROXY-CANARY - [0:0]
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-NWPLCY-DEFAULT - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -m nfacct --nfacct-name ct_state_invalid_dropped_pkts -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-SERVICES -d 10.96.0.11/32 -p tcp -m comment --comment "shop/empty has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-MARK-DROP - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SEP-3DV6Q4XLFTHSZZ2B - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
:KUBE-SVC-ALL - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-SEP-3DV6Q4XLFTHSZZ2B -s 10.244.1.2/32 -m comment --comment "shop/web" -j KUBE-MARK-MASQ
-A KUBE-SEP-3DV6Q4XLFTHSZZ2B -p tcp -m comment --comment "shop/web" -m tcp -j DNAT --to-destination 10.244.1.2:8080
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "shop/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-NPX46M4PTMTKRN6Y
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-NPX46M4PTMTKRN6Y -m comment --comment "shop/web -> 10.244.1.2:8080" -j KUBE-SEP-3DV6Q4XLFTHSZZ2B
COMMIT
"#;

/// What the host ports of a CNI plugin and an administrator make of kube-proxy's chains.
const OTHERS: &str = r#"*nat
:PREROUTING ACCEPT [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
:KUBE-SEP-3DV6Q4XLFTHSZZ2B - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -i eth7 -j KUBE-SVC-NPX46M4PTMTKRN6Y
-A CNI-HOSTPORT-SETMARK -j KUBE-MARK-MASQ
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-SERVICES -d 10.96.0.10/32 -j KUBE-SVC-NPX46M4PTMTKRN6Y
-A KUBE-SVC-NPX46M4PTMTKRN6Y -j KUBE-SEP-3DV6Q4XLFTHSZZ2B
COMMIT
"#;

#[track_caller]
fn check(removal: Option<Removal>, expected: Expect) {
    let text = match removal {
        None => "nothing to do\n".to_owned(),
        Some(Removal { input, removed, kept }) => {
            let removed = removed.iter().map(|leftover| format!("- {leftover}\n"));
            let kept = kept.iter().map(|kept| format!("# {kept}\n"));
            format!("{}{}{input}", removed.collect::<String>(), kept.collect::<String>())
        }
    };
    expected.assert_eq(&text);
}

/// The dump in which our rules stand beside those of mode iptables.
fn taken_over() -> String {
    format!("{MODE_IPTABLES}{}", ruleset(Family::V4, &Options::default()))
}

#[test]
fn what_another_mode_left_beside_our_rules_goes_and_kubelets_stays() {
    check(
        beside(&ruleset(Family::V4, &Options::default()), &taken_over()),
        expect![[r#"
            - table filter: rule -A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            - table filter: rule -A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
            - table filter: rule -A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
            - table filter: rule -A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
            - table filter: rule -A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            - table filter: chain KUBE-EXTERNAL-SERVICES with 0 rules
            - table filter: chain KUBE-NODEPORTS with 0 rules
            - table filter: chain KUBE-PROXY-CANARY with 0 rules
            - table filter: chain KUBE-SERVICES with 1 rule
            - table mangle: chain KUBE-PROXY-CANARY with 0 rules
            - table nat: chain KUBE-NODEPORTS with 0 rules
            - table nat: chain KUBE-PROXY-CANARY with 0 rules
            - table nat: chain KUBE-SEP-3DV6Q4XLFTHSZZ2B with 2 rules
            - table nat: chain KUBE-SVC-NPX46M4PTMTKRN6Y with 1 rule
            *filter
            :KUBE-EXTERNAL-SERVICES - [0:0]
            :KUBE-NODEPORTS - [0:0]
            :KUBE-PROXY-CANARY - [0:0]
            :KUBE-SERVICES - [0:0]
            -D FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            -D INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
            -D INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
            -D INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
            -D OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            -X KUBE-EXTERNAL-SERVICES
            -X KUBE-NODEPORTS
            -X KUBE-PROXY-CANARY
            -X KUBE-SERVICES
            COMMIT
            *mangle
            :KUBE-PROXY-CANARY - [0:0]
            -X KUBE-PROXY-CANARY
            COMMIT
            *nat
            :KUBE-NODEPORTS - [0:0]
            :KUBE-PROXY-CANARY - [0:0]
            :KUBE-SEP-3DV6Q4XLFTHSZZ2B - [0:0]
            :KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
            -X KUBE-NODEPORTS
            -X KUBE-PROXY-CANARY
            -X KUBE-SEP-3DV6Q4XLFTHSZZ2B
            -X KUBE-SVC-NPX46M4PTMTKRN6Y
            COMMIT
        "#]],
    );
}

#[test]
fn nothing_is_left_beside_our_own_rules() {
    for family in Family::ALL {
        let ours = ruleset(family, &Options::default());
        check(
            beside(&ours, &ours.to_string()),
            expect![[r#"
            nothing to do
        "#]],
        );
    }
}

#[test]
fn everything_of_ours_goes() {
    check(
        everything(&ruleset(Family::V4, &Options::default()).to_string()),
        expect![[r#"
            - table filter: rule -A FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
            - table filter: rule -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
            - table filter: rule -A INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER
            - table filter: rule -A INPUT -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
            - table filter: rule -A INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT
            - table filter: rule -A OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
            - table filter: chain KUBE-FORWARD with 2 rules
            - table filter: chain KUBE-IPVS-FILTER with 9 rules
            - table filter: chain KUBE-IPVS-OUT-FILTER with 0 rules
            - table filter: chain KUBE-NODE-PORT with 1 rule
            - table filter: chain KUBE-PROXY-FIREWALL with 1 rule
            - table filter: chain KUBE-SOURCE-RANGES-FIREWALL with 3 rules
            - table mangle: rule -A OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
            - table mangle: chain KUBE-IPVS-OUT-FILTER with 5 rules
            - table nat: rule -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            - table nat: rule -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
            - table nat: rule -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            - table nat: chain KUBE-LOAD-BALANCER with 2 rules
            - table nat: chain KUBE-MARK-MASQ with 1 rule
            - table nat: chain KUBE-NODE-PORT with 6 rules
            - table nat: chain KUBE-POSTROUTING with 4 rules
            - table nat: chain KUBE-SERVICES with 11 rules
            *filter
            :KUBE-FORWARD - [0:0]
            :KUBE-IPVS-FILTER - [0:0]
            :KUBE-IPVS-OUT-FILTER - [0:0]
            :KUBE-NODE-PORT - [0:0]
            :KUBE-PROXY-FIREWALL - [0:0]
            :KUBE-SOURCE-RANGES-FIREWALL - [0:0]
            -D FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
            -D FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
            -D INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER
            -D INPUT -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
            -D INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT
            -D OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
            -X KUBE-FORWARD
            -X KUBE-IPVS-FILTER
            -X KUBE-IPVS-OUT-FILTER
            -X KUBE-NODE-PORT
            -X KUBE-PROXY-FIREWALL
            -X KUBE-SOURCE-RANGES-FIREWALL
            COMMIT
            *mangle
            :KUBE-IPVS-OUT-FILTER - [0:0]
            -D OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
            -X KUBE-IPVS-OUT-FILTER
            COMMIT
            *nat
            :KUBE-LOAD-BALANCER - [0:0]
            :KUBE-MARK-MASQ - [0:0]
            :KUBE-NODE-PORT - [0:0]
            :KUBE-POSTROUTING - [0:0]
            :KUBE-SERVICES - [0:0]
            -D OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            -D POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
            -D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
            -X KUBE-LOAD-BALANCER
            -X KUBE-MARK-MASQ
            -X KUBE-NODE-PORT
            -X KUBE-POSTROUTING
            -X KUBE-SERVICES
            COMMIT
        "#]],
    );
}

#[test]
fn everything_of_mode_iptables_goes() {
    check(
        everything(MODE_IPTABLES),
        expect![[r#"
        - table filter: rule -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
        - table filter: rule -A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        - table filter: rule -A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
        - table filter: rule -A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
        - table filter: rule -A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
        - table filter: rule -A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        - table filter: chain KUBE-EXTERNAL-SERVICES with 0 rules
        - table filter: chain KUBE-FORWARD with 2 rules
        - table filter: chain KUBE-NODEPORTS with 0 rules
        - table filter: chain KUBE-PROXY-CANARY with 0 rules
        - table filter: chain KUBE-PROXY-FIREWALL with 0 rules
        - table filter: chain KUBE-SERVICES with 1 rule
        - table mangle: chain KUBE-PROXY-CANARY with 0 rules
        - table nat: rule -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        - table nat: rule -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
        - table nat: rule -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        - table nat: chain KUBE-MARK-MASQ with 1 rule
        - table nat: chain KUBE-NODEPORTS with 0 rules
        - table nat: chain KUBE-POSTROUTING with 0 rules
        - table nat: chain KUBE-PROXY-CANARY with 0 rules
        - table nat: chain KUBE-SEP-3DV6Q4XLFTHSZZ2B with 2 rules
        - table nat: chain KUBE-SERVICES with 2 rules
        - table nat: chain KUBE-SVC-NPX46M4PTMTKRN6Y with 1 rule
        *filter
        :KUBE-EXTERNAL-SERVICES - [0:0]
        :KUBE-FORWARD - [0:0]
        :KUBE-NODEPORTS - [0:0]
        :KUBE-PROXY-CANARY - [0:0]
        :KUBE-PROXY-FIREWALL - [0:0]
        :KUBE-SERVICES - [0:0]
        -D FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
        -D FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -D INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
        -D INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
        -D INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
        -D OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -X KUBE-EXTERNAL-SERVICES
        -X KUBE-FORWARD
        -X KUBE-NODEPORTS
        -X KUBE-PROXY-CANARY
        -X KUBE-PROXY-FIREWALL
        -X KUBE-SERVICES
        COMMIT
        *mangle
        :KUBE-PROXY-CANARY - [0:0]
        -X KUBE-PROXY-CANARY
        COMMIT
        *nat
        :KUBE-MARK-MASQ - [0:0]
        :KUBE-NODEPORTS - [0:0]
        :KUBE-POSTROUTING - [0:0]
        :KUBE-PROXY-CANARY - [0:0]
        :KUBE-SEP-3DV6Q4XLFTHSZZ2B - [0:0]
        :KUBE-SERVICES - [0:0]
        :KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
        -D OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -D POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
        -D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -X KUBE-MARK-MASQ
        -X KUBE-NODEPORTS
        -X KUBE-POSTROUTING
        -X KUBE-PROXY-CANARY
        -X KUBE-SEP-3DV6Q4XLFTHSZZ2B
        -X KUBE-SERVICES
        -X KUBE-SVC-NPX46M4PTMTKRN6Y
        COMMIT
    "#]],
    );
}

#[test]
fn chains_that_others_use_stay() {
    check(
        everything(OTHERS),
        expect![[r#"
        - table nat: rule -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        - table nat: chain KUBE-SERVICES with 1 rule
        # table nat: chain KUBE-MARK-MASQ, which a rule of other software uses: -A CNI-HOSTPORT-SETMARK -j KUBE-MARK-MASQ
        # table nat: chain KUBE-SEP-3DV6Q4XLFTHSZZ2B, which a rule of other software uses: -A PREROUTING -i eth7 -j KUBE-SVC-NPX46M4PTMTKRN6Y
        # table nat: chain KUBE-SVC-NPX46M4PTMTKRN6Y, which a rule of other software uses: -A PREROUTING -i eth7 -j KUBE-SVC-NPX46M4PTMTKRN6Y
        *nat
        :KUBE-SERVICES - [0:0]
        -D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -X KUBE-SERVICES
        COMMIT
    "#]],
    );
}

#[test]
fn where_no_proxy_was_nothing_goes() {
    let saved = "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-FIREWALL - [0:0]\n:KUBE-SVC-ALL - [0:0]\n\
                 -A INPUT -j KUBE-FIREWALL\n-A INPUT -j KUBE-SVC-ALL\nCOMMIT\n";
    check(
        everything(saved),
        expect![[r#"
        nothing to do
    "#]],
    );
}
