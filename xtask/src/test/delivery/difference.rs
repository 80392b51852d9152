//! Where two objects differ.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The paths of values that are not the same in both, each with the two values. A field that is null is not one that is
/// missing: to `kubectl apply` it says that the field is to be taken away.
pub(super) fn differences(left: &Map<String, Value>, right: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    compare_members("", left, right, &mut found);
    found
}

fn compare_members(
    path: &str,
    left: &Map<String, Value>,
    right: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for key in keys {
        compare(&format!("{path}.{key}"), left.get(key), right.get(key), found);
    }
}

fn compare(path: &str, left: Option<&Value>, right: Option<&Value>, found: &mut Vec<String>) {
    match (left, right) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => compare_members(path, left, right, found),
        (Some(Value::Array(left)), Some(Value::Array(right))) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(&format!("{path}[{index}]"), Some(left), Some(right), found);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{path}: {} and {}", text(left), text(right))),
    }
}

fn text(value: Option<&Value>) -> String {
    value.map_or("nothing".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(left: Value, right: Value, expected: Expect) {
        let (Value::Object(left), Value::Object(right)) = (left, right) else { panic!("not objects") };
        expected.assert_eq(&differences(&left, &right).join("\n"));
        assert!(differences(&left, &left).is_empty());
    }

    #[test]
    fn paths_lead_to_what_differs() {
        check(
            json!({ "a": 1, "b": { "c": [1, 2], "d": "x" }, "e": [1] }),
            json!({ "a": 1, "b": { "c": [1, 3] }, "e": [1, 2] }),
            expect![[r#"
                .b.c[1]: 2 and 3
                .b.d: "x" and nothing
                .e: [1] and [1,2]"#]],
        );
    }

    #[test]
    fn what_is_missing_in_one_is_found() {
        check(
            json!({ "a": {}, "c": null }),
            json!({ "b": { "d": null }, "c": {} }),
            expect![[r#"
                .a: {} and nothing
                .b: nothing and {"d":null}
                .c: null and {}"#]],
        );
        check(json!({ "a": null }), json!({}), expect![".a: null and nothing"]);
    }
}
