//! The account at the end.

use std::fmt;

/// What became of one kind of tests.
#[derive(Debug)]
pub(super) struct Tier {
    pub(super) name: &'static str,
    pub(super) passed: usize,
    /// Their names, as far as they have one. Those that skipped themselves are among them.
    pub(super) passed_tests: Vec<String>,
    /// A line for each.
    pub(super) failed: Vec<String>,
    /// A line for each, with the reason.
    pub(super) skipped: Vec<String>,
}

/// All tiers, in the order they ran.
#[derive(Debug, Default)]
pub(super) struct Report {
    tiers: Vec<Tier>,
}

// === impl Tier ===

impl Tier {
    pub(super) fn new(name: &'static str) -> Tier {
        Tier { name, passed: 0, passed_tests: Vec::new(), failed: Vec::new(), skipped: Vec::new() }
    }
}

// === impl Report ===

impl Report {
    pub(super) fn add(&mut self, tier: Tier) {
        self.tiers.push(tier);
    }

    pub(super) fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    pub(super) fn failed(&self) -> usize {
        self.tiers.iter().map(|tier| tier.failed.len()).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24}{:>8}{:>8}{:>8}", "tier", "passed", "failed", "skipped")?;
        for tier in &self.tiers {
            let (failed, skipped) = (tier.failed.len(), tier.skipped.len());
            writeln!(f, "{:<24}{:>8}{failed:>8}{skipped:>8}", tier.name, tier.passed)?;
        }
        for (title, lines) in [
            ("failed", lines(&self.tiers, |tier| &tier.failed)),
            ("skipped", lines(&self.tiers, |tier| &tier.skipped)),
        ] {
            if !lines.is_empty() {
                writeln!(f, "\n{title}:")?;
            }
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        let passed: usize = self.tiers.iter().map(|tier| tier.passed).sum();
        let skipped: usize = self.tiers.iter().map(|tier| tier.skipped.len()).sum();
        writeln!(f, "\n{passed} passed, {} failed, {skipped} skipped", self.failed())
    }
}

fn lines(tiers: &[Tier], of: impl Fn(&Tier) -> &Vec<String>) -> Vec<&String> {
    tiers.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::{Report, Tier};

    #[test]
    fn the_last_line_adds_everything_up() {
        let mut report = Report::default();
        report.add(Tier { passed: 1, ..Tier::new("format") });
        let skipped = vec!["plan::tests::x: it needs root".to_owned()];
        report.add(Tier {
            passed: 10,
            failed: vec!["plan::tests::y".to_owned()],
            skipped,
            ..Tier::new("unit")
        });
        expect![[r#"
            tier                      passed  failed skipped
            format                         1       0       0
            unit                          10       1       1

            failed:
              plan::tests::y

            skipped:
              plan::tests::x: it needs root

            11 passed, 1 failed, 1 skipped
        "#]]
        .assert_eq(&report.to_string());
    }
}
