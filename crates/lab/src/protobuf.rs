//! Writing objects as an API server does in `application/vnd.kubernetes.protobuf`.

mod object;

use hyper::HeaderMap;
use hyper::header::ACCEPT;
use prost::encoding::{WireType, encode_key, encode_varint};

pub use self::object::{Misfit, object};

/// What asks for objects in protobuf, and what an answer in it says.
pub const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// How every object begins, before its envelope.
const MAGIC: &[u8] = b"k8s\0";

/// A message that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<u8>);

// === impl Message ===

impl Message {
    /// Adds a field that is a text.
    pub fn text(&mut self, number: u32, text: &str) -> &mut Self {
        self.bytes(number, text.as_bytes())
    }

    /// Adds a field that is a number or a truth value.
    pub fn number(&mut self, number: u32, value: i64) -> &mut Self {
        encode_key(number, WireType::Varint, &mut self.0);
        // A negative number is written as if it had no sign.
        encode_varint(value.cast_unsigned(), &mut self.0);
        self
    }

    /// Adds a field that is a message.
    pub fn message(&mut self, number: u32, message: &Message) -> &mut Self {
        self.bytes(number, &message.0)
    }

    /// Adds a field that is a message, which `write` fills.
    pub fn nested(&mut self, number: u32, write: impl FnOnce(&mut Message)) -> &mut Self {
        let mut message = Message::default();
        write(&mut message);
        self.message(number, &message)
    }

    /// Puts the message into the envelope of an object.
    pub fn in_envelope(&self, api_version: &str, kind: &str) -> Vec<u8> {
        let mut envelope = Message(MAGIC.to_vec());
        envelope.nested(1, |meta| {
            meta.text(1, api_version).text(2, kind);
        });
        envelope.message(2, self).text(3, "").text(4, "");
        envelope.0
    }

    fn bytes(&mut self, number: u32, value: &[u8]) -> &mut Self {
        encode_key(number, WireType::LengthDelimited, &mut self.0);
        encode_varint(value.len() as u64, &mut self.0);
        self.0.extend_from_slice(value);
        self
    }
}

/// Whether a client likes protobuf best, by the header `Accept` of its request.
pub fn is_preferred(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|accepted| accepted.to_str().ok()).unwrap_or_default();
    accepted.split(',').next().map(str::trim) == Some(CONTENT_TYPE)
}

/// An event of a watch, with the length before it. `kind` is such as `ADDED`; the object is in its envelope.
pub fn event(kind: &str, object: &[u8]) -> Vec<u8> {
    let mut event = Message::default();
    event.text(1, kind).nested(2, |extension| {
        extension.bytes(1, object);
    });
    let length = u32::try_from(event.0.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &event.0].concat()
}
