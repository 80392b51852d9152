//! What a step expected, and what it saw.

use std::fmt;

/// The result of a step: one or several observations.
#[derive(Default)]
pub(super) struct Outcome {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    expected: String,
    seen: String,
    is_as_expected: bool,
}

// === impl Outcome ===

impl Outcome {
    /// Something that has to be exactly this.
    pub(super) fn equal(
        &mut self,
        what: impl Into<String>,
        expected: impl fmt::Display,
        seen: impl fmt::Display,
    ) {
        let (expected, seen) = (expected.to_string(), seen.to_string());
        let is_as_expected = expected == seen;
        self.rows.push(Row { what: what.into(), expected, seen, is_as_expected });
    }

    /// Something whose rule is told in words.
    pub(super) fn rule(
        &mut self,
        what: impl Into<String>,
        expected: impl fmt::Display,
        seen: impl fmt::Display,
        is_as_expected: bool,
    ) {
        let (expected, seen) = (expected.to_string(), seen.to_string());
        self.rows.push(Row { what: what.into(), expected, seen, is_as_expected });
    }

    pub(super) fn is_as_expected(&self) -> bool {
        self.rows.iter().all(|row| row.is_as_expected)
    }
}

/// A table with the columns as wide as they have to be.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ("", "expected", "seen");
        let cells = self.rows.iter().map(|row| (row.what.as_str(), row.expected.as_str(), row.seen.as_str()));
        let all: Vec<_> = std::iter::once(head).chain(cells).collect();
        let first = all.iter().map(|(what, _, _)| what.chars().count()).max().unwrap_or(0);
        let second = all.iter().map(|(_, expected, _)| expected.chars().count()).max().unwrap_or(0);
        for (index, (what, expected, seen)) in all.iter().enumerate() {
            let wrong = index
                .checked_sub(1)
                .and_then(|index| self.rows.get(index))
                .is_some_and(|row| !row.is_as_expected);
            let mark = if wrong { "  <-- not as expected" } else { "" };
            writeln!(f, "   {what:first$}  {expected:second$}  {seen}{mark}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::Outcome;

    #[test]
    fn what_is_not_as_expected_is_marked() {
        let mut outcome = Outcome::default();
        outcome.equal("300 requests", "pod-1 300", "pod-1 300");
        assert!(outcome.is_as_expected());
        outcome.rule("a rule", "few", 1000, false);
        assert!(!outcome.is_as_expected());
        // The bars keep the indentation, which expect-test would take for its own.
        let barred: String = outcome.to_string().lines().map(|line| format!("|{line}\n")).collect();
        expect![[r#"
            |                 expected   seen
            |   300 requests  pod-1 300  pod-1 300
            |   a rule        few        1000  <-- not as expected
        "#]]
        .assert_eq(&barred);
    }
}
