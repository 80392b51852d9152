//! The names in queries are those of `docs/metrics.md`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{dashboard_expressions, monitoring, read, values_of};
use crate::cargo;

/// Names of Prometheus itself.
const NOT_OURS: [&str; 1] = ["up"];

/// The names of the metrics in a query: identifiers that are neither called, nor in the braces, brackets or quotes of
/// something else, nor labels to group by.
fn metrics(query: &str) -> BTreeSet<String> {
    const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "inf"];
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut names = BTreeSet::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let skipped_to = match first {
            '{' => rest.find('}'),
            '[' => rest.find(']'),
            '"' => rest.get(1..).and_then(|text| text.find('"')).map(|end| end + 1),
            _ => None,
        };
        if let Some(end) = skipped_to {
            rest = rest.get(end + 1..).unwrap_or_default();
            continue;
        }
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (word, after) = rest.split_at(end);
        // An aggregation may be grouped before its parentheses.
        let next = after.trim_start();
        let is_called =
            ["(", "by (", "by(", "without (", "without("].iter().any(|start| next.starts_with(start));
        rest = after;
        if GROUPING.contains(&word) {
            rest = after.find(')').and_then(|end| after.get(end + 1..)).unwrap_or_default();
        } else if first.is_ascii_alphabetic() && !is_called && !OPERATORS.contains(&word) {
            names.insert(word.to_owned());
        }
    }
    names
}

#[test]
fn metrics_are_found_in_queries() {
    for (query, expected) in [
        ("absent(up{job=~\"a|b\"} == 1)", vec!["up"]),
        (
            "sum by (instance, kind) (increase(a_total[1h])) > 0 and sum by(x)(b{c=\"d\"} offset 1h)",
            vec!["a_total", "b"],
        ),
        ("histogram_quantile(0.99, sum by (le) (rate(d_bucket[5m])))", vec!["d_bucket"]),
        ("time() - max(e) or vector(0)", vec!["e"]),
    ] {
        assert_eq!(metrics(query).into_iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

/// The words of `docs/metrics.md`, the names of metrics among them.
fn documented() -> BTreeSet<String> {
    let page = read(&cargo::workspace().join("docs/metrics.md")).unwrap();
    page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map(str::to_owned).collect()
}

#[test]
fn alerts_and_dashboard_name_documented_metrics_only() {
    let documented = documented();
    let alerts: Value = serde_saphyr::from_str(&read(&monitoring("alerts.yaml")).unwrap()).unwrap();
    let mut queries = values_of("expr", &alerts);
    queries.extend(dashboard_expressions().unwrap());
    let used: BTreeSet<String> = queries.iter().flat_map(|query| metrics(query)).collect();
    assert!(used.len() > 20, "only {used:?} were found");
    let is_documented = |name: &str| {
        let series = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        NOT_OURS.contains(&name)
            || [Some(name), series].iter().flatten().any(|name| documented.contains(*name))
    };
    let unknown: Vec<_> = used.iter().filter(|name| !is_documented(name)).collect();
    assert!(unknown.is_empty(), "docs/metrics.md does not have {unknown:?}");
}

/// In a command for `grep` the beginning of a name is enough.
#[test]
fn guides_name_documented_metrics_only() {
    let documented = documented();
    for guide in ["troubleshooting.md", "migration.md", "guarded-addresses.md"] {
        let text = read(&cargo::workspace().join("docs").join(guide)).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| word.starts_with("kubeipvs_") || word.starts_with("kubeproxy_")) {
            assert!(documented.iter().any(|name| name.starts_with(word)), "{guide} names {word}");
        }
    }
}
