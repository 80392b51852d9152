//! `metadata`, reduced to what is used.

pub(super) mod protobuf;

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use model::{Kind, ObjectKey};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::Decoded;
use super::field::{Field, objects};
use super::reader::{Reader, Subject};
use super::time::Time;
use crate::pool::Pool;

/// A longer name is no name: Kubernetes' limit for the names of objects.
const LONGEST_NAME: usize = 253;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    name: Field<ByteString>,
    namespace: Field<ByteString>,
    pub(crate) resource_version: Field<ByteString>,
    uid: Field<ByteString>,
    creation_timestamp: Field<Time>,
    deletion_timestamp: Field<Time>,
    labels: Field<Labels>,
    annotations: Field<Annotations>,
    /// Why the rest of the object cannot be read.
    #[serde(skip)]
    pub(super) unreadable: Option<String>,
}

/// The labels that mean something to a service proxy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Labels {
    /// Present with any value: another proxy serves this Service.
    #[serde(rename = "service.kubernetes.io/service-proxy-name", deserialize_with = "present")]
    pub(super) has_other_proxy: bool,
    /// Present with any value: the slice belongs to a headless Service.
    #[serde(rename = "service.kubernetes.io/headless", deserialize_with = "present")]
    pub(super) is_headless: bool,
    #[serde(rename = "kubernetes.io/service-name")]
    pub(super) service_name: Field<ByteString>,
    #[serde(rename = "topology.kubernetes.io/zone")]
    pub(super) zone: Field<ByteString>,
}

/// The annotations that this proxy reads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations {
    #[serde(rename = "kube-ipvs.io/scheduler")]
    pub(super) scheduler: Field<ByteString>,
    #[serde(rename = "kube-ipvs.io/scheduler-flags")]
    pub(super) scheduler_flags: Field<ByteString>,
    #[serde(rename = "kube-ipvs.io/weights")]
    pub(super) weights: Field<ByteString>,
    #[serde(rename = "kube-ipvs.io/weight")]
    pub(super) weight: Field<ByteString>,
    /// When the first of the changes happened that the slice tells of, as the EndpointSlice controller writes it.
    #[serde(rename = "endpoints.kubernetes.io/last-change-trigger-time")]
    pub(super) trigger_time: Field<Time>,
    #[serde(rename = "kube-ipvs.io/drain-timeout")]
    pub(super) drain_timeout: Field<ByteString>,
}

objects!(Metadata, Labels, Annotations);

/// What every conversion starts from: who the object is.
pub(super) struct Identified {
    pub(super) key: ObjectKey,
    pub(super) reader: Reader,
    pub(super) uid: Option<Arc<str>>,
    pub(super) created: Option<i64>,
    /// Whether it was asked to delete the object; something still holds it.
    pub(super) is_deleted: bool,
    pub(super) labels: Labels,
    pub(super) annotations: Annotations,
}

/// A name or namespace that does not look like one.
struct NotAName<'a>(&'a str);

// === impl Metadata ===

impl Metadata {
    /// The object's key, if it has a good one.
    pub(super) fn key(&self, kind: Kind) -> Option<ObjectKey> {
        let name = valid_name(&self.name, None).ok()?.into();
        let namespace = valid_namespace(&self.namespace, kind, None).ok()?.into();
        Some(ObjectKey { namespace, name })
    }

    /// Reads names, labels and annotations; fails if the object cannot be named.
    pub(super) fn identify(
        metadata: Field<Metadata>,
        kind: Kind,
        default_namespace: Option<&str>,
        pool: &mut Pool,
    ) -> Result<Identified, Box<Decoded>> {
        let unnamed = || Reader::new(Subject::Described(format!("{kind} (name unknown)")));
        let metadata = match metadata {
            Field::Present(metadata) => metadata,
            Field::Absent => return Err(Box::new(unnamed().give_up(None, "metadata", "missing"))),
            Field::Malformed(reason) => return Err(Box::new(unnamed().give_up(None, "metadata", reason))),
        };
        let name = valid_name(&metadata.name, None)
            .map_err(|reason| Box::new(unnamed().give_up(None, "metadata.name", reason)))?;
        let namespace = valid_namespace(&metadata.namespace, kind, default_namespace).map_err(|reason| {
            let reader = Reader::new(Subject::Described(format!("{kind} (namespace unknown)/{name}")));
            Box::new(reader.give_up(None, "metadata.namespace", reason))
        })?;
        let key = ObjectKey { namespace: pool.text(namespace), name: name.into() };
        let mut reader = Reader::new(Subject::Named(kind, key.clone()));
        if let Some(reason) = metadata.unreadable {
            return Err(Box::new(reader.give_up(Some((kind, key)), "the object", reason)));
        }
        Ok(Identified {
            uid: reader
                .read("metadata.uid", metadata.uid)
                .filter(|uid| !uid.is_empty())
                .map(|uid| Arc::from(&*uid)),
            created: reader
                .read("metadata.creationTimestamp", metadata.creation_timestamp)
                .map(|Time(time)| time.as_second()),
            is_deleted: reader.read("metadata.deletionTimestamp", metadata.deletion_timestamp).is_some(),
            labels: reader.read("metadata.labels", metadata.labels).unwrap_or_default(),
            annotations: reader.read("metadata.annotations", metadata.annotations).unwrap_or_default(),
            key,
            reader,
        })
    }
}

fn valid_namespace<'a>(
    field: &'a Field<ByteString>,
    kind: Kind,
    default: Option<&'a str>,
) -> Result<&'a str, String> {
    match kind {
        Kind::Node => Ok(""),
        Kind::Service | Kind::EndpointSlice => valid_name(field, default),
    }
}

/// Names go into kernel tables' listings, file formats and metrics, so they have to look like the names that
/// Kubernetes allows.
fn valid_name<'a>(field: &'a Field<ByteString>, default: Option<&'a str>) -> Result<&'a str, String> {
    let name = match (field, default) {
        (Field::Present(name), _) if !name.is_empty() => name,
        (Field::Present(_) | Field::Absent, Some(default)) => default,
        (Field::Present(_) | Field::Absent, None) => return Err("missing".to_owned()),
        (Field::Malformed(reason), _) => return Err(reason.clone()),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    match name.len() <= LONGEST_NAME && name.chars().all(allowed) {
        true => Ok(name),
        false => Err(NotAName(name).to_string()),
    }
}

/// A label that counts even when its value is empty or null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

// === impl NotAName ===

impl fmt::Display for NotAName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotAName(name) = self;
        let start: String = name.chars().take(80).collect();
        write!(f, "{start:?} is not a name (letters, digits, '-' and '.', at most {LONGEST_NAME})")
    }
}
