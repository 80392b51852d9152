//! The events of a watch.

use std::collections::BTreeMap;
use std::pin::Pin;

use bytes::Bytes;
use futures::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use kube::core::{Status, WatchEvent};
use prost::Message;

use super::failure::Failure;
use super::session::Answer;
use super::{Encoding, status};
use crate::decode::{self, Field, Raw, protobuf};

/// The annotation of the bookmark that ends the initial part of a streaming list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// A longer event or object is none, in bytes. The largest object that an API server stores is 1.5 MiB by default.
pub(super) const LONGEST: usize = 64 << 20;

/// An event of a watch.
#[derive(Debug)]
pub(super) enum Event<R> {
    Added(Field<R>),
    Modified(Field<R>),
    Deleted(Field<R>),
    /// The watch has come to this version, and perhaps to the end of the initial part of a streaming list.
    Bookmark {
        version: String,
        ends_initial: bool,
    },
    /// The server ends the watch.
    Error(Box<Status>),
}

/// The answer to a watch request while it arrives.
pub(super) struct Events {
    encoding: Encoding,
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    line: Vec<u8>,
}

/// `k8s.io.apimachinery.pkg.apis.meta.v1.WatchEvent`, with its object in its envelope.
#[derive(Clone, PartialEq, Message)]
struct Frame {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(message, optional, tag = "2")]
    object: Option<RawExtension>,
}

#[derive(Clone, PartialEq, Message)]
struct RawExtension {
    #[prost(bytes = "bytes", tag = "1")]
    raw: Bytes,
}

/// The object of a bookmark, which is nothing but its metadata.
#[derive(Clone, PartialEq, Message)]
struct Bookmark {
    #[prost(message, optional, tag = "1")]
    metadata: Option<BookmarkMeta>,
}

#[derive(Clone, PartialEq, Message)]
struct BookmarkMeta {
    #[prost(string, tag = "6")]
    resource_version: String,
    #[prost(btree_map = "string, string", tag = "12")]
    annotations: BTreeMap<String, String>,
}

// === impl Events ===

impl Events {
    pub(super) fn new(answer: Answer<impl AsyncBufRead + Send + 'static>) -> Self {
        let Answer { encoding, body } = answer;
        Events { encoding, reader: Box::pin(body), line: Vec::new() }
    }

    /// The next event. An object of the wrong shape is an event all the same, but what is no event at all is a
    /// [`Failure::Garbage`]: what it said is lost.
    pub(super) async fn next<R: Raw>(&mut self) -> Result<Event<R>, Failure> {
        match self.encoding {
            Encoding::Json => self.next_line().await,
            Encoding::Protobuf => self.next_frame().await,
        }
    }

    /// In JSON there is one event on each line.
    async fn next_line<R: Raw>(&mut self) -> Result<Event<R>, Failure> {
        loop {
            self.line.clear();
            let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
            let mut reader = (&mut self.reader).take(limit);
            let length = reader
                .read_until(b'\n', &mut self.line)
                .await
                .map_err(|error| Failure::from_broken_stream(&error))?;
            if length >= LONGEST {
                return Err(Failure::Garbage(format!("a line of more than {LONGEST} bytes")));
            }
            let complete = self.line.ends_with(b"\n");
            let line = self.line.trim_ascii();
            if line.is_empty() && complete {
                continue;
            }
            return match decode::parse::<WatchEvent<Field<R>>>(line) {
                Ok(event) => Ok(event.into()),
                // The connection was cut within a line.
                Err(_) if !complete => Err(Failure::Ended),
                Err(error) => Err(Failure::garbage(error)),
            };
        }
    }

    /// In protobuf the length of each event stands before it, in four bytes, the highest first.
    async fn next_frame<R: Raw>(&mut self) -> Result<Event<R>, Failure> {
        let mut length = [0; 4];
        self.fill(&mut length).await?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length >= LONGEST {
            return Err(Failure::Garbage(format!("an event of {length} bytes")));
        }
        let mut frame = vec![0; length];
        self.fill(&mut frame).await?;
        let frame = Frame::decode(Bytes::from(frame)).map_err(Failure::garbage)?;
        let object = frame.object.unwrap_or_default().raw;
        let (_, object) = protobuf::open(object).map_err(Failure::garbage)?;
        Ok(match frame.kind.as_str() {
            "ADDED" => Event::Added(protobuf::object(object)),
            "MODIFIED" => Event::Modified(protobuf::object(object)),
            "DELETED" => Event::Deleted(protobuf::object(object)),
            "BOOKMARK" => {
                let bookmark = Bookmark::decode(object).map_err(Failure::garbage)?;
                let BookmarkMeta { resource_version, annotations } = bookmark.metadata.unwrap_or_default();
                let ends_initial = annotations.contains_key(INITIAL_EVENTS_END);
                Event::Bookmark { version: resource_version, ends_initial }
            }
            "ERROR" => Event::Error(Box::new(status::read(object).map_err(Failure::garbage)?)),
            other => return Err(Failure::Garbage(format!("an event of type {other:?}"))),
        })
    }

    /// Reads as many bytes as there is room for.
    async fn fill(&mut self, room: &mut [u8]) -> Result<(), Failure> {
        self.reader.read_exact(room).await.map_err(|error| Failure::from_broken_stream(&error))
    }
}

// === impl Event ===

impl<R> From<WatchEvent<Field<R>>> for Event<R> {
    fn from(event: WatchEvent<Field<R>>) -> Self {
        match event {
            WatchEvent::Added(object) => Event::Added(object),
            WatchEvent::Modified(object) => Event::Modified(object),
            WatchEvent::Deleted(object) => Event::Deleted(object),
            WatchEvent::Bookmark(bookmark) => Event::Bookmark {
                ends_initial: bookmark.metadata.annotations.contains_key(INITIAL_EVENTS_END),
                version: bookmark.metadata.resource_version,
            },
            WatchEvent::Error(status) => Event::Error(status),
        }
    }
}
