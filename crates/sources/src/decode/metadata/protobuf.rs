//! `k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta`.

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use serde::de::value::MapDeserializer;

use super::Metadata;
use crate::decode::field::{Field, Shape};
use crate::decode::protobuf::{optional, text};
use crate::decode::time;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ObjectMeta {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    namespace: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    uid: Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    resource_version: Bytes,
    #[prost(message, optional, tag = "8")]
    creation_timestamp: Option<Time>,
    #[prost(message, optional, tag = "9")]
    deletion_timestamp: Option<Time>,
    #[prost(message, repeated, tag = "11")]
    labels: Vec<Entry>,
    #[prost(message, repeated, tag = "12")]
    annotations: Vec<Entry>,
}

/// An empty message is Go's zero time, which is none.
#[derive(Clone, Copy, PartialEq, Message)]
struct Time {
    #[prost(int64, optional, tag = "1")]
    seconds: Option<i64>,
}

/// A key and its value in a map.
#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

// === impl Metadata ===

impl From<ObjectMeta> for Metadata {
    fn from(meta: ObjectMeta) -> Self {
        Metadata {
            name: text(meta.name),
            namespace: text(meta.namespace),
            resource_version: text(meta.resource_version),
            uid: text(meta.uid),
            creation_timestamp: optional(meta.creation_timestamp, read_time),
            deletion_timestamp: optional(meta.deletion_timestamp, read_time),
            labels: read_map(&meta.labels),
            annotations: read_map(&meta.annotations),
            unreadable: None,
        }
    }
}

fn read_time(time: Time) -> Field<time::Time> {
    let Some(seconds) = time.seconds else { return Field::Absent };
    match Timestamp::from_second(seconds) {
        Ok(time) => Field::Present(time::Time(time)),
        Err(reason) => Field::Malformed(format!("{seconds} is not a time ({reason})")),
    }
}

/// A map of texts. It is read as the one in JSON is, so that the names of labels and annotations stand in one place.
fn read_map<T: Shape>(entries: &[Entry]) -> Field<T> {
    let entries = entries.iter().map(|Entry { key, value }| (&key[..], &value[..]));
    match T::deserialize(MapDeserializer::<_, serde_json::Error>::new(entries)) {
        Ok(map) => Field::Present(map),
        Err(error) => Field::Malformed(error.to_string()),
    }
}
