//! Where two objects differ.

use std::collections::BTreeSet;

use serde_json::Value;

/// The paths of values that are not the same in both, each with the two values.
pub(super) fn differences(left: &Value, right: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", left, right, &mut found);
    found
}

fn compare(path: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let (one, other) = (one.get(key), other.get(key));
                compare(
                    &format!("{path}.{key}"),
                    one.unwrap_or(&Value::Null),
                    other.unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{path}[{index}]"), one, other, found);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{path}: {left} and {right}")),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_what_differs() {
        let left = json!({ "a": 1, "b": { "c": [1, 2], "d": "x" }, "e": [1] });
        let right = json!({ "a": 1, "b": { "c": [1, 3] }, "e": [1, 2] });
        expect![[r#"
            .b.c[1]: 2 and 3
            .b.d: "x" and null
            .e: [1] and [1,2]"#]]
        .assert_eq(&differences(&left, &right).join("\n"));
        assert!(differences(&left, &left).is_empty());
    }
}
