//! The iptables chains and rules: a constant number, whatever the number of Services, because what changes
//! stands in the sets.
//!
//! Chains, jumps and comments are kube-proxy's, so that each of the two takes over the other's. It writes a
//! rule only while its set holds something; here every rule stands from the start, since a set without entries
//! matches nothing. Rules of ours are those that match `KUBE-NO-LOCAL-ENDPOINT` and `KUBE-NO-ENDPOINT`, and the
//! chain in the mangle table. The order is kube-proxy's as well, with two exceptions that save look-ups: cluster
//! IPs come first in the nat table, and packets of known connections leave `KUBE-IPVS-FILTER` at its beginning.

mod filter;
pub mod leftovers;
mod mangle;
mod nat;
pub mod repair;
mod saved;

use std::fmt;

use model::Family;

use crate::{LocalDetector, Options, SetId, SetName};

/// Packets of connections that conntrack knows.
const KNOWN: &str = "-m conntrack --ctstate RELATED,ESTABLISHED";

/// A table of iptables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Where packets are let through or refused.
    Filter,
    /// Where packets of this machine's own processes are seen before IPVS gives them another destination.
    Mangle,
    /// Where addresses are translated.
    Nat,
}

/// One rule: the chain that holds it, and the rest as `iptables-save` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The chain, ours or a built-in one.
    pub chain: &'static str,
    /// Matches and target.
    pub text: String,
}

/// The part of one table that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRules {
    /// Which table.
    pub table: Table,
    /// Our chains, sorted by name.
    pub chains: Vec<&'static str>,
    /// Rules of our chains, in their order.
    pub rules: Vec<Rule>,
    /// Rules of the built-in chains that lead into ours, in the order in which they are put in front.
    pub jumps: Vec<Rule>,
}

/// Everything that is ours in the iptables of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// The family: `iptables` or `ip6tables`.
    pub family: Family,
    /// The tables. The one that a kernel may lack is last, since `iptables-restore` ends with the first that fails.
    pub tables: Vec<TableRules>,
}

/// Collects rules of one table.
struct Writer<'a> {
    family: Family,
    options: &'a Options,
    rules: Vec<Rule>,
}

/// The rules for `family`.
pub fn ruleset(family: Family, options: &Options) -> Ruleset {
    Ruleset {
        family,
        tables: vec![
            filter::table(family, options),
            nat::table(family, options),
            mangle::table(family, options),
        ],
    }
}

/// The program that prints the rules of `family`.
pub fn save_command(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables-save",
        Family::V6 => "ip6tables-save",
    }
}

/// The match that carries a comment, quoted as `iptables-save` quotes it.
fn commented(comment: &str) -> String {
    let escaped = comment.replace('\'', r"\'");
    format!("-m comment --comment \"{escaped}\"")
}

// === impl Table ===

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Table::Filter => "filter",
            Table::Mangle => "mangle",
            Table::Nat => "nat",
        })
    }
}

// === impl Rule ===

impl Rule {
    fn jump(from: &'static str, to: &'static str, comment: &str) -> Rule {
        Rule { chain: from, text: format!("{} -j {to}", commented(comment)) }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-A {} {}", self.chain, self.text)
    }
}

// === impl Ruleset ===

impl Ruleset {
    /// How many rules there are, jumps included.
    pub fn rule_count(&self) -> usize {
        self.tables.iter().map(|table| table.rules.len() + table.jumps.len()).sum()
    }
}

/// As `iptables-save` prints it: every table with our chains, and of the built-in chains only our jumps.
impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "*{}", table.table)?;
            for chain in &table.chains {
                writeln!(f, ":{chain} - [0:0]")?;
            }
            let mut jumps: Vec<&Rule> = table.jumps.iter().rev().collect();
            jumps.sort_by_key(|jump| jump.chain);
            let mut rules: Vec<&Rule> = table.rules.iter().collect();
            rules.sort_by_key(|rule| rule.chain);
            for rule in jumps.into_iter().chain(rules) {
                writeln!(f, "{rule}")?;
            }
            writeln!(f, "COMMIT")?;
        }
        Ok(())
    }
}

// === impl Writer ===

impl<'a> Writer<'a> {
    fn new(family: Family, options: &'a Options) -> Self {
        Writer { family, options, rules: Vec::new() }
    }

    fn rule(&mut self, chain: &'static str, text: impl Into<String>) {
        self.rules.push(Rule { chain, text: text.into() });
    }

    /// `-m set` for a set of this family, with the match directions.
    fn set(&self, name: SetName, directions: &str) -> String {
        format!("-m set --match-set {} {directions}", SetId::new(name, self.family))
    }

    /// The same for what is not in the set.
    fn not_in_set(&self, name: SetName, directions: &str) -> String {
        format!("-m set ! --match-set {} {directions}", SetId::new(name, self.family))
    }

    /// The same with the set's comment in front, as kube-proxy writes most of its rules.
    fn commented_set(&self, name: SetName, directions: &str) -> String {
        format!("{} {}", commented(name.comment()), self.set(name, directions))
    }

    /// The match for what comes neither from pods nor from this machine by the local detector, if there is one;
    /// such a match stands first in a rule. Everything comes from pods if their network has every address.
    fn elsewhere_match(&self) -> Option<String> {
        match self.options.local_detector.get(self.family).as_ref()? {
            // The nft variant of iptables refuses a rule that matches nothing.
            LocalDetector::Cidr(cidr) if cidr.prefix_len() == 0 => None,
            LocalDetector::Cidr(cidr) => Some(format!("! -s {}", cidr.trunc())),
            LocalDetector::Interface(name) => Some(format!("! -i {name}")),
            LocalDetector::InterfacePrefix(prefix) => Some(format!("! -i {prefix}+")),
        }
    }

    /// The mark that asks for masquerading, with itself as mask.
    fn mark(&self) -> String {
        format!("{0:#x}/{0:#x}", self.options.masquerade_mark)
    }
}

#[cfg(test)]
mod tests;
