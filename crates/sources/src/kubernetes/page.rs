//! A page of a list, or all of it, read as it arrives: no more than one object of it is in memory at a time. One in JSON
//! has to be there as a whole before it can be read.

use std::vec;

use bytes::Bytes;
use futures::io::{AsyncBufRead, AsyncReadExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Encoding;
use super::failure::Failure;
use super::message::{ListMessage, ListMeta};
use super::session::Answer;
use crate::decode::{self, Field, Raw, protobuf};

/// The answer to a request for a list.
pub(super) struct Page {
    kind: &'static str,
    metadata: ListMeta,
    items: Items,
}

/// Objects that were not read yet. Each stands for itself, so that one that is broken does not cost the others.
enum Items {
    Json(vec::IntoIter<Bytes>),
    Protobuf(ListMessage),
}

/// What a page says besides its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The version of the list; empty where a server gives it with the last page only.
    pub(super) version: String,
    pub(super) next: Next,
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

// === impl Page ===

impl Page {
    /// Begins to read an answer that should be a list of `kind`. Anything else is an error: taken for an empty list it
    /// would remove everything.
    pub(super) async fn open(
        answer: Answer<impl AsyncBufRead + Send + 'static>,
        kind: &'static str,
    ) -> Result<Self, Failure> {
        let Answer { encoding, body } = answer;
        let (found, metadata, items) = match encoding {
            Encoding::Json => read_json(body).await?,
            Encoding::Protobuf => {
                let (found, message) = ListMessage::open(body).await?;
                (found, ListMeta::default(), Items::Protobuf(message))
            }
        };
        if found != kind {
            return Err(Failure::Garbage(format!("a {found:?} instead of a {kind}")));
        }
        Ok(Page { kind, metadata, items })
    }

    /// The next object, whatever its shape; none at the end.
    pub(super) async fn next<R: Raw>(&mut self) -> Result<Option<Field<R>>, Failure> {
        Ok(match &mut self.items {
            Items::Json(items) => items
                .next()
                .map(|item| decode::parse(&item).unwrap_or_else(|error| Field::Malformed(error.to_string()))),
            Items::Protobuf(message) => message.next(&mut self.metadata).await?.map(protobuf::object),
        })
    }

    /// What the page says at its end, once all objects were read.
    pub(super) fn end(self) -> Result<End, Failure> {
        let ListMeta { resource_version: version, token } = self.metadata;
        let next = match (token.is_empty(), version.is_empty()) {
            (false, _) => Next::Page { token },
            (true, false) => Next::Watch { version: version.clone() },
            (true, true) => return Err(Failure::Garbage(format!("a {} without resourceVersion", self.kind))),
        };
        Ok(End { version, next })
    }
}

async fn read_json(body: impl AsyncBufRead) -> Result<(String, ListMeta, Items), Failure> {
    let mut text = Vec::new();
    Box::pin(body).read_to_end(&mut text).await.map_err(Failure::from_broken_answer)?;
    let text = Bytes::from(text);
    let list: JsonList<'_> = serde_json::from_slice(&text).map_err(Failure::garbage)?;
    let items = list.items.unwrap_or_default().into_iter();
    let items: Vec<Bytes> = items.map(|item| text.slice_ref(item.get().as_bytes())).collect();
    let JsonMetadata { resource_version, token } = list.metadata;
    Ok((list.kind, ListMeta { resource_version, token }, Items::Json(items.into_iter())))
}
