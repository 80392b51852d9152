//! In which form a client gets its objects.

use hyper::HeaderMap;
use serde_json::{Value, json};

use crate::protobuf::{self, Misfit};

const JSON: &str = "application/json";

/// JSON, or what a client prefers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Protobuf,
}

// === impl Encoding ===

impl Encoding {
    /// What the client likes best.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        if protobuf::is_preferred(headers) { Encoding::Protobuf } else { Encoding::Json }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Encoding::Json => JSON,
            Encoding::Protobuf => protobuf::CONTENT_TYPE,
        }
    }

    pub(super) fn stream_content_type(self) -> &'static str {
        match self {
            Encoding::Json => JSON,
            Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }

    /// An object or a list.
    pub(super) fn object(self, object: &Value) -> Result<Vec<u8>, Misfit> {
        match self {
            Encoding::Json => Ok(object.to_string().into_bytes()),
            Encoding::Protobuf => protobuf::object(object),
        }
    }

    /// An event of a watch.
    pub(super) fn event(self, what: &str, object: Value) -> Result<Vec<u8>, Misfit> {
        match self {
            Encoding::Json => Ok(format!("{}\n", json!({ "type": what, "object": object })).into_bytes()),
            Encoding::Protobuf => Ok(protobuf::event(what, &protobuf::object(&object)?)),
        }
    }

    /// What a client has of an event when the connection breaks in the middle of it.
    pub(super) fn half_an_event(self) -> &'static [u8] {
        match self {
            Encoding::Json => b"{\"type\":\"ADDED\",\"obj",
            Encoding::Protobuf => b"\0\0\x01\0\x0a\x05ADDED\x12",
        }
    }
}
