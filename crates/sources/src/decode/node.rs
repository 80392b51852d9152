//! Nodes.

mod protobuf;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use model::{Kind, Node};
use prost::{DecodeError, Message as _};
use serde::Deserialize;

use super::address::{parse_host_ip, parse_range};
use super::field::{Field, objects};
use super::metadata::{Identified, Metadata};
use super::reader::Reader;
use super::{Decoded, Object, Outcome, Raw};
use crate::pool::Pool;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawNode {
    metadata: Field<Metadata>,
    spec: Field<Spec>,
    status: Field<Status>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    taints: Field<Vec<Field<Taint>>>,
    #[serde(rename = "podCIDR")]
    pod_cidr: Field<ByteString>,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Field<Vec<Field<ByteString>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Taint {
    key: Field<ByteString>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    addresses: Field<Vec<Field<Address>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    #[serde(rename = "type")]
    kind: Field<ByteString>,
    address: Field<ByteString>,
}

objects!(RawNode, Spec, Taint, Status, Address);

/// The cluster autoscaler's mark on a node that it is about to delete.
const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";

// === impl RawNode ===

impl Raw for RawNode {
    const KIND: Kind = Kind::Node;

    fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    fn from_protobuf(message: Bytes) -> Result<Self, DecodeError> {
        protobuf::Node::decode(message).map(Self::from)
    }

    fn of_metadata(metadata: Metadata) -> Self {
        RawNode { metadata: Field::Present(metadata), ..RawNode::default() }
    }

    fn decode(self, default_namespace: Option<&str>, pool: &mut Pool) -> Decoded {
        let identified = match Metadata::identify(self.metadata, Self::KIND, default_namespace, pool) {
            Ok(identified) => identified,
            Err(decoded) => return *decoded,
        };
        let Identified { key, mut reader, labels, is_deleted, .. } = identified;
        let mut node = Node::named(key.name);
        node.leaving = is_deleted;
        node.zone = reader
            .read("metadata.labels[topology.kubernetes.io/zone]", labels.zone)
            .filter(|zone| !zone.is_empty())
            .map(|zone| Arc::from(&*zone));
        if let Some(mut spec) = reader.read("spec", self.spec) {
            let taints = std::mem::take(&mut spec.taints);
            node.leaving |= has_taint(&mut reader, taints, TO_BE_DELETED);
            read_pod_cidrs(&mut reader, spec, &mut node);
        }
        if let Some(status) = reader.read("status", self.status) {
            read_addresses(&mut reader, status, &mut node);
        }
        reader.finish(Outcome::Object(Box::new(Object::Node(node))))
    }
}

fn has_taint(reader: &mut Reader, taints: Field<Vec<Field<Taint>>>, wanted: &str) -> bool {
    let taints = reader.read_list("spec.taints", taints);
    let key =
        |(index, taint): (usize, Taint)| reader.read(format_args!("spec.taints[{index}].key"), taint.key);
    taints.into_iter().filter_map(key).any(|key| key == wanted)
}

fn read_pod_cidrs(reader: &mut Reader, spec: Spec, node: &mut Node) {
    let mut texts: Vec<(String, ByteString)> = reader
        .read_list("spec.podCIDRs", spec.pod_cidrs)
        .into_iter()
        .map(|(index, text)| (format!("spec.podCIDRs[{index}]"), text))
        .collect();
    // The older field repeats the first element of the newer one.
    let single = reader.read("spec.podCIDR", spec.pod_cidr).filter(|text| !text.is_empty());
    if let (true, Some(text)) = (texts.is_empty(), single) {
        texts.push(("spec.podCIDR".to_owned(), text));
    }
    for (path, text) in texts {
        match parse_range(&text) {
            Ok(range) => node.pod_cidrs.push(range),
            Err(reason) => reader.complain(path, format_args!("{text:?} is {reason}; ignored")),
        }
    }
}

fn read_addresses(reader: &mut Reader, status: Status, node: &mut Node) {
    for (index, address) in reader.read_list("status.addresses", status.addresses) {
        let path = format!("status.addresses[{index}]");
        let kind = reader.read(format_args!("{path}.type"), address.kind);
        let text = reader.read(format_args!("{path}.address"), address.address);
        let list: &mut Vec<IpAddr> = match kind.as_deref() {
            Some("InternalIP") => &mut node.internal_addresses,
            Some("ExternalIP") => &mut node.external_addresses,
            // Host names are not resolved.
            _ => continue,
        };
        match parse_host_ip(text.as_deref().unwrap_or_default()) {
            Ok(ip) => list.push(ip),
            Err(reason) => {
                let text = text.unwrap_or_default();
                reader.complain(path, format_args!("{text:?} is {reason}; ignored"));
            }
        }
    }
}
