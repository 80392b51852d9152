//! What `iptables-save` prints.

use std::collections::BTreeMap;

/// One rule of a dump.
pub(super) struct SavedRule<'a> {
    /// As it is printed, without the chain.
    pub(super) text: &'a str,
    /// Its arguments.
    pub(super) words: Vec<String>,
}

/// The rules of one table, by chain.
pub(super) type SavedChains<'a> = BTreeMap<&'a str, Vec<SavedRule<'a>>>;

// === impl SavedRule ===

impl SavedRule<'_> {
    /// Where matching packets go.
    pub(super) fn target(&self) -> Option<&str> {
        self.argument(&["-j", "-g"])
    }

    /// What stands behind the first of these options.
    pub(super) fn argument(&self, options: &[&str]) -> Option<&str> {
        let place = self.words.iter().position(|word| options.contains(&word.as_str()))?;
        self.words.get(place + 1).map(String::as_str)
    }
}

/// Reads a dump, by table. Lines of unknown form are passed over: they belong to somebody else.
pub(super) fn parse(saved: &str) -> BTreeMap<&str, SavedChains<'_>> {
    let mut tables: BTreeMap<&str, SavedChains<'_>> = BTreeMap::new();
    let mut current = "";
    for line in saved.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('*') {
            current = table;
        } else if let Some(declaration) = line.strip_prefix(':') {
            let chain = declaration.split(' ').next().unwrap_or_default();
            tables.entry(current).or_default().entry(chain).or_default();
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let (chain, text) = rule.split_once(' ').unwrap_or((rule, ""));
            let rule = SavedRule { text, words: words(text) };
            tables.entry(current).or_default().entry(chain).or_default().push(rule);
        }
    }
    tables
}

/// Splits a rule into its arguments, without the quotes that some versions of the tools print around every
/// comment and others only around those with spaces.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut started, mut escaped) = (false, false, false);
    for character in text.chars() {
        match character {
            _ if escaped => {
                word.push(character);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                started = true;
            }
            ' ' if !quoted => {
                if started {
                    words.push(std::mem::take(&mut word));
                    started = false;
                }
            }
            _ => {
                word.push(character);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}
