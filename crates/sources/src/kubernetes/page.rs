//! A page of a list.

use bytes::Bytes;
use prost::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Encoding;
use super::failure::Failure;
use crate::decode::{self, Field, Raw, protobuf};

/// What is used of a list.
pub(super) struct Page<'a> {
    pub(super) items: Vec<Item<'a>>,
    /// The version of the list; empty where a server gives it with the last page only.
    pub(super) version: String,
    pub(super) next: Next,
}

/// An object of a page. Each stands for itself, so that one that is broken does not cost the others; it is left as it
/// came until its turn comes, since in memory it is many times as large.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Json(&'a RawValue),
    Protobuf(Bytes),
}

/// What follows a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another page.
    Page { token: String },
    /// A watch from this version.
    Watch { version: String },
}

/// A list in JSON.
#[derive(Debug, Deserialize)]
struct JsonList<'a> {
    kind: String,
    metadata: JsonMetadata,
    /// It has to be there but may be null: Go writes an empty list so.
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsonMetadata {
    resource_version: String,
    #[serde(rename = "continue")]
    token: String,
}

/// `ServiceList` and its like; they differ in their items only.
#[derive(Clone, PartialEq, Message)]
struct ProtobufList {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ListMeta>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    items: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ListMeta {
    #[prost(string, tag = "2")]
    resource_version: String,
    #[prost(string, tag = "3")]
    token: String,
}

// === impl Page ===

impl<'a> Page<'a> {
    /// Reads an answer that should be a list of `kind`. Anything else is an error: taken for an empty list it
    /// would remove everything.
    pub(super) fn parse(encoding: Encoding, body: &'a Bytes, kind: &str) -> Result<Self, Failure> {
        let (found, version, token, items) = match encoding {
            Encoding::Json => {
                let list: JsonList<'a> = serde_json::from_slice(body).map_err(Failure::garbage)?;
                let items = list.items.unwrap_or_default().into_iter().map(Item::Json).collect();
                (list.kind, list.metadata.resource_version, list.metadata.token, items)
            }
            Encoding::Protobuf => {
                let (found, list) = protobuf::open(body.clone()).map_err(Failure::garbage)?;
                let list = ProtobufList::decode(list).map_err(Failure::garbage)?;
                let ListMeta { resource_version, token } = list.metadata.unwrap_or_default();
                (found, resource_version, token, list.items.into_iter().map(Item::Protobuf).collect())
            }
        };
        if found != kind {
            return Err(Failure::Garbage(format!("a {found:?} instead of a {kind}")));
        }
        let next = match (token.is_empty(), version.is_empty()) {
            (false, _) => Next::Page { token },
            (true, false) => Next::Watch { version: version.clone() },
            (true, true) => return Err(Failure::Garbage(format!("a {kind} without resourceVersion"))),
        };
        Ok(Page { items, version, next })
    }
}

// === impl Item ===

impl Item<'_> {
    /// The object, whatever its shape.
    pub(super) fn read<R: Raw>(self) -> Field<R> {
        match self {
            Item::Json(text) => {
                let read = decode::parse(text.get().as_bytes());
                read.unwrap_or_else(|error| Field::Malformed(error.to_string()))
            }
            Item::Protobuf(message) => protobuf::object(message),
        }
    }
}
