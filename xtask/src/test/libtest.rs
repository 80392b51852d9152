//! Reads what test executables write, one after another in one stream.

use super::report::Tier;

/// The script around the executables writes these, so that their outputs can be told apart.
pub(super) const BEGIN: &str = "::xtask begin ";
pub(super) const END: &str = "::xtask end ";

/// Follows the stream.
pub(super) struct Reader {
    tier: Tier,
    current: Option<Current>,
    /// The executables that were started.
    begun: Vec<String>,
}

/// What happens at a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An executable has been started.
    Begin(String),
    /// It has got on with its tests, told in words.
    Progress(String),
    /// An executable has ended: its account in a line if it has tests, and its output if one of them failed.
    End { summary: Option<String>, output: Option<String> },
}

struct Current {
    name: String,
    output: String,
    passed: usize,
    passed_tests: Vec<String>,
    failed: Vec<String>,
    failed_count: usize,
    ignored: Vec<String>,
    has_result: bool,
    done: usize,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(name: &'static str) -> Reader {
        Reader { tier: Tier::new(name), current: None, begun: Vec::new() }
    }

    pub(super) fn line(&mut self, line: &str) -> Option<Event> {
        if let Some(name) = line.strip_prefix(BEGIN) {
            self.current = Some(Current::new(name));
            self.begun.push(name.to_owned());
            return Some(Event::Begin(name.to_owned()));
        }
        if let Some(code) = line.strip_prefix(END) {
            let current = self.current.take()?;
            return Some(current.end(code, &mut self.tier));
        }
        let current = self.current.get_or_insert_with(|| Current::new("tests"));
        current.line(line).then(|| Event::Progress(format!("{}, tests done: {}", current.name, current.done)))
    }

    /// The account; an executable that was started and did not end, or was not started at all, is a failure.
    pub(super) fn finish(mut self, expected: &[String]) -> (Tier, Option<Event>) {
        let event = self.current.take().map(|current| current.end("?", &mut self.tier));
        let missed = expected.iter().filter(|name| !self.begun.contains(name));
        self.tier.failed.extend(missed.map(|name| format!("{name}: was not started")));
        (self.tier, event)
    }
}

// === impl Current ===

impl Current {
    fn new(name: &str) -> Current {
        Current {
            name: name.to_owned(),
            output: String::new(),
            passed: 0,
            passed_tests: Vec::new(),
            failed: Vec::new(),
            failed_count: 0,
            ignored: Vec::new(),
            has_result: false,
            done: 0,
        }
    }

    /// Reads a line and says whether a test is done.
    fn line(&mut self, line: &str) -> bool {
        self.output.push_str(line);
        self.output.push('\n');
        if let Some(result) = line.strip_prefix("test result: ") {
            self.has_result = true;
            self.passed += count(result, "passed");
            self.failed_count += count(result, "failed");
        } else if let Some((test, outcome)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        {
            self.done += 1;
            match outcome.split_once(',').map_or(outcome, |(word, _reason)| word) {
                "ok" => self.passed_tests.push(format!("{}::{test}", self.name)),
                "FAILED" => self.failed.push(format!("{}::{test}", self.name)),
                "ignored" => {
                    let reason = outcome.split_once(", ").map_or("marked #[ignore]", |(_, reason)| reason);
                    self.ignored.push(format!("{}::{test}: {reason}", self.name));
                }
                _ => {}
            }
            return true;
        }
        false
    }

    fn end(mut self, code: &str, tier: &mut Tier) -> Event {
        while self.failed.len() < self.failed_count {
            self.failed.push(format!("{}: a test that did not name itself", self.name));
        }
        if self.failed.is_empty() && (code != "0" || !self.has_result) {
            let account = if self.has_result { "" } else { " and no account of its tests" };
            self.failed.push(format!("{}: ended with code {code}{account}", self.name));
        }
        let has_tests = self.passed + self.failed.len() + self.ignored.len() > 0;
        let summary = has_tests.then(|| {
            format!(
                "{}: {} passed, {} failed, {} ignored",
                self.name,
                self.passed,
                self.failed.len(),
                self.ignored.len()
            )
        });
        let output = (!self.failed.is_empty()).then(|| details(&self.output).to_owned());
        tier.passed += self.passed;
        tier.passed_tests.extend(self.passed_tests);
        tier.failed.extend(self.failed);
        tier.skipped.extend(self.ignored);
        Event::End { summary, output }
    }
}

/// What is worth reading in the output of an executable with failures: what libtest says about these, if it came that
/// far, and not which tests passed.
fn details(output: &str) -> &str {
    output.find("\nfailures:\n").and_then(|at| output.get(at..)).unwrap_or(output)
}

/// The number before a word of libtest's last line, as in `ok. 4 passed; 0 failed; …`.
fn count(result: &str, word: &str) -> usize {
    result
        .split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(word))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::Reader;

    fn check(stream: &str, expected: &[&str], expect: &Expect) {
        let mut reader = Reader::new("tier");
        let mut events: Vec<_> = stream.lines().filter_map(|line| reader.line(line)).collect();
        let (tier, last) = reader.finish(&expected.iter().map(ToString::to_string).collect::<Vec<_>>());
        events.extend(last);
        let events: Vec<_> = events.iter().map(|event| format!("{event:?}\n")).collect();
        expect.assert_eq(&format!("{}{tier:#?}\n", events.concat()));
    }

    #[test]
    fn passed_failed_and_ignored_tests_are_counted() {
        check(
            "\
::xtask begin plan
running 3 tests
test a ... ok
test b ... FAILED
test c ... ignored, takes an hour

failures:

---- b stdout ----
one is not two

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
::xtask end 101
",
            &["plan"],
            &expect![[r#"
                Begin("plan")
                Progress("plan, tests done: 1")
                Progress("plan, tests done: 2")
                Progress("plan, tests done: 3")
                End { summary: Some("plan: 1 passed, 1 failed, 1 ignored"), output: Some("\nfailures:\n\n---- b stdout ----\none is not two\n\ntest result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n") }
                Tier {
                    name: "tier",
                    passed: 1,
                    passed_tests: [
                        "plan::a",
                    ],
                    failed: [
                        "plan::b",
                    ],
                    skipped: [
                        "plan::c: takes an hour",
                    ],
                }
            "#]],
        );
    }

    #[test]
    fn an_executable_without_an_account_is_a_failure() {
        check(
            "::xtask begin a\nSegmentation fault\n::xtask end 139\n::xtask begin b\ntest x ... ok\n",
            &["a", "b", "c"],
            &expect![[r#"
                Begin("a")
                End { summary: Some("a: 0 passed, 1 failed, 0 ignored"), output: Some("Segmentation fault\n") }
                Begin("b")
                Progress("b, tests done: 1")
                End { summary: Some("b: 0 passed, 1 failed, 0 ignored"), output: Some("test x ... ok\n") }
                Tier {
                    name: "tier",
                    passed: 0,
                    passed_tests: [
                        "b::x",
                    ],
                    failed: [
                        "a: ended with code 139 and no account of its tests",
                        "b: ended with code ? and no account of its tests",
                        "c: was not started",
                    ],
                    skipped: [],
                }
            "#]],
        );
    }

    #[test]
    fn a_bad_exit_code_is_a_failure_even_if_no_test_failed() {
        check(
            "::xtask begin a\ntest result: ok. 2 passed; 0 failed; 0 ignored\n::xtask end 134\n",
            &["a"],
            &expect![[r#"
                Begin("a")
                End { summary: Some("a: 2 passed, 1 failed, 0 ignored"), output: Some("test result: ok. 2 passed; 0 failed; 0 ignored\n") }
                Tier {
                    name: "tier",
                    passed: 2,
                    passed_tests: [],
                    failed: [
                        "a: ended with code 134",
                    ],
                    skipped: [],
                }
            "#]],
        );
    }
}
