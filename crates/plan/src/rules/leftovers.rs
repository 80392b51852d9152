//! What Kubernetes proxies have in iptables beyond the rules that should stand: finding it in a dump, and the input
//! for `iptables-restore --noflush` that takes it away.
//!
//! Chains are known by kube-proxy's names, of its modes `iptables` and `ipvs`, and ours. kubelet's, such as
//! `KUBE-FIREWALL` and `KUBE-MARK-DROP`, and those of network plugins are none of them. A chain that somebody else's
//! rules lead into stays, with all that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::saved::{SavedChains, SavedRule, parse, words};
use super::{Ruleset, TableRules};

/// The table of nftables that kube-proxy's mode of that name makes for each family.
pub const NFTABLES_TABLE: &str = "kube-proxy";

/// Chains and rules that are to go from the iptables of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// The input for `iptables-restore --noflush`.
    pub input: String,
    /// The chains and rules that it removes, each in words.
    pub removed: Vec<String>,
    /// The chains that stay because of rules of somebody else that lead there, maybe through other chains that stay;
    /// each in words.
    pub kept: Vec<String>,
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

/// How the names of mode iptables' chains for single Services and endpoints begin. Sixteen characters of base 32
/// follow.
const BEGINNINGS: [&str; 6] = ["KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-", "KUBE-SVC-", "KUBE-SVL-", "KUBE-XLB-"];

const BUILT_IN: [&str; 5] = ["FORWARD", "INPUT", "OUTPUT", "POSTROUTING", "PREROUTING"];

/// What a proxy of another mode has left beside the rules that `standing` describes. `None` if there is nothing.
pub fn beside(standing: &Ruleset, saved: &str) -> Option<Removal> {
    removal(&standing.tables, saved)
}

/// Everything that proxies of any mode have, ours included. `None` if there is nothing.
pub fn everything(saved: &str) -> Option<Removal> {
    removal(&[], saved)
}

fn removal(standing: &[TableRules], saved: &str) -> Option<Removal> {
    let mut removal = Removal::default();
    for (name, table) in parse(saved) {
        let standing = standing.iter().find(|standing| standing.table.to_string() == name);
        removal.add_table(name, &table, standing);
    }
    (!removal.removed.is_empty() || !removal.kept.is_empty()).then_some(removal)
}

// === impl Removal ===

impl Removal {
    fn add_table(&mut self, name: &str, table: &SavedChains<'_>, standing: Option<&TableRules>) {
        let stands = |chain: &str| standing.is_some_and(|standing| standing.chains.contains(&chain));
        let is_wanted = |chain: &str, rule: &SavedRule<'_>| {
            let mut jumps = standing.into_iter().flat_map(|standing| &standing.jumps);
            jumps.any(|jump| jump.chain == chain && words(&jump.text) == rule.words)
        };
        let goes = |chain: &str| is_proxys(chain) && !stands(chain);
        let is_jump = |chain: &str, rule: &SavedRule<'_>| {
            BUILT_IN.contains(&chain)
                && has_our_comment(rule)
                && rule.target().is_some_and(is_proxys)
                && !is_wanted(chain, rule)
        };
        let kept = reached_by_others(table, goes, is_jump);
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
                self.removed.push(format!("table {name}: rule -A {chain} {}", rule.text));
            }
        }
        for (chain, rules) in chains() {
            let _ = writeln!(lines, "-X {chain}");
            let (count, plural) = (rules.len(), if rules.len() == 1 { "" } else { "s" });
            self.removed.push(format!("table {name}: chain {chain} with {count} rule{plural}"));
        }
        if !lines.is_empty() {
            let _ = write!(self.input, "*{name}\n{lines}COMMIT\n");
        }
        self.kept.extend(kept.into_iter().map(|(chain, because)| {
            format!("table {name}: chain {chain}, which a rule of other software uses: {because}")
        }));
    }
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

#[cfg(test)]
mod tests;
