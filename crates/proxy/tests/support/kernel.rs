//! What a node's kernel holds, as operators' tools print it.

use std::collections::BTreeSet;
use std::fmt;

use lab::namespace::Namespace;

use super::testbed::shell;

/// The lines of `ipvsadm -Sn`, `ipset save`, `ip addr` and `iptables-save` that a proxy is responsible for, without
/// what changes by itself (counters, seeds of sets).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dump {
    pub(crate) virtual_servers: BTreeSet<String>,
    pub(crate) sets: BTreeSet<String>,
    pub(crate) addresses: BTreeSet<String>,
    /// In the order of the kernel: it matters within a chain.
    pub(crate) rules: Vec<String>,
}

// === impl Dump ===

impl Dump {
    pub(crate) fn of(namespace: &Namespace) -> Dump {
        let rules = shell(namespace, "iptables-save; ip6tables-save");
        Dump {
            virtual_servers: lines(&shell(namespace, "ipvsadm -Sn")).collect(),
            sets: lines(&shell(namespace, "ipset save")).map(|line| without_seed(&line)).collect(),
            addresses: addresses(namespace),
            rules: rules_of(&rules),
        }
    }

    /// What `kube-ipvs plan` prints.
    pub(crate) fn planned(text: &str) -> Dump {
        let mut dump = Dump::default();
        for section in text.split("\n\n") {
            let (title, body) = section.split_once('\n').unwrap_or((section, ""));
            match title {
                "# ipvsadm -Sn" => dump.virtual_servers = lines(body).collect(),
                "# ipset save" => dump.sets = lines(body).collect(),
                "# ip addr show dev kube-ipvs0" => dump.addresses = addresses_in(body),
                "# iptables-save" | "# ip6tables-save" => dump.rules.extend(rules_of(body)),
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
        let rules = self.rules.iter().filter(|rule| !other.rules.contains(rule));
        sets.into_iter().flatten().chain(rules).cloned().collect()
    }

    /// Fails with what differs.
    #[track_caller]
    pub(crate) fn assert_equals(&self, expected: &Dump) {
        let (more, less) = (self.without(expected), expected.without(self));
        assert!(more.is_empty() && less.is_empty(), "too much: {more:#?}\nmissing: {less:#?}");
        assert_eq!(self.rules, expected.rules, "the order of the rules");
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.virtual_servers.iter().chain(&self.sets).chain(&self.addresses).chain(&self.rules);
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

fn addresses(namespace: &Namespace) -> BTreeSet<String> {
    let show = "ip -o link show dev kube-ipvs0 >/dev/null 2>&1 && ip addr show dev kube-ipvs0; true";
    addresses_in(&shell(namespace, show))
}

fn addresses_in(text: &str) -> BTreeSet<String> {
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words[0].starts_with("inet")).map(|words| words[1].to_owned()).collect()
}

/// The lines about Kubernetes' chains, each led by its table, without counters.
fn rules_of(text: &str) -> Vec<String> {
    let mut table = "";
    let mut rules = Vec::new();
    for line in text.lines() {
        if line.starts_with('*') {
            table = line;
        } else if line.contains("KUBE-") {
            rules.push(format!("{table} {}", line.split(" [").next().unwrap_or(line)));
        }
    }
    rules
}
