//! EndpointSlices (discovery.k8s.io/v1).

mod protobuf;

use std::fmt::Arguments;
use std::net::IpAddr;
use std::num::NonZeroI64;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use model::{Endpoint, EndpointSlice, Family, Kind, ObjectKey, SlicePort, Topology};
use prost::{DecodeError, Message as _};
use serde::Deserialize;

use super::address::parse_host_ip;
use super::field::{Field, objects};
use super::metadata::{Identified, Metadata};
use super::reader::Reader;
use super::service::read_protocol;
use super::time::Time;
use super::{Decoded, Object, Outcome, Raw};
use crate::pool::Pool;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawSlice {
    metadata: Field<Metadata>,
    address_type: Field<ByteString>,
    ports: Field<Vec<Field<RawPort>>>,
    endpoints: Field<Vec<Field<RawEndpoint>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RawPort {
    name: Field<ByteString>,
    protocol: Field<ByteString>,
    port: Field<u16>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawEndpoint {
    addresses: Field<Vec<Field<ByteString>>>,
    conditions: Field<Conditions>,
    node_name: Field<ByteString>,
    zone: Field<ByteString>,
    hints: Field<Hints>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Field<bool>,
    serving: Field<bool>,
    terminating: Field<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Hints {
    for_zones: Field<Vec<Field<Hint>>>,
    for_nodes: Field<Vec<Field<Hint>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Hint {
    name: Field<ByteString>,
}

objects!(RawSlice, RawPort, RawEndpoint, Conditions, Hints, Hint);

// === impl RawSlice ===

impl Raw for RawSlice {
    const KIND: Kind = Kind::EndpointSlice;

    fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    fn from_protobuf(message: Bytes) -> Result<Self, DecodeError> {
        protobuf::EndpointSlice::decode(message).map(Self::from)
    }

    fn of_metadata(metadata: Metadata) -> Self {
        RawSlice { metadata: Field::Present(metadata), ..RawSlice::default() }
    }

    fn decode(self, default_namespace: Option<&str>, pool: &mut Pool) -> Decoded {
        let identified = match Metadata::identify(self.metadata, Self::KIND, default_namespace, pool) {
            Ok(identified) => identified,
            Err(decoded) => return *decoded,
        };
        let Identified { key, mut reader, labels, annotations, .. } = identified;
        if labels.is_headless {
            return reader.finish(Outcome::NotSelected(key));
        }
        let service = match labels.service_name {
            Field::Present(name) if !name.is_empty() => name,
            Field::Malformed(reason) => return without_service(reader, key, &reason),
            Field::Present(_) | Field::Absent => return without_service(reader, key, "missing"),
        };
        let family = match read_address_type(self.address_type) {
            Ok(Some(family)) => family,
            Ok(None) => return reader.finish(Outcome::NotSelected(key)),
            Err(reason) => return reader.give_up(Some((Self::KIND, key)), "addressType", reason),
        };
        let slice = EndpointSlice {
            ports: reader
                .read_each("ports", self.ports, |reader, index, port| read_port(reader, pool, index, port)),
            endpoints: reader.read_each("endpoints", self.endpoints, |reader, index, endpoint| {
                read_endpoint(reader, pool, index, endpoint, family)
            }),
            triggered: read_trigger_time(&mut reader, annotations.trigger_time),
            weight: reader
                .read("metadata.annotations[kube-ipvs.io/weight]", annotations.weight)
                .map(|weight| Arc::from(&*weight)),
            key,
            service: Arc::from(&*service),
            family,
        };
        reader.finish(Outcome::Object(Box::new(Object::Slice(slice))))
    }
}

fn read_trigger_time(reader: &mut Reader, field: Field<Time>) -> Option<NonZeroI64> {
    let path = "metadata.annotations[endpoints.kubernetes.io/last-change-trigger-time]";
    let Time(time) = reader.read(path, field)?;
    NonZeroI64::new(time.as_millisecond())
}

fn without_service(mut reader: Reader, key: ObjectKey, reason: &str) -> Decoded {
    let path = "metadata.labels[kubernetes.io/service-name]";
    reader.complain(path, format_args!("{reason}, so the slice belongs to no Service; it is not used"));
    reader.finish(Outcome::NotSelected(key))
}

/// The family of the addresses; none for host names, which no proxy resolves.
fn read_address_type(field: Field<ByteString>) -> Result<Option<Family>, String> {
    match field {
        Field::Absent => Err("missing".to_owned()),
        Field::Malformed(reason) => Err(reason),
        Field::Present(text) => match &*text {
            "FQDN" => Ok(None),
            name => match Family::named(name) {
                Some(family) => Ok(Some(family)),
                None => Err(format!("{name:?} is none of IPv4, IPv6 and FQDN")),
            },
        },
    }
}

/// An absent name is not the empty name: the API server writes `name: ""` for an unnamed port.
fn read_port(reader: &mut Reader, pool: &mut Pool, index: usize, raw: RawPort) -> Option<SlicePort> {
    let path = format_args!("ports[{index}]");
    let name = match raw.name {
        Field::Absent => {
            let reason = "missing, the port is ignored; an unnamed port is written with name: \"\"";
            reader.complain(format_args!("{path}.name"), reason);
            return None;
        }
        name => reader.read(format_args!("{path}.name"), name)?,
    };
    let protocol = read_protocol(reader, path, raw.protocol)?;
    match raw.port {
        Field::Present(0) | Field::Absent => {
            reader.complain(format_args!("{path}.port"), "missing or 0; the port is ignored");
            None
        }
        port => {
            let port = reader.read(format_args!("{path}.port"), port)?;
            Some(SlicePort { name: pool.text(&name), protocol, port })
        }
    }
}

fn read_endpoint(
    reader: &mut Reader,
    pool: &mut Pool,
    index: usize,
    raw: RawEndpoint,
    family: Family,
) -> Option<Endpoint> {
    let path = format_args!("endpoints[{index}]");
    let address = read_address(reader, path, raw.addresses, family)?;
    let conditions = reader.read(format_args!("{path}.conditions"), raw.conditions).unwrap_or_default();
    let hints = reader.read(format_args!("{path}.hints"), raw.hints).unwrap_or_default();
    let topology = Topology {
        node: read_text(reader, pool, format_args!("{path}.nodeName"), raw.node_name),
        zone: read_text(reader, pool, format_args!("{path}.zone"), raw.zone),
        zone_hints: read_hints(reader, pool, format_args!("{path}.hints.forZones"), hints.for_zones),
        node_hints: read_hints(reader, pool, format_args!("{path}.hints.forNodes"), hints.for_nodes),
    };
    let mut condition = |name: &str, field, default| {
        reader.read(format_args!("{path}.conditions.{name}"), field).unwrap_or(default)
    };
    Some(Endpoint {
        address,
        ready: condition("ready", conditions.ready, true),
        serving: condition("serving", conditions.serving, true),
        terminating: condition("terminating", conditions.terminating, false),
        topology: pool.topology(topology),
    })
}

/// The first address; the API gives the others no meaning.
fn read_address(
    reader: &mut Reader,
    path: Arguments<'_>,
    field: Field<Vec<Field<ByteString>>>,
    family: Family,
) -> Option<IpAddr> {
    let addresses = reader.read(format_args!("{path}.addresses"), field)?;
    let path = format_args!("{path}.addresses[0]");
    let text = match addresses.into_iter().next() {
        None | Some(Field::Absent) => {
            reader.complain(path, "missing; the endpoint is ignored");
            return None;
        }
        Some(first) => reader.read(path, first)?,
    };
    match parse_host_ip(&text) {
        Ok(ip) if Family::of(&ip) == family => Some(ip),
        Ok(_) => {
            let reason = format_args!("{text:?} is not an {family} address; the endpoint is ignored");
            reader.complain(path, reason);
            None
        }
        Err(reason) => {
            reader.complain(path, format_args!("{text:?} is {reason}; the endpoint is ignored"));
            None
        }
    }
}

fn read_text(
    reader: &mut Reader,
    pool: &mut Pool,
    path: Arguments<'_>,
    field: Field<ByteString>,
) -> Option<Arc<str>> {
    let text = reader.read(path, field).filter(|text| !text.is_empty())?;
    Some(pool.text(&text))
}

fn read_hints(
    reader: &mut Reader,
    pool: &mut Pool,
    path: Arguments<'_>,
    field: Field<Vec<Field<Hint>>>,
) -> Vec<Arc<str>> {
    reader.read_each(path, field, |reader, index, hint| {
        read_text(reader, pool, format_args!("{path}[{index}].name"), hint.name)
    })
}
