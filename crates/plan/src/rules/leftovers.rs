//! What Kubernetes proxies have in iptables beyond the rules that should stand: finding it in a dump, and the input
//! for `iptables-restore --noflush` that takes it away.
//!
//! Chains are known by kube-proxy's names, of its modes `iptables` and `ipvs`, and ours. kubelet's, such as
//! `KUBE-FIREWALL` and `KUBE-MARK-DROP`, and those of network plugins are none of them. A chain that somebody else's
//! rules lead into stays, with all that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;

use super::Ruleset;
use super::saved::{SavedChains, SavedRule, parse, words};

/// The table of nftables that kube-proxy's mode of that name makes for each family.
pub const NFTABLES_TABLE: &str = "kube-proxy";

/// Chains and rules that are to go from the iptables of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// The input for `iptables-restore --noflush`.
    pub input: String,
    /// What it removes.
    pub removed: Vec<Leftover>,
    /// The chains that stay because of rules of somebody else.
    pub kept: Vec<Kept>,
}

/// Something to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// A chain with its rules.
    Chain {
        /// The table.
        table: String,
        /// The chain.
        chain: String,
        /// How many rules it has.
        rules: usize,
    },
    /// A rule of a built-in chain that leads into a proxy's.
    Rule {
        /// The table.
        table: String,
        /// The rule, as `iptables-save` prints it.
        rule: String,
    },
}

/// A proxy's chain that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule of somebody else that leads there, maybe through other chains that stay.
    pub because: String,
}

/// kube-proxy's chains with fixed names, whatever the table and the mode. Ours have the same names.
const CHAINS: [&str; 13] = [
    "KUBE-EXTERNAL-SERVICES",
    "KUBE-FORWARD",
    "KUBE-IPVS-FILTER",
    "KUBE-IPVS-OUT-FILTER",
    "KUBE-LOAD-BALANCER",
    "KUBE-MARK-MASQ",
    "KUBE-NODE-PORT",
    "KUBE-NODEPORTS",
    "KUBE-POSTROUTING",
    "KUBE-PROXY-CANARY",
    "KUBE-PROXY-FIREWALL",
    "KUBE-SERVICES",
    "KUBE-SOURCE-RANGES-FIREWALL",
];

/// How the names of mode iptables' chains for single Services and endpoints begin. Sixteen characters of base 32 follow.
const BEGINNINGS: [&str; 6] = ["KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-", "KUBE-SVC-", "KUBE-SVL-", "KUBE-XLB-"];

const BUILT_IN: [&str; 5] = ["FORWARD", "INPUT", "OUTPUT", "POSTROUTING", "PREROUTING"];

/// What a proxy of another mode has left beside the rules that `standing` describes. `None` if there is nothing.
pub fn beside(standing: &Ruleset, saved: &str) -> Option<Removal> {
    removal(
        saved,
        |table, chain| {
            standing.tables.iter().any(|t| t.table.to_string() == table && t.chains.contains(&chain))
        },
        |table, chain, rule| {
            let jumps =
                standing.tables.iter().filter(|t| t.table.to_string() == table).flat_map(|t| &t.jumps);
            jumps.into_iter().any(|jump| jump.chain == chain && words(&jump.text) == rule.words)
        },
    )
}

/// Everything that proxies of any mode have, ours included. `None` if there is nothing.
pub fn everything(saved: &str) -> Option<Removal> {
    removal(saved, |_, _| false, |_, _, _| false)
}

fn removal(
    saved: &str,
    stands: impl Fn(&str, &str) -> bool,
    is_wanted: impl Fn(&str, &str, &SavedRule<'_>) -> bool,
) -> Option<Removal> {
    let mut removal = Removal::default();
    for (name, table) in parse(saved) {
        let goes = |chain: &str| is_proxys(chain) && !stands(name, chain);
        let is_jump = |chain: &str, rule: &SavedRule<'_>| {
            BUILT_IN.contains(&chain)
                && has_our_comment(rule)
                && rule.target().is_some_and(is_proxys)
                && !is_wanted(name, chain, rule)
        };
        let kept = reached_by_others(&table, goes, is_jump);
        let mut lines = String::new();
        let chains = || table.iter().filter(|(chain, _)| goes(chain) && !kept.contains_key(**chain));
        for (chain, _) in chains() {
            let _ = writeln!(lines, ":{chain} - [0:0]");
        }
        for (chain, rule) in
            table.iter().flat_map(|(chain, rules)| rules.iter().map(move |rule| (*chain, rule)))
        {
            if is_jump(chain, rule) {
                let _ = writeln!(lines, "-D {chain} {}", rule.text);
                let rule = format!("-A {chain} {}", rule.text);
                removal.removed.push(Leftover::Rule { table: name.to_owned(), rule });
            }
        }
        for (chain, rules) in chains() {
            let _ = writeln!(lines, "-X {chain}");
            let (table, chain) = (name.to_owned(), (*chain).to_owned());
            removal.removed.push(Leftover::Chain { table, chain, rules: rules.len() });
        }
        if !lines.is_empty() {
            let _ = write!(removal.input, "*{name}\n{lines}COMMIT\n");
        }
        removal.kept.extend(kept.into_iter().map(|(chain, because)| Kept {
            table: name.to_owned(),
            chain: chain.to_owned(),
            because,
        }));
    }
    (!removal.removed.is_empty() || !removal.kept.is_empty()).then_some(removal)
}

/// The chains among those that would go which other software's rules lead into, and one such rule for each.
fn reached_by_others<'a>(
    table: &SavedChains<'a>,
    goes: impl Fn(&str) -> bool,
    is_jump: impl Fn(&str, &SavedRule<'_>) -> bool,
) -> BTreeMap<&'a str, String> {
    let mut reached: BTreeMap<&str, String> = BTreeMap::new();
    let mut to_follow: BTreeSet<&str> = table.keys().copied().filter(|chain| !is_proxys(chain)).collect();
    while let Some(chain) = to_follow.pop_first() {
        for rule in table.get(chain).into_iter().flatten().filter(|rule| !is_jump(chain, rule)) {
            let target = rule.target().filter(|target| goes(target));
            let Some((target, _)) = target.and_then(|target| table.get_key_value(target)) else { continue };
            if !reached.contains_key(target) {
                let because = reached.get(chain).cloned();
                let because = because.unwrap_or_else(|| format!("-A {chain} {}", rule.text));
                reached.insert(*target, because);
                to_follow.insert(*target);
            }
        }
    }
    reached
}

fn is_proxys(chain: &str) -> bool {
    CHAINS.contains(&chain)
        || BEGINNINGS.iter().any(|beginning| {
            let hash = chain.strip_prefix(beginning).unwrap_or_default();
            hash.len() == 16 && hash.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'))
        })
}

/// Whether kube-proxy's comment stands on it, as on all its rules in built-in chains.
fn has_our_comment(rule: &SavedRule<'_>) -> bool {
    let comment = rule.argument(&["--comment"]);
    comment.is_some_and(|text| text.starts_with("kubernetes ") || text.starts_with("kube-proxy "))
}

// === impl Leftover ===

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leftover::Chain { table, chain, rules: 1 } => {
                write!(f, "table {table}: chain {chain} with 1 rule")
            }
            Leftover::Chain { table, chain, rules } => {
                write!(f, "table {table}: chain {chain} with {rules} rules")
            }
            Leftover::Rule { table, rule } => write!(f, "table {table}: rule {rule}"),
        }
    }
}

// === impl Kept ===

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kept { table, chain, because } = self;
        write!(f, "table {table}: chain {chain}, which a rule of other software uses: {because}")
    }
}

#[cfg(test)]
mod tests;
