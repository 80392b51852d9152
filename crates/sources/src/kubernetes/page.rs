//! A page of a list.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::failure::Failure;
use crate::decode::Field;

/// What is used of a list. Each item stands for itself, so that one that is broken does not cost the others.
#[derive(Debug, Deserialize)]
#[serde(bound = "R: DeserializeOwned")]
pub(super) struct Page<R> {
    kind: String,
    metadata: Metadata,
    items: Items<R>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
    #[serde(rename = "continue")]
    token: String,
}

/// `items`, which has to be there but may be null: Go writes an empty list so.
#[derive(Debug)]
struct Items<R>(Vec<Field<R>>);

/// What follows a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another page.
    Page { token: String },
    /// A watch from this version.
    Watch { version: String },
}

// === impl Page ===

impl<R: DeserializeOwned> Page<R> {
    /// Reads an answer that should be a list of `kind`. Anything else is an error: taken for an empty list it
    /// would remove everything.
    pub(super) fn parse(text: &str, kind: &str) -> Result<(Vec<Field<R>>, Next), Failure> {
        let page: Page<R> =
            serde_json::from_str(text).map_err(|error| Failure::Garbage(error.to_string()))?;
        if page.kind != kind {
            return Err(Failure::Garbage(format!("a {:?} instead of a {kind}", page.kind)));
        }
        let Metadata { resource_version, token } = page.metadata;
        let next = match (token.is_empty(), resource_version.is_empty()) {
            (false, _) => Next::Page { token },
            (true, false) => Next::Watch { version: resource_version },
            (true, true) => return Err(Failure::Garbage(format!("a {kind} without resourceVersion"))),
        };
        Ok((page.items.0, next))
    }
}

// === impl Items ===

impl<'de, R: DeserializeOwned> Deserialize<'de> for Items<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|items| Items(items.unwrap_or_default()))
    }
}
