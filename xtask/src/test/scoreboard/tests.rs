use std::fs;
use std::path::Path;

use expect_test::expect;

use super::{Here, Scoreboard, outcomes, page, rows};
use crate::cargo;
use crate::test::report::Tier;

const PAGE: &str = "\
## Services

| upstream | here |
|---|---|
| should work | `services::work` |
| should work twice | `services::one`, `services::two` |
| should be in an API | not applicable: the API server's own |

## Conntrack

| upstream | here |
|---|---|
| should be preserved | `conntrack::preserved` |
| should not crash | `conntrack::crash` |
";

fn lines(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn each_suite_is_counted() {
    let tier = Tier {
        passed: 3,
        passed_tests: lines(&[
            "proxy/tests/lab_conformance::services::work",
            "proxy/tests/lab_conformance::services::one",
            "proxy/tests/lab_conformance::conntrack::preserved",
            "proxy/tests/lab_e2e::services::two",
        ]),
        failed: lines(&["proxy/tests/lab_conformance::services::two"]),
        // Counted as passed by libtest, which knows no third outcome.
        skipped: lines(&["lab_conformance::conntrack::preserved: it needs root"]),
        ..Tier::new("lab")
    };
    let scoreboard = Scoreboard::count(&rows(PAGE).unwrap(), &outcomes(&[tier]));
    expect![[r#"
        Kubernetes' end-to-end tests                    passed  failed skipped  not applicable
        Services                                             1       1       0               1
        Conntrack                                            0       1       1               0
        all (docs/conformance.md)                            1       2       1               1
    "#]]
    .assert_eq(&scoreboard.to_string());
}

#[test]
fn without_a_test_there_is_no_scoreboard() {
    let tier = Tier { passed_tests: lines(&["plan::x"]), ..Tier::new("unit") };
    assert!(Scoreboard::of(&[tier]).unwrap().is_none());
}

#[test]
fn a_row_without_a_test_and_without_a_reason_is_an_error() {
    let error = rows("| should work | some day |\n").unwrap_err().to_string();
    assert_eq!(error, "| should work | some day |: no test and no reason");
}

/// The page names each test of `lab_conformance`, and no others. A test may stand for several of upstream's.
#[test]
fn the_page_and_the_tests_agree() {
    let rows = rows(&fs::read_to_string(page()).unwrap()).unwrap();
    let mut named = Vec::new();
    for row in rows {
        if let Here::Tests(tests) = row.here {
            named.extend(tests);
        }
    }
    named.sort();
    let mut written = Vec::new();
    find_tests(&cargo::workspace().join("crates/proxy/tests/lab_conformance"), "", &mut written);
    written.sort();
    let only_in = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|name| !those.contains(name)).cloned().collect()
    };
    assert_eq!(only_in(&named, &written), Vec::<String>::new(), "tests that are named and do not exist");
    assert_eq!(only_in(&written, &named), Vec::<String>::new(), "tests that are not named");
}

/// Finds what follows `#[test]` in the files of a folder, whose names are their modules'.
fn find_tests(folder: &Path, module: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            find_tests(&path, &format!("{module}{name}::"), found);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let tests = text.split("#[test]\n").skip(1);
            let names = tests.filter_map(|text| text.trim_start().strip_prefix("fn ")?.split('(').next());
            found.extend(names.map(|test| format!("{module}{name}::{test}")));
        }
    }
}
