//! The filter table: what may pass, and what must not be reached through a service address.

use model::Family;

use super::{KNOWN, Rule, Table, TableRules, Writer, commented};
use crate::{Options, SetName};

const FORWARD: &str = "KUBE-FORWARD";
const NODE_PORT: &str = "KUBE-NODE-PORT";
const PROXY_FIREWALL: &str = "KUBE-PROXY-FIREWALL";
const SOURCE_RANGES: &str = "KUBE-SOURCE-RANGES-FIREWALL";
const IPVS_FILTER: &str = "KUBE-IPVS-FILTER";
const IPVS_OUT_FILTER: &str = "KUBE-IPVS-OUT-FILTER";

/// Asked before the sets, so that packets of known connections need no look-up.
const NEW: &str = "-m conntrack --ctstate NEW";
const NOT_NEW: &str = "-m conntrack ! --ctstate NEW";

pub(super) fn table(family: Family, options: &Options) -> TableRules {
    let mut writer = Writer::new(family, options);
    writer.forward();
    writer.health_check_ports();
    writer.local_policy();
    writer.source_ranges();
    writer.ipvs_filter();
    TableRules {
        table: Table::Filter,
        chains: vec![FORWARD, IPVS_FILTER, IPVS_OUT_FILTER, NODE_PORT, PROXY_FIREWALL, SOURCE_RANGES],
        rules: writer.rules,
        jumps: vec![
            Rule::jump("FORWARD", FORWARD, "kubernetes forwarding rules"),
            Rule::jump("INPUT", NODE_PORT, "kubernetes health check rules"),
            Rule::jump("INPUT", PROXY_FIREWALL, "kube-proxy firewall rules"),
            Rule::jump("FORWARD", PROXY_FIREWALL, "kube-proxy firewall rules"),
            Rule::jump("INPUT", IPVS_FILTER, "kubernetes ipvs access filter"),
            Rule::jump("OUTPUT", IPVS_OUT_FILTER, "kubernetes ipvs access filter"),
        ],
    }
}

impl Writer<'_> {
    /// Lets service traffic through where the FORWARD policy is DROP.
    fn forward(&mut self) {
        let comment = commented("kubernetes forwarding rules");
        let mark = self.mark();
        self.rule(FORWARD, format!("{comment} -m mark --mark {mark} -j ACCEPT"));
        let comment = commented("kubernetes forwarding conntrack rule");
        self.rule(FORWARD, format!("{comment} {KNOWN} -j ACCEPT"));
    }

    fn health_check_ports(&mut self) {
        let ports = self.commented_set(SetName::HealthCheckNodePort, "dst");
        self.rule(NODE_PORT, format!("{ports} -j ACCEPT"));
    }

    /// Drops what comes from outside to an address with policy Local, where only endpoints of other nodes
    /// serve it. Connections that began while this node had an endpoint live on.
    fn local_policy(&mut self) {
        if !self.options.keeps_local_policy(self.family) {
            return;
        }
        if let Some(elsewhere) = self.elsewhere_match() {
            let set = self.commented_set(SetName::NoLocalEndpoint, "dst,dst");
            self.rule(
                PROXY_FIREWALL,
                format!("{elsewhere} {NEW} {set} -m addrtype ! --src-type LOCAL -j DROP"),
            );
        }
    }

    fn source_ranges(&mut self) {
        let guarded = self.commented_set(SetName::LoadBalancerFirewall, "dst,dst");
        self.rule(PROXY_FIREWALL, format!("{guarded} -j {SOURCE_RANGES}"));
        for name in [SetName::LoadBalancerSourceCidr, SetName::LoadBalancerSourceIp] {
            let allowed = self.commented_set(name, "dst,dst,src");
            self.rule(SOURCE_RANGES, format!("{allowed} -j RETURN"));
        }
        self.rule(SOURCE_RANGES, "-j DROP");
    }

    /// Refuses what IPVS would refuse by an ICMP error. On the client's own node such an error arrives while the
    /// socket is still busy connecting, and an IPv6 socket then waits for its second attempt, a second later. Source
    /// ranges come first, as for what is served.
    fn no_endpoint(&mut self) {
        let set = self.commented_set(SetName::NoEndpoint, "dst,dst");
        let guarded = self.set(SetName::LoadBalancerFirewall, "dst,dst");
        self.rule(IPVS_FILTER, format!("-p tcp {set} {guarded} -j {SOURCE_RANGES}"));
        self.rule(IPVS_FILTER, format!("-p tcp {set} -j REJECT --reject-with tcp-reset"));
    }

    /// Service addresses are local to the node, so without this its own ports could be reached through them. Only
    /// new connections are refused, so all other packets to this machine are spared the look-ups.
    fn ipvs_filter(&mut self) {
        self.rule(IPVS_FILTER, format!("{NOT_NEW} -j RETURN"));
        self.no_endpoint();
        let served =
            [SetName::LoadBalancer, SetName::ClusterIp, SetName::ExternalIp, SetName::ExternalIpLocal];
        for name in served {
            let set = self.set(name, "dst,dst");
            self.rule(IPVS_FILTER, format!("{set} -j RETURN"));
        }
        let health_checks = self.set(SetName::HealthCheckNodePort, "dst");
        self.rule(IPVS_FILTER, format!("{health_checks} -j RETURN"));
        let refusal = match self.family {
            Family::V4 => "icmp-port-unreachable",
            Family::V6 => "icmp6-port-unreachable",
        };
        let bound = self.set(SetName::IpvsIps, "dst");
        self.rule(IPVS_FILTER, format!("{NEW} {bound} -j REJECT --reject-with {refusal}"));
    }
}
