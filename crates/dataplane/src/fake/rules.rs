//! As much of `iptables-restore --noflush` and `iptables-save` as the rules of a proxy need.

use std::collections::BTreeMap;
use std::fmt;

/// Rules by table and chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SavedRules(BTreeMap<String, BTreeMap<String, Vec<String>>>);

/// The targets that are not chains.
const TARGETS: [&str; 6] = ["ACCEPT", "DROP", "RETURN", "REJECT", "MARK", "MASQUERADE"];
/// The chains that every table has as far as this fake is concerned.
const BUILT_IN: [&str; 5] = ["INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING"];

// === impl SavedRules ===

impl SavedRules {
    pub(super) fn parse(saved: &str) -> Self {
        let mut rules = SavedRules::default();
        let _ = rules.restore(saved);
        rules
    }

    /// All or nothing for the whole input: a chain that is declared is emptied, and a rule may only jump to a
    /// chain that exists.
    pub(super) fn restore(&mut self, input: &str) -> Result<(), String> {
        let mut next = self.clone();
        let mut table = String::new();
        for (number, line) in input.lines().enumerate() {
            let failed = |reason: &str| format!("line {} failed: {reason}: {line}", number + 1);
            match line.split_at_checked(1) {
                None | Some(("#", _)) => {}
                Some(("*", name)) => table = name.to_owned(),
                Some((":", declaration)) => {
                    let chain = declaration.split(' ').next().unwrap_or_default();
                    next.0.entry(table.clone()).or_default().insert(chain.to_owned(), Vec::new());
                }
                Some(_) if line == "COMMIT" => {}
                Some(_) => next.rule(&table, line).map_err(failed)?,
            }
        }
        *self = next;
        Ok(())
    }

    fn rule(&mut self, table: &str, line: &str) -> Result<(), &'static str> {
        let (command, rest) = line.split_once(' ').ok_or("no command")?;
        if command == "-X" {
            let chains = self.0.entry(table.to_owned()).or_default();
            let is_used = chains.values().flatten().any(|rule| target(rule) == rest);
            return match chains.get(rest) {
                Some(rules) if rules.is_empty() && !is_used => {
                    chains.remove(rest);
                    Ok(())
                }
                Some(_) => Err("the chain is in use"),
                None => Err("no such chain"),
            };
        }
        let (chain, text) = rest.split_once(' ').ok_or("no rule")?;
        let chains = self.0.entry(table.to_owned()).or_default();
        let target = target(text);
        if !TARGETS.contains(&target) && !chains.contains_key(target) {
            return Err("no chain to jump to");
        }
        if BUILT_IN.contains(&chain) {
            chains.entry(chain.to_owned()).or_default();
        }
        let rules = chains.get_mut(chain).ok_or("no such chain")?;
        match command {
            "-A" => rules.push(text.to_owned()),
            "-I" => rules.insert(0, text.to_owned()),
            "-D" => {
                let position = rules.iter().position(|rule| rule == text).ok_or("no such rule")?;
                rules.remove(position);
            }
            _ => return Err("unknown command"),
        }
        Ok(())
    }
}

/// Where a rule leads; empty if it does not say.
fn target(rule: &str) -> &str {
    rule.split_once("-j ").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default()
}

impl fmt::Display for SavedRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (table, chains) in &self.0 {
            writeln!(f, "*{table}")?;
            for chain in chains.keys() {
                writeln!(f, ":{chain} - [0:0]")?;
            }
            for (chain, rules) in chains {
                for rule in rules {
                    writeln!(f, "-A {chain} {rule}")?;
                }
            }
            writeln!(f, "COMMIT")?;
        }
        Ok(())
    }
}
