//! The nat table: what is masqueraded, and that nobody else translates service traffic.

use model::Family;

use super::{Rule, Table, TableRules, Writer, commented};
use crate::{LocalDetector, Options, SetName};

const SERVICES: &str = "KUBE-SERVICES";
const POSTROUTING: &str = "KUBE-POSTROUTING";
const NODE_PORT: &str = "KUBE-NODE-PORT";
const LOAD_BALANCER: &str = "KUBE-LOAD-BALANCER";
const MARK_MASQ: &str = "KUBE-MARK-MASQ";

pub(super) fn table(family: Family, options: &Options) -> TableRules {
    let mut writer = Writer::new(family, options);
    writer.services();
    writer.load_balancer();
    writer.node_port();
    writer.postrouting();
    writer.mark_masq();
    TableRules {
        table: Table::Nat,
        chains: vec![LOAD_BALANCER, MARK_MASQ, NODE_PORT, POSTROUTING, SERVICES],
        rules: writer.rules,
        jumps: vec![
            Rule::jump("OUTPUT", SERVICES, "kubernetes service portals"),
            Rule::jump("PREROUTING", SERVICES, "kubernetes service portals"),
            Rule::jump("POSTROUTING", POSTROUTING, "kubernetes postrouting rules"),
        ],
    }
}

impl Writer<'_> {
    fn services(&mut self) {
        let loopback = match self.family {
            Family::V4 => "127.0.0.0/8",
            Family::V6 => "::1/128",
        };
        self.rule(SERVICES, format!("-s {loopback} -j RETURN"));
        // First, since most traffic is theirs. The traversal ends here, so that neither a node port of the same number
        // masquerades it nor a host port of a CNI plugin captures it.
        self.masquerade_cluster_ips();
        let cluster_ips = self.set(SetName::ClusterIp, "dst,dst");
        self.rule(SERVICES, format!("{cluster_ips} -j ACCEPT"));
        self.masquerade_without_local_endpoint();
        let balancer = self.commented_set(SetName::LoadBalancer, "dst,dst");
        self.rule(SERVICES, format!("{balancer} -j {LOAD_BALANCER}"));
        let external = self.commented_set(SetName::ExternalIp, "dst,dst");
        self.rule(SERVICES, format!("{external} -j {MARK_MASQ}"));
        self.accept_external(SetName::ExternalIp);
        self.accept_external(SetName::ExternalIpLocal);
        self.rule(SERVICES, format!("-m addrtype --dst-type LOCAL -j {NODE_PORT}"));
        let balancer = self.set(SetName::LoadBalancer, "dst,dst");
        self.rule(SERVICES, format!("{balancer} -j ACCEPT"));
    }

    /// Traffic to cluster IPs that has to come back through this node.
    fn masquerade_cluster_ips(&mut self) {
        let everything = self.commented_set(SetName::ClusterIp, "dst,dst");
        let can_tell = self.options.local_detector.get(self.family).is_some();
        let text = match self.elsewhere_match() {
            _ if self.options.masquerade_all => everything,
            Some(elsewhere) => format!("{elsewhere} {everything}"),
            None if can_tell => return,
            // Only what a process of this node sends: its source is then the cluster IP itself, which is
            // bound here.
            None => self.commented_set(SetName::ClusterIp, "src,dst"),
        };
        self.rule(SERVICES, format!("{text} -j {MARK_MASQ}"));
    }

    /// Traffic with policy Local that goes to another node, because this one has no endpoint. Answers to this
    /// machine's own processes would not find back, since their source is an address that every node has; and
    /// answers to pods of other nodes that came by a node port would not pass this node.
    fn masquerade_without_local_endpoint(&mut self) {
        if !self.options.keeps_local_policy(self.family) {
            return;
        }
        let set = self.commented_set(SetName::NoLocalEndpoint, "dst,dst");
        self.rule(SERVICES, format!("{set} -m addrtype --src-type LOCAL -j {MARK_MASQ}"));
        if let Some(LocalDetector::Cidr(cidr)) = self.options.local_detector.get(self.family) {
            let pods = match cidr.prefix_len() {
                0 => String::new(),
                _ => format!("-s {} ", cidr.trunc()),
            };
            let unbound = self.not_in_set(SetName::IpvsIps, "dst");
            self.rule(SERVICES, format!("{pods}{set} {unbound} -j {MARK_MASQ}"));
        }
    }

    /// Traffic to an external IP that came from outside this machine, or that arrived at its destination.
    fn accept_external(&mut self, name: SetName) {
        let set = self.commented_set(name, "dst,dst");
        let outside = "-m addrtype ! --src-type LOCAL -j ACCEPT";
        let outside = if self.options.bridge_netfilter {
            format!("-m physdev ! --physdev-is-in {outside}")
        } else {
            outside.to_owned()
        };
        self.rule(SERVICES, format!("{set} {outside}"));
        self.rule(SERVICES, format!("{set} -m addrtype --dst-type LOCAL -j ACCEPT"));
    }

    fn load_balancer(&mut self) {
        let local = self.commented_set(SetName::LoadBalancerLocal, "dst,dst");
        self.rule(LOAD_BALANCER, format!("{local} -j RETURN"));
        self.rule(LOAD_BALANCER, format!("-j {MARK_MASQ}"));
    }

    fn node_port(&mut self) {
        let kinds = [
            ("tcp", SetName::NodePortLocalTcp, SetName::NodePortTcp, "dst"),
            ("udp", SetName::NodePortLocalUdp, SetName::NodePortUdp, "dst"),
            ("sctp", SetName::NodePortLocalSctp, SetName::NodePortSctp, "dst,dst"),
        ];
        for (protocol, local, all, directions) in kinds {
            let keep_source = self.commented_set(local, directions);
            self.rule(NODE_PORT, format!("-p {protocol} {keep_source} -j RETURN"));
            let masquerade = self.commented_set(all, directions);
            self.rule(NODE_PORT, format!("-p {protocol} {masquerade} -j {MARK_MASQ}"));
        }
    }

    fn postrouting(&mut self) {
        let hairpin = self.commented_set(SetName::LoopBack, "dst,dst,src");
        self.rule(POSTROUTING, format!("{hairpin} -j MASQUERADE"));
        self.rule(POSTROUTING, format!("-m mark ! --mark {} -j RETURN", self.mark()));
        // Clears the mark, so that a packet that comes by once more is not masqueraded again.
        self.rule(POSTROUTING, format!("-j MARK --set-xmark {:#x}/0x0", self.options.masquerade_mark));
        let comment = commented("kubernetes service traffic requiring SNAT");
        self.rule(POSTROUTING, format!("{comment} -j MASQUERADE --random-fully"));
    }

    fn mark_masq(&mut self) {
        self.rule(MARK_MASQ, format!("-j MARK --set-xmark {}", self.mark()));
    }
}
