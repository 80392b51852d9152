//! What a node's kernel holds, as operators' tools print it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use lab::cluster::Node;
use lab::namespace::Namespace;

use super::testbed::shell;

/// The lines of `ipvsadm -Sn`, `ipset save`, `ip addr` and `iptables-save` that a proxy is responsible for, without
/// what changes by itself (counters, seeds of sets).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dump {
    pub(crate) virtual_servers: BTreeSet<String>,
    pub(crate) sets: BTreeSet<String>,
    pub(crate) addresses: BTreeSet<String>,
    /// The rules of each chain in their order.
    pub(crate) rules: BTreeMap<String, Vec<String>>,
}

// === impl Dump ===

impl Dump {
    pub(crate) fn of(namespace: &Namespace) -> Dump {
        const ALL: &str = "ipvsadm -Sn; echo ==; ipset save; echo ==; iptables-save; echo ==; ip6tables-save; echo ==
                           ip -o link show dev kube-ipvs0 >/dev/null 2>&1 && ip addr show dev kube-ipvs0; true";
        let text = shell(namespace, ALL);
        let sections: Vec<&str> = text.split("==\n").collect();
        let [ipvs, sets, v4, v6, addresses] = sections[..] else { panic!("not five sections:\n{text}") };
        Dump {
            virtual_servers: lines(ipvs).collect(),
            sets: lines(sets).map(|line| without_seed(&line)).collect(),
            addresses: addresses_in(addresses),
            rules: rules("IPv4", v4).chain(rules("IPv6", v6)).collect(),
        }
    }

    /// The virtual servers alone, which is quicker.
    pub(crate) fn of_ipvs(namespace: &Namespace) -> Dump {
        Dump { virtual_servers: lines(&shell(namespace, "ipvsadm -Sn")).collect(), ..Dump::default() }
    }

    /// What `kube-ipvs plan` has printed for a node. It knows no kernel, so it tells the ports of bridges apart even if
    /// packets of this node have none.
    pub(crate) fn planned(node: &Node, text: &str) -> Dump {
        const BRIDGE_PORT: &str = "-m physdev ! --physdev-is-in ";
        let has_bridge_ports = node.namespace.run(|| Path::new("/proc/sys/net/bridge").exists()).unwrap();
        let text = if has_bridge_ports { text.to_owned() } else { text.replace(BRIDGE_PORT, "") };
        let mut dump = Dump::default();
        for section in text.split("\n\n") {
            let (title, body) = section.split_once('\n').unwrap_or((section, ""));
            match title {
                "# ipvsadm -Sn" => dump.virtual_servers = lines(body).collect(),
                "# ipset save" => dump.sets = lines(body).collect(),
                "# ip addr show dev kube-ipvs0" => dump.addresses = addresses_in(body),
                "# iptables-save" => dump.rules.extend(rules("IPv4", body)),
                "# ip6tables-save" => dump.rules.extend(rules("IPv6", body)),
                other => panic!("kube-ipvs plan printed a section {other:?}"),
            }
        }
        dump
    }

    /// The entries of a set.
    pub(crate) fn entries(&self, set: &str) -> Vec<&str> {
        let start = format!("add {set} ");
        self.sets.iter().filter_map(|line| line.strip_prefix(&start)).collect()
    }

    /// The real servers behind a virtual server, such as `-t 10.96.0.10:80`, and their weights.
    pub(crate) fn real_servers(&self, virtual_server: &str) -> Vec<&str> {
        let start = format!("-a {virtual_server} -r ");
        self.virtual_servers.iter().filter_map(|line| line.strip_prefix(&start)).collect()
    }

    /// What is here and not in another dump.
    pub(crate) fn without(&self, other: &Dump) -> Vec<String> {
        let sets = [
            self.virtual_servers.difference(&other.virtual_servers),
            self.sets.difference(&other.sets),
            self.addresses.difference(&other.addresses),
        ];
        let chains = self.rules.iter().filter(|(chain, rules)| other.rules.get(*chain) != Some(*rules));
        let chains = chains.map(|(chain, rules)| format!("{chain}: {rules:#?}"));
        sets.into_iter().flatten().cloned().chain(chains).collect()
    }

    /// Fails with what differs.
    #[track_caller]
    pub(crate) fn assert_equals(&self, expected: &Dump) {
        let (found, expected) = (self.without(expected), expected.without(self));
        assert!(found.is_empty() && expected.is_empty(), "found: {found:#?}\nexpected: {expected:#?}");
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules.values().flatten();
        let all = self.virtual_servers.iter().chain(&self.sets).chain(&self.addresses).chain(rules);
        all.into_iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty())
}

/// A line of `ipset save` without what kernels choose at random, or which older ones do not print.
fn without_seed(line: &str) -> String {
    line.split(" bucketsize ").next().unwrap_or(line).to_owned()
}

fn addresses_in(text: &str) -> BTreeSet<String> {
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words[0].starts_with("inet")).map(|words| words[1].to_owned()).collect()
}

/// The rules about Kubernetes' chains, without counters, by table and chain. A chain of theirs without rules counts
/// too.
fn rules(family: &str, text: &str) -> impl Iterator<Item = (String, Vec<String>)> {
    let mut table = "";
    let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let chain = line.strip_prefix(':').or_else(|| line.strip_prefix("-A ")).unwrap_or_default();
        let chain = chain.split(' ').next().unwrap_or_default();
        if line.starts_with('*') {
            table = line;
        } else if line.contains("KUBE-") {
            let rules = chains.entry(format!("{family} {table} {chain}")).or_default();
            rules.extend(line.starts_with("-A ").then(|| line.to_owned()));
        }
    }
    chains.into_iter()
}
