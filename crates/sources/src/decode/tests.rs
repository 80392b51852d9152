//! Objects and what they are decoded to.

use bytes::Bytes;
use expect_test::{Expect, expect};
use model::Change;
use serde_json::Value;

use super::{Decoded, Field, Outcome, Raw, RawNode, RawService, RawSlice, decode, protobuf};
use crate::pool::Pool;
use crate::show::show;

mod addresses;
mod cost;
pub(crate) mod mutations;
mod nodes;
mod parsing;
mod services;
mod slices;
mod unreadable;

/// Decodes the documents of `yaml` and prints what comes out. What can be said in protobuf has to give the same then.
fn check(yaml: &str, expected: Expect) {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let shown = |document: Value| {
        let protobuf = lab::protobuf::object(&document);
        let shown = print(decode_value(document.clone()));
        if let Ok(object) = protobuf {
            assert_eq!(print(decode_protobuf(object)), shown, "in protobuf: {document}");
        }
        shown
    };
    expected.assert_eq(&documents.into_iter().map(shown).collect::<String>());
}

pub(crate) fn decode_value(value: Value) -> Decoded {
    fn read<R: Raw>(value: Value) -> Decoded {
        decode(Field::<R>::from_value(value), Some("default"), &mut Pool::default())
    }
    match value.get("kind").and_then(Value::as_str) {
        Some("Service") => read::<RawService>(value),
        Some("EndpointSlice") => read::<RawSlice>(value),
        _ => read::<RawNode>(value),
    }
}

fn decode_protobuf(object: Vec<u8>) -> Decoded {
    fn read<R: Raw>(message: Bytes) -> Decoded {
        decode(protobuf::object::<R>(message), Some("default"), &mut Pool::default())
    }
    let (kind, message) = protobuf::open(object.into()).unwrap();
    match kind.as_str() {
        "Service" => read::<RawService>(message),
        "EndpointSlice" => read::<RawSlice>(message),
        _ => read::<RawNode>(message),
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
