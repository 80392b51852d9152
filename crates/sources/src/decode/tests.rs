//! Objects and what they are decoded to.

use expect_test::{Expect, expect};
use model::Change;
use serde_json::Value;

use super::{Decoded, Field, Outcome, Raw, RawNode, RawService, RawSlice, decode};
use crate::show::show;

mod addresses;
mod cost;
pub(crate) mod mutations;
mod nodes;
mod parsing;
mod services;
mod slices;

/// Decodes the documents of `yaml` and prints what comes out.
fn check(yaml: &str, expected: Expect) {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    expected
        .assert_eq(&documents.into_iter().map(|document| print(decode_value(document))).collect::<String>());
}

pub(crate) fn decode_value(value: Value) -> Decoded {
    fn read<R: Raw>(value: Value) -> Decoded {
        decode(Field::<R>::from_value(value), Some("default"))
    }
    match value.get("kind").and_then(Value::as_str) {
        Some("Service") => read::<RawService>(value),
        Some("EndpointSlice") => read::<RawSlice>(value),
        _ => read::<RawNode>(value),
    }
}

fn print(decoded: Decoded) -> String {
    let problems: Vec<Change> = decoded.problems.into_iter().map(Change::Problem).collect();
    let outcome = match decoded.outcome {
        Outcome::Object(object) => show(&[object.into_change()]),
        Outcome::NotSelected(key) => format!("not selected: {key}\n"),
        Outcome::Unusable(id) => {
            format!("unusable: {}\n", id.map(|(_, key)| key.to_string()).unwrap_or_default())
        }
    };
    outcome + &show(&problems)
}
