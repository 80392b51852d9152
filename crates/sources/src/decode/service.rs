//! Services.

mod addresses;
mod protobuf;
mod raw;

use std::fmt::Arguments;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use model::{Kind, Protocol, SchedulingHints, Service, ServiceKind, ServicePort, TrafficPolicy};
use prost::{DecodeError, Message as _};

pub(crate) use raw::RawService;

use self::addresses::{cluster_ips, external_ips, load_balancer_ips, source_ranges};
use self::raw::{RawPort, Spec};
use super::field::Field;
use super::metadata::{Annotations, Identified, Metadata};
use super::reader::Reader;
use super::{Decoded, Object, Outcome, Raw};
use crate::pool::Pool;
use model::duration;

/// `sessionAffinityConfig.clientIP.timeoutSeconds` where it is absent: three hours, as the API server fills in.
const DEFAULT_AFFINITY_SECONDS: u32 = 10800;

// === impl RawService ===

impl Raw for RawService {
    const KIND: Kind = Kind::Service;

    fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    fn from_protobuf(message: Bytes) -> Result<Self, DecodeError> {
        protobuf::Service::decode(message).map(Self::from)
    }

    fn of_metadata(metadata: Metadata) -> Self {
        RawService { metadata: Field::Present(metadata), ..RawService::default() }
    }

    fn decode(self, default_namespace: Option<&str>, pool: &mut Pool) -> Decoded {
        let identified = match Metadata::identify(self.metadata, Self::KIND, default_namespace, pool) {
            Ok(identified) => identified,
            Err(decoded) => return *decoded,
        };
        let Identified { key, mut reader, uid, created, labels, mut annotations, .. } = identified;
        if labels.has_other_proxy {
            return reader.finish(Outcome::NotSelected(key));
        }
        let mut spec = match self.spec {
            Field::Present(spec) => spec,
            Field::Absent => return reader.give_up(Some((Self::KIND, key)), "spec", "missing"),
            Field::Malformed(reason) => return reader.give_up(Some((Self::KIND, key)), "spec", reason),
        };
        let kind = read_kind(&mut reader, std::mem::take(&mut spec.kind));
        let headless = matches!(&spec.cluster_ip, Field::Present(ip) if ip == "None");
        if kind == ServiceKind::ExternalName || headless {
            return reader.finish(Outcome::NotSelected(key));
        }
        let external_policy = read_policy(
            &mut reader,
            "spec.externalTrafficPolicy",
            std::mem::take(&mut spec.external_traffic_policy),
        );
        let service = Service {
            uid,
            created,
            kind,
            cluster_ips: cluster_ips(&mut reader, &mut spec),
            ports: reader.read_each("spec.ports", std::mem::take(&mut spec.ports), |reader, index, port| {
                read_port(reader, pool, index, port)
            }),
            external_ips: external_ips(&mut reader, std::mem::take(&mut spec.external_ips)),
            load_balancer_ips: load_balancer_ips(&mut reader, self.status),
            source_ranges: source_ranges(&mut reader, std::mem::take(&mut spec.load_balancer_source_ranges)),
            external_policy,
            internal_policy: read_policy(
                &mut reader,
                "spec.internalTrafficPolicy",
                std::mem::take(&mut spec.internal_traffic_policy),
            ),
            affinity_seconds: read_affinity(&mut reader, &mut spec),
            health_check_node_port: read_health_check_port(&mut reader, kind, external_policy, &mut spec),
            drain_timeout: read_drain_timeout(&mut reader, std::mem::take(&mut annotations.drain_timeout)),
            scheduling: read_scheduling(&mut reader, annotations),
            key,
        };
        reader.finish(Outcome::Object(Box::new(Object::Service(service))))
    }
}

fn read_kind(reader: &mut Reader, field: Field<ByteString>) -> ServiceKind {
    match reader.read("spec.type", field).as_deref() {
        None | Some("" | "ClusterIP") => ServiceKind::ClusterIp,
        Some("NodePort") => ServiceKind::NodePort,
        Some("LoadBalancer") => ServiceKind::LoadBalancer,
        Some("ExternalName") => ServiceKind::ExternalName,
        Some(other) => {
            reader.complain("spec.type", format_args!("{other:?} is unknown; taken as ClusterIP"));
            ServiceKind::ClusterIp
        }
    }
}

fn read_policy(reader: &mut Reader, path: &str, field: Field<ByteString>) -> TrafficPolicy {
    match reader.read(path, field).as_deref() {
        None | Some("" | "Cluster") => TrafficPolicy::Cluster,
        Some("Local") => TrafficPolicy::Local,
        Some(other) => {
            reader.complain(path, format_args!("{other:?} is unknown; taken as Cluster"));
            TrafficPolicy::Cluster
        }
    }
}

fn read_port(reader: &mut Reader, pool: &mut Pool, index: usize, raw: RawPort) -> Option<ServicePort> {
    let path = format_args!("spec.ports[{index}]");
    // A malformed name or protocol must not make this port pass for another one.
    if matches!(raw.name, Field::Malformed(_)) {
        reader.read(format_args!("{path}.name"), raw.name);
        return None;
    }
    let protocol = read_protocol(reader, path, raw.protocol)?;
    let port = match raw.port {
        Field::Present(0) | Field::Absent => {
            reader.complain(format_args!("{path}.port"), "missing or 0; the port is ignored");
            return None;
        }
        port => reader.read(format_args!("{path}.port"), port)?,
    };
    Some(ServicePort {
        name: pool.text(raw.name.as_ref().map_or("", |name| name)),
        protocol,
        port,
        node_port: reader.read(format_args!("{path}.nodePort"), raw.node_port).filter(|port| *port != 0),
    })
}

/// `protocol`; absent means TCP. An unknown one costs the port, hence `None`.
pub(super) fn read_protocol(
    reader: &mut Reader,
    path: Arguments<'_>,
    field: Field<ByteString>,
) -> Option<Protocol> {
    let text = match field {
        Field::Absent => return Some(Protocol::Tcp),
        field => reader.read(format_args!("{path}.protocol"), field)?,
    };
    match &*text {
        "" | "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        other => {
            let reason = format_args!("{other:?} is none of TCP, UDP and SCTP; the port is ignored");
            reader.complain(format_args!("{path}.protocol"), reason);
            None
        }
    }
}

fn read_affinity(reader: &mut Reader, spec: &mut Spec) -> Option<u32> {
    match reader.read("spec.sessionAffinity", std::mem::take(&mut spec.session_affinity)).as_deref() {
        None | Some("" | "None") => return None,
        Some("ClientIP") => (),
        Some(other) => {
            reader.complain("spec.sessionAffinity", format_args!("{other:?} is unknown; taken as None"));
            return None;
        }
    }
    let config = std::mem::take(&mut spec.session_affinity_config);
    let client_ip = reader.read("spec.sessionAffinityConfig", config).unwrap_or_default().client_ip;
    let timeout =
        reader.read("spec.sessionAffinityConfig.clientIP", client_ip).unwrap_or_default().timeout_seconds;
    let path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
    match reader.read(path, timeout) {
        Some(0) => {
            reader.complain(path, format_args!("0 is not a timeout; {DEFAULT_AFFINITY_SECONDS} is used"));
            Some(DEFAULT_AFFINITY_SECONDS)
        }
        timeout => Some(timeout.unwrap_or(DEFAULT_AFFINITY_SECONDS)),
    }
}

fn read_health_check_port(
    reader: &mut Reader,
    kind: ServiceKind,
    policy: TrafficPolicy,
    spec: &mut Spec,
) -> Option<u16> {
    let path = "spec.healthCheckNodePort";
    let port = reader.read(path, std::mem::take(&mut spec.health_check_node_port)).filter(|port| *port != 0);
    if kind != ServiceKind::LoadBalancer || policy != TrafficPolicy::Local {
        return None;
    }
    if port.is_none() {
        reader.complain(path, "missing or 0, so load balancers cannot ask this node for its health");
    }
    port
}

fn read_drain_timeout(reader: &mut Reader, field: Field<ByteString>) -> Option<Duration> {
    let path = "metadata.annotations[kube-ipvs.io/drain-timeout]";
    let text = reader.read(path, field)?;
    match duration::parse(&text) {
        Ok(timeout) => Some(timeout),
        Err(reason) => {
            reader.complain(path, format_args!("{reason}; the proxy's own limit applies"));
            None
        }
    }
}

fn read_scheduling(reader: &mut Reader, annotations: Annotations) -> SchedulingHints {
    let mut read = |name: &str, field: Field<ByteString>| {
        let text = reader.read(format_args!("metadata.annotations[kube-ipvs.io/{name}]"), field)?;
        Some(Arc::from(&*text))
    };
    SchedulingHints {
        scheduler: read("scheduler", annotations.scheduler),
        flags: read("scheduler-flags", annotations.scheduler_flags),
        weights: read("weights", annotations.weights),
    }
}
