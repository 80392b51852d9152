//! Objects in protobuf, `application/vnd.kubernetes.protobuf`.
//!
//! The messages are those of Kubernetes' `generated.proto` files, reduced to the fields that are used; the others are
//! skipped by their length. A text is read as bytes first, so that one which is no UTF-8 fails alone, and nothing is
//! copied that is not kept.
//!
//! Go writes a field that is no pointer even if it is empty, which JSON leaves out; both are [`Field::Absent`] here.

use std::any::type_name;

use bytes::Bytes;
use bytestring::ByteString;
use prost::{DecodeError, Message};

use super::Raw;
use super::field::Field;
use super::metadata::Metadata;
use super::metadata::protobuf::ObjectMeta;

/// How every object begins, before its envelope.
pub(crate) const MAGIC: &[u8; 4] = b"k8s\0";

/// The envelope of an object: `runtime.Unknown`.
#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "bytes", tag = "2")]
    message: Bytes,
}

/// `runtime.TypeMeta`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TypeMeta {
    #[prost(string, tag = "2")]
    pub(crate) kind: String,
}

/// What all objects have in common.
#[derive(Clone, PartialEq, Message)]
struct Identity {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
}

/// Why bytes are no object in its envelope.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAnObject {
    #[error("not an object of Kubernetes in protobuf")]
    Unmarked,
    #[error(transparent)]
    Unreadable(#[from] DecodeError),
}

/// Opens the envelope of an object, which gives its kind and its message.
pub(crate) fn open(mut object: Bytes) -> Result<(String, Bytes), NotAnObject> {
    if !object.starts_with(MAGIC) {
        return Err(NotAnObject::Unmarked);
    }
    let envelope = Envelope::decode(object.split_off(MAGIC.len()))?;
    Ok((envelope.type_meta.unwrap_or_default().kind, envelope.message))
}

/// Reads an object without its envelope, whatever its shape.
pub(crate) fn object<R: Raw>(message: Bytes) -> Field<R> {
    R::from_protobuf(message.clone()).map_or_else(|error| unreadable(message, &error), Field::Present)
}

/// An object that cannot be read as a whole. If it still tells which one it is, its last good version stays in force.
fn unreadable<R: Raw>(message: Bytes, error: &DecodeError) -> Field<R> {
    let reason = error.to_string();
    match Identity::decode(message).ok().and_then(|identity| identity.metadata) {
        Some(metadata) => {
            let mut metadata = Metadata::from(metadata);
            metadata.unreadable = Some(reason);
            Field::Present(R::of_metadata(metadata))
        }
        None => Field::Malformed(reason),
    }
}

/// A text that is there, be it empty. It stays part of what was received.
pub(super) fn present(text: Bytes) -> Field<ByteString> {
    match ByteString::try_from(text) {
        Ok(text) => Field::Present(text),
        Err(error) => Field::Malformed(error.to_string()),
    }
}

/// A text whose absence looks like an empty one.
pub(super) fn text(text: Bytes) -> Field<ByteString> {
    if text.is_empty() { Field::Absent } else { present(text) }
}

/// A field that may be absent.
pub(super) fn optional<A, T>(value: Option<A>, read: impl FnOnce(A) -> Field<T>) -> Field<T> {
    value.map_or(Field::Absent, read)
}

/// A message within a message.
pub(super) fn message<A, T: From<A>>(message: Option<A>) -> Field<T> {
    optional(message, |message| Field::Present(message.into()))
}

/// A number, which may not be in the range that it should.
pub(super) fn number<T: TryFrom<i32>>(number: i32) -> Field<T> {
    match T::try_from(number) {
        Ok(number) => Field::Present(number),
        Err(_) => {
            let expected = type_name::<T>();
            Field::Malformed(format!("invalid value: integer `{number}`, expected {expected}"))
        }
    }
}

/// A number whose absence looks like zero.
pub(super) fn positive<T: TryFrom<i32>>(value: i32) -> Field<T> {
    if value == 0 { Field::Absent } else { number(value) }
}

/// A list, in which absence looks like an empty one.
pub(super) fn list<A, T>(elements: Vec<A>, read: impl FnMut(A) -> Field<T>) -> Field<Vec<Field<T>>> {
    match elements.is_empty() {
        true => Field::Absent,
        false => Field::Present(elements.into_iter().map(read).collect()),
    }
}

/// A list of messages.
pub(super) fn messages<A, T: From<A>>(messages: Vec<A>) -> Field<Vec<Field<T>>> {
    list(messages, |message| Field::Present(message.into()))
}
