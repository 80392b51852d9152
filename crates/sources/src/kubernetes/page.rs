//! A page of a list.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::Failure;

/// What is used of a list. Each item stands for itself, so that one that is broken does not cost the others; it is left
/// as the text that it is until its turn comes, since in memory it is many times as large.
#[derive(Debug, Deserialize)]
pub(super) struct Page<'a> {
    kind: String,
    metadata: Metadata,
    /// It has to be there but may be null: Go writes an empty list so.
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
    #[serde(rename = "continue")]
    token: String,
}

/// What follows a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another page.
    Page { token: String },
    /// A watch from this version.
    Watch { version: String },
}

// === impl Page ===

impl<'a> Page<'a> {
    /// Reads an answer that should be a list of `kind`. Anything else is an error: taken for an empty list it
    /// would remove everything.
    pub(super) fn parse(text: &'a [u8], kind: &str) -> Result<(Vec<&'a RawValue>, Next), Failure> {
        let page: Page<'a> =
            serde_json::from_slice(text).map_err(|error| Failure::Garbage(error.to_string()))?;
        if page.kind != kind {
            return Err(Failure::Garbage(format!("a {:?} instead of a {kind}", page.kind)));
        }
        let Metadata { resource_version, token } = page.metadata;
        let next = match (token.is_empty(), resource_version.is_empty()) {
            (false, _) => Next::Page { token },
            (true, false) => Next::Watch { version: resource_version },
            (true, true) => return Err(Failure::Garbage(format!("a {kind} without resourceVersion"))),
        };
        Ok((page.items.unwrap_or_default(), next))
    }
}
