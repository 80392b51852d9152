//! What became of the behaviours that Kubernetes' own end-to-end tests ask for, by the table in `docs/conformance.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::report::Tier;
use crate::cargo;

/// The tests that stand for upstream's, as [`crate::cargo::Executable::label`] names their executable.
const EXECUTABLE: &str = "lab_conformance";

/// The counts of each suite, in the order of the page.
#[derive(Debug, Default)]
pub(super) struct Scoreboard {
    suites: Vec<(String, Counts)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    not_applicable: usize,
}

/// A behaviour that one of upstream's suites asks for.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    suite: String,
    upstream: String,
    here: Here,
}

/// What there is of it here.
#[derive(Debug, PartialEq, Eq)]
enum Here {
    /// Tests, by their names in [`EXECUTABLE`].
    Tests(Vec<String>),
    /// Nothing, with the reason.
    NotApplicable(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Passed,
    Skipped,
    Failed,
}

// === impl Scoreboard ===

impl Scoreboard {
    /// Reads the page and says what became of its tests; nothing if they were not run.
    pub(super) fn of(tiers: &[Tier]) -> Result<Option<Scoreboard>> {
        let outcomes = outcomes(tiers);
        if outcomes.is_empty() {
            return Ok(None);
        }
        let path = page();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let rows = rows(&text).with_context(|| format!("cannot understand {}", path.display()))?;
        Ok(Some(Scoreboard::count(&rows, &outcomes)))
    }

    fn count(rows: &[Row], outcomes: &BTreeMap<String, Outcome>) -> Scoreboard {
        let mut suites: Vec<(String, Counts)> = Vec::new();
        for row in rows {
            if suites.last().is_none_or(|(suite, _)| *suite != row.suite) {
                suites.push((row.suite.clone(), Counts::default()));
            }
            if let Some((_, counts)) = suites.last_mut() {
                counts.add(row.outcome(outcomes));
            }
        }
        Scoreboard { suites }
    }
}

impl fmt::Display for Scoreboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, counts: [&dyn fmt::Display; 4]| {
            let [passed, failed, skipped, not_applicable] = counts;
            writeln!(f, "{name:<46}{passed:>8}{failed:>8}{skipped:>8}{not_applicable:>16}")
        };
        line("Kubernetes' end-to-end tests", [&"passed", &"failed", &"skipped", &"not applicable"])?;
        let mut all = Counts::default();
        for (suite, counts) in &self.suites {
            line(suite, counts.columns())?;
            all.passed += counts.passed;
            all.failed += counts.failed;
            all.skipped += counts.skipped;
            all.not_applicable += counts.not_applicable;
        }
        line("all (docs/conformance.md)", all.columns())
    }
}

// === impl Counts ===

impl Counts {
    /// No outcome: not applicable.
    fn add(&mut self, outcome: Option<Outcome>) {
        match outcome {
            Some(Outcome::Passed) => self.passed += 1,
            Some(Outcome::Failed) => self.failed += 1,
            Some(Outcome::Skipped) => self.skipped += 1,
            None => self.not_applicable += 1,
        }
    }

    fn columns(&self) -> [&dyn fmt::Display; 4] {
        [&self.passed, &self.failed, &self.skipped, &self.not_applicable]
    }
}

// === impl Row ===

impl Row {
    /// The worst of its tests'; a test that did not end has failed.
    fn outcome(&self, outcomes: &BTreeMap<String, Outcome>) -> Option<Outcome> {
        let Here::Tests(tests) = &self.here else { return None };
        tests.iter().map(|test| outcomes.get(test).copied().unwrap_or(Outcome::Failed)).max()
    }
}

fn page() -> PathBuf {
    cargo::workspace().join("docs/conformance.md")
}

/// The rows of all tables. Each has two columns: upstream's test, and the tests here in backquotes or
/// `not applicable: reason`. The suite is the heading above.
fn rows(page: &str) -> Result<Vec<Row>> {
    let mut suite = String::new();
    let mut rows = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut suite);
        }
        let Some(cells) = line.strip_prefix("| ").and_then(|rest| rest.strip_suffix(" |")) else { continue };
        let (upstream, here) = cells.split_once(" | ").with_context(|| format!("{line}: one column"))?;
        if here == "here" {
            continue;
        }
        let here = match here.strip_prefix("not applicable: ") {
            Some(reason) => Here::NotApplicable(reason.to_owned()),
            None => Here::Tests(tests(here).with_context(|| format!("{line}: no test and no reason"))?),
        };
        rows.push(Row { suite: suite.clone(), upstream: upstream.to_owned(), here });
    }
    Ok(rows)
}

/// Names in backquotes, with commas between them.
fn tests(cell: &str) -> Option<Vec<String>> {
    let name = |text: &str| Some(text.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    cell.split(", ").map(name).collect()
}

/// How the conformance tests ended, by their names.
fn outcomes(tiers: &[Tier]) -> BTreeMap<String, Outcome> {
    let mut outcomes = BTreeMap::new();
    for tier in tiers {
        let kinds = [
            (Outcome::Passed, &tier.passed_tests),
            (Outcome::Failed, &tier.failed),
            (Outcome::Skipped, &tier.skipped),
        ];
        for (outcome, lines) in kinds {
            let names = lines.iter().filter_map(|line| name_in(line));
            outcomes.extend(names.map(|name| (name, outcome)));
        }
    }
    outcomes
}

/// The test in a line of the report, such as `proxy/tests/lab_conformance::services::x: it needs root`.
fn name_in(line: &str) -> Option<String> {
    let (executable, rest) = line.split_once("::")?;
    if executable.rsplit('/').next() != Some(EXECUTABLE) {
        return None;
    }
    rest.split(": ").next().map(str::to_owned)
}

#[cfg(test)]
mod tests;
