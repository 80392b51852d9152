//! `k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta`.

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;

use super::{Annotations, Labels, Metadata};
use crate::decode::field::Field;
use crate::decode::protobuf::{optional, parsed, present, text};
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
            labels: Field::Present(read_labels(meta.labels)),
            annotations: Field::Present(read_annotations(meta.annotations)),
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

fn read_labels(entries: Vec<Entry>) -> Labels {
    let mut labels = Labels::default();
    for Entry { key, value } in entries {
        match &key[..] {
            b"service.kubernetes.io/service-proxy-name" => labels.has_other_proxy = true,
            b"service.kubernetes.io/headless" => labels.is_headless = true,
            b"kubernetes.io/service-name" => labels.service_name = present(value),
            b"topology.kubernetes.io/zone" => labels.zone = present(value),
            _ => {}
        }
    }
    labels
}

fn read_annotations(entries: Vec<Entry>) -> Annotations {
    let mut annotations = Annotations::default();
    for Entry { key, value } in entries {
        match &key[..] {
            b"kube-ipvs.io/scheduler" => annotations.scheduler = present(value),
            b"kube-ipvs.io/scheduler-flags" => annotations.scheduler_flags = present(value),
            b"kube-ipvs.io/weights" => annotations.weights = present(value),
            b"kube-ipvs.io/weight" => annotations.weight = present(value),
            b"endpoints.kubernetes.io/last-change-trigger-time" => annotations.trigger_time = parsed(value),
            b"kube-ipvs.io/drain-timeout" => annotations.drain_timeout = present(value),
            _ => {}
        }
    }
    annotations
}
