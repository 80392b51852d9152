//! One document of a file: an object, or a list of them.

use model::{Kind, Problem};
use serde_json::Value;

use crate::decode::{self, Decoded, Field, Outcome, Raw, RawNode, RawService, RawSlice};
use crate::pool::Pool;

/// Where objects without a namespace are.
const DEFAULT_NAMESPACE: &str = "default";

/// `apiVersion` and `kind`.
#[derive(Clone, Debug)]
struct Type {
    api_version: String,
    kind: String,
}

enum Meaning {
    Kind(Kind),
    /// A list; the type is that of items which do not name theirs.
    List(Option<Type>),
    Other,
}

/// Decodes everything in `value`; each result comes with the place where it stands.
pub(super) fn decode(value: Value, place: &str, pool: &mut Pool) -> Vec<(String, Decoded)> {
    let mut found = Vec::new();
    collect(value, place.to_owned(), None, pool, &mut found);
    found
}

fn collect(
    value: Value,
    place: String,
    inherited: Option<&Type>,
    pool: &mut Pool,
    found: &mut Vec<(String, Decoded)>,
) {
    let mut fields = match value {
        Value::Object(fields) => fields,
        // An empty document, as between two separators.
        Value::Null => return,
        _ => {
            return found
                .push(complaint(place, "not an object (a mapping with apiVersion and kind); ignored"));
        }
    };
    let own = Type::of(&fields);
    let Some(of) = own.as_ref().or(inherited) else {
        return found.push(complaint(place, "has no apiVersion and kind; ignored"));
    };
    match of.meaning() {
        Meaning::Kind(kind) => {
            let decoded = decode_kind(kind, Value::Object(fields), pool);
            found.push((place, decoded));
        }
        Meaning::List(items_of) => match fields.remove("items") {
            Some(Value::Array(items)) => {
                for (index, item) in items.into_iter().enumerate() {
                    collect(item, format!("{place}, items[{index}]"), items_of.as_ref(), pool, found);
                }
            }
            None | Some(Value::Null) => (),
            Some(_) => found.push(complaint(place, "items is not a list; ignored")),
        },
        Meaning::Other => {
            let reason = "not a kind that is read here (Service, EndpointSlice, Node); ignored";
            found.push(complaint(format!("{}, kind {}", of.api_version, of.kind), reason));
        }
    }
}

fn decode_kind(kind: Kind, value: Value, pool: &mut Pool) -> Decoded {
    fn read<R: Raw>(value: Value, pool: &mut Pool) -> Decoded {
        decode::decode(Field::<R>::from_value(value), Some(DEFAULT_NAMESPACE), pool)
    }
    match kind {
        Kind::Service => read::<RawService>(value, pool),
        Kind::EndpointSlice => read::<RawSlice>(value, pool),
        Kind::Node => read::<RawNode>(value, pool),
    }
}

fn complaint(place: String, reason: &str) -> (String, Decoded) {
    let problem = Problem::new(&place, reason);
    (place, Decoded { outcome: Outcome::Unusable(None), problems: vec![problem] })
}

// === impl Type ===

impl Type {
    fn of(fields: &serde_json::Map<String, Value>) -> Option<Self> {
        let text = |name| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Type { api_version: text("apiVersion")?, kind: text("kind")? })
    }

    fn meaning(&self) -> Meaning {
        let singular = match (self.api_version.as_str(), self.kind.as_str()) {
            ("v1", "Service") => return Meaning::Kind(Kind::Service),
            ("v1", "Node") => return Meaning::Kind(Kind::Node),
            ("discovery.k8s.io/v1", "EndpointSlice") => return Meaning::Kind(Kind::EndpointSlice),
            ("v1", "List") => return Meaning::List(None),
            ("v1", "ServiceList" | "NodeList") | ("discovery.k8s.io/v1", "EndpointSliceList") => {
                self.kind.trim_end_matches("List")
            }
            _ => return Meaning::Other,
        };
        Meaning::List(Some(Type { api_version: self.api_version.clone(), kind: singular.to_owned() }))
    }
}
