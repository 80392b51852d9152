//! From Kubernetes' objects to the model.
//!
//! An object is first read into a slim struct (`Raw…`) in which every field stands for itself: a field of the
//! wrong shape is remembered as such and costs nothing else. The conversion then follows kube-proxy's rules,
//! and collects a [`Problem`] for whatever it has to leave out.

mod address;
mod field;
mod metadata;
mod node;
pub(crate) mod protobuf;
mod reader;
mod service;
mod slice;
#[cfg(test)]
pub(crate) mod tests;
mod time;

use bytes::Bytes;
use model::{Change, EndpointSlice, Kind, Node, ObjectKey, Problem, Service};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::reader::Subject;

pub(crate) use field::{Field, Shape};
pub(crate) use metadata::Metadata;
pub(crate) use node::RawNode;
pub(crate) use service::RawService;
pub(crate) use slice::RawSlice;

use crate::pool::Pool;

/// A kind of object as it is read from JSON, YAML or protobuf.
pub(crate) trait Raw: Shape + Clone + std::fmt::Debug + Send + 'static {
    /// What the API calls it.
    const KIND: Kind;

    /// `metadata`, if it has the right shape.
    fn metadata(&self) -> Option<&Metadata>;

    /// Namespace and name, if they are good.
    fn key(&self) -> Option<ObjectKey> {
        self.metadata()?.key(Self::KIND)
    }

    /// Reads an object in protobuf, without its envelope.
    fn from_protobuf(message: Bytes) -> Result<Self, prost::DecodeError>;

    /// An object of which only this is known.
    fn of_metadata(metadata: Metadata) -> Self;

    /// The conversion to the model. `default_namespace` stands in for an absent `metadata.namespace`;
    /// without it an object without a namespace is unusable. What objects have in common is kept in `pool`.
    fn decode(self, default_namespace: Option<&str>, pool: &mut Pool) -> Decoded;
}

/// What one object turned out to be.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    pub(crate) outcome: Outcome,
    pub(crate) problems: Vec<Problem>,
}

#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// An object of the model, perhaps without the fields that were complained about.
    Object(Box<Object>),
    /// The object exists but is not for this proxy, which is the same as not existing.
    NotSelected(ObjectKey),
    /// Nothing can be made of it. If it is known which object it is, the last good version stays in force.
    Unusable(Option<(Kind, ObjectKey)>),
}

/// An object of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    Service(Service),
    Slice(EndpointSlice),
    Node(Node),
}

/// Decodes an object of type `R`, whatever its shape.
pub(crate) fn decode<R: Raw>(raw: Field<R>, default_namespace: Option<&str>, pool: &mut Pool) -> Decoded {
    match raw {
        Field::Present(raw) => raw.decode(default_namespace, pool),
        Field::Absent => Decoded::shapeless(R::KIND, "it is empty"),
        Field::Malformed(reason) => Decoded::shapeless(R::KIND, &reason),
    }
}

/// Reads JSON text. serde's structs refuse a key that stands twice; in a tree the last one counts, as it does for Go,
/// so what they refuse gets this second chance.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    let read = match str::from_utf8(text) {
        // Cheaper than to check each string by itself.
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(text),
    };
    read.or_else(|error| {
        let tree: Option<Value> = serde_json::from_slice(text).ok();
        tree.and_then(|tree| T::deserialize(tree).ok()).ok_or(error)
    })
}

/// The change which says that an object is gone.
pub(crate) fn removal(kind: Kind, key: ObjectKey) -> Change {
    match kind {
        Kind::Service => Change::ServiceRemoved(key),
        Kind::EndpointSlice => Change::SliceRemoved(key),
        Kind::Node => Change::NodeRemoved(key.name),
    }
}

// === impl Decoded ===

impl Decoded {
    fn shapeless(kind: Kind, reason: &str) -> Self {
        let problem = Problem::new(
            format_args!("{kind} (name unknown)"),
            format_args!("not an object of this kind, ignored: {reason}"),
        );
        Decoded { outcome: Outcome::Unusable(None), problems: vec![problem] }
    }
}

// === impl Object ===

impl Object {
    /// Namespace and name; a Node has an empty namespace.
    pub(crate) fn key(&self) -> ObjectKey {
        match self {
            Object::Service(service) => service.key.clone(),
            Object::Slice(slice) => slice.key.clone(),
            Object::Node(node) => ObjectKey { namespace: "".into(), name: node.name.clone() },
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Object::Service(_) => Kind::Service,
            Object::Slice(_) => Kind::EndpointSlice,
            Object::Node(_) => Kind::Node,
        }
    }

    /// How messages call it.
    pub(crate) fn subject(&self) -> String {
        Subject::Named(self.kind(), self.key()).to_string()
    }

    /// The change which tells of this object.
    pub(crate) fn into_change(self) -> Change {
        match self {
            Object::Service(service) => Change::ServiceApplied(service),
            Object::Slice(slice) => Change::SliceApplied(slice),
            Object::Node(node) => Change::NodeApplied(node),
        }
    }
}
