//! Comparing the rules that should stand with what `iptables-save` prints, and putting them right in one
//! `iptables-restore --noflush`.

use std::fmt::Write as _;

use super::saved::{self, SavedChains, words};
use super::{Rule, Ruleset, TableRules};

/// What is wrong with the rules and the input for `iptables-restore --noflush` that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What is missing or different, one entry each.
    pub findings: Vec<String>,
    /// The input. It declares, and so empties, only chains of ours.
    pub input: String,
}

/// Compares `expected` with `saved`, the output of `iptables-save` or `ip6tables-save`. `None` if nothing
/// has to be done.
pub fn repair(expected: &Ruleset, saved: &str) -> Option<Repair> {
    let saved = saved::parse(saved);
    let nothing = SavedChains::new();
    let mut repair = Repair { findings: Vec::new(), input: String::new() };
    for table in &expected.tables {
        let chains = saved.get(table.table.to_string().as_str()).unwrap_or(&nothing);
        repair.add_table(table, chains);
    }
    if repair.findings.is_empty() { None } else { Some(repair) }
}

// === impl Repair ===

impl Repair {
    fn add_table(&mut self, table: &TableRules, saved: &SavedChains<'_>) {
        let mut lines = String::new();
        for chain in wrong_chains(table, saved, &mut self.findings) {
            let _ = writeln!(lines, ":{chain} - [0:0]");
            for rule in table.rules.iter().filter(|rule| rule.chain == chain) {
                let _ = writeln!(lines, "{rule}");
            }
        }
        for jump in &table.jumps {
            self.check_jump(table, jump, saved, &mut lines);
        }
        if !lines.is_empty() {
            let _ = write!(self.input, "*{}\n{}COMMIT\n", table.table, declarations_first(&lines));
        }
    }

    /// A jump has to stand once in its built-in chain. Where in the chain is left to whoever else put rules
    /// there.
    fn check_jump(&mut self, table: &TableRules, jump: &Rule, saved: &SavedChains<'_>, lines: &mut String) {
        let wanted = words(&jump.text);
        let count =
            saved.get(jump.chain).map_or(0, |rules| rules.iter().filter(|rule| rule.words == wanted).count());
        if count == 0 {
            self.findings.push(format!("{} {}: missing: {}", table.table, jump.chain, jump.text));
            let _ = writeln!(lines, "-I {} {}", jump.chain, jump.text);
        }
        if count > 1 {
            self.findings.push(format!("{} {}: {count} times: {}", table.table, jump.chain, jump.text));
            for _ in 1..count {
                let _ = writeln!(lines, "-D {} {}", jump.chain, jump.text);
            }
        }
    }
}

/// Our chains that are missing or hold something else.
fn wrong_chains<'a>(
    table: &'a TableRules,
    saved: &SavedChains<'_>,
    findings: &mut Vec<String>,
) -> Vec<&'a str> {
    let mut wrong = Vec::new();
    for chain in &table.chains {
        let wanted: Vec<Vec<String>> =
            table.rules.iter().filter(|rule| rule.chain == *chain).map(|rule| words(&rule.text)).collect();
        let reason = match saved.get(chain) {
            None => "missing",
            Some(rules) if !rules.iter().map(|rule| &rule.words).eq(&wanted) => "other rules than ours",
            Some(_) => continue,
        };
        findings.push(format!("{} {chain}: {reason}", table.table));
        wrong.push(*chain);
    }
    wrong
}

/// A rule may jump only to a chain that was declared before it.
fn declarations_first(lines: &str) -> String {
    let (declarations, rules): (Vec<&str>, Vec<&str>) = lines.lines().partition(|line| line.starts_with(':'));
    declarations.into_iter().chain(rules).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests;
