//! EndpointSlices, reduced to the fields that a service proxy uses.

use std::net::IpAddr;
use std::num::NonZeroI64;
use std::sync::Arc;

use crate::{Family, ObjectKey, Protocol};

/// One EndpointSlice: a share of the endpoints of one Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointSlice {
    /// Namespace and name of the slice itself.
    pub key: ObjectKey,
    /// Name of the owning Service (label `kubernetes.io/service-name`), in the slice's namespace.
    pub service: Arc<str>,
    /// `addressType`.
    pub family: Family,
    /// `ports`, those with a name and a number.
    pub ports: Vec<SlicePort>,
    /// `endpoints`, those with a usable first address.
    pub endpoints: Vec<Endpoint>,
    /// Annotation `kube-ipvs.io/weight` as text; it holds for every endpoint of the slice.
    pub weight: Option<Arc<str>>,
    /// When the first of the changes happened that this version of the slice tells of, in milliseconds since 1970
    /// (annotation `endpoints.kubernetes.io/last-change-trigger-time`). It is a part of the news, not of the state,
    /// so the store leaves it out.
    pub triggered: Option<NonZeroI64>,
}

/// A port on which every endpoint of a slice serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlicePort {
    /// Matches the name of a Service port.
    pub name: Arc<str>,
    /// Matches the protocol of a Service port.
    pub protocol: Protocol,
    /// The port number at the endpoint.
    pub port: u16,
}

/// One endpoint, usually a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The first of its addresses; the API gives the others no meaning.
    pub address: IpAddr,
    /// Condition `ready`; absent means true.
    pub ready: bool,
    /// Condition `serving`; absent means true.
    pub serving: bool,
    /// Condition `terminating`; absent means false.
    pub terminating: bool,
    /// Where it runs and who should use it. Endpoints that agree in this share it: there are millions of them,
    /// in a few thousand places.
    pub topology: Arc<Topology>,
}

/// The place of an endpoint in the cluster, and for which places it is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Topology {
    /// `nodeName`: the node it runs on.
    pub node: Option<Arc<str>>,
    /// `zone`: the zone it runs in.
    pub zone: Option<Arc<str>>,
    /// `hints.forZones`: the zones that should use it.
    pub zone_hints: Vec<Arc<str>>,
    /// `hints.forNodes`: the nodes that should use it.
    pub node_hints: Vec<Arc<str>>,
}

// === impl EndpointSlice ===

impl EndpointSlice {
    /// The Service that this slice belongs to.
    pub fn service_key(&self) -> ObjectKey {
        ObjectKey { namespace: self.key.namespace.clone(), name: self.service.clone() }
    }
}
