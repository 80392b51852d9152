//! Made-up Services and EndpointSlices, with the fields that an API server sends.
//!
//! Each form is written directly. To make protobuf from JSON, as the lab's API server does, takes three times as long,
//! which would be measured instead of the client, and leaves out what proxies do not read.

mod json;
mod parts;
mod protobuf;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The namespace of all of them.
const NAMESPACE: &str = "bench";

/// Most endpoints that one slice holds, as the slices of the EndpointSlice controller do.
const SLICE: u32 = 100;

/// Every pod runs on one of so many nodes.
const NODES: u32 = 100;

/// The first cluster IP and the first address of a pod.
const CLUSTER_IPS: u32 = u32::from_be_bytes([10, 64, 0, 0]);
const POD_IPS: u32 = u32::from_be_bytes([10, 128, 0, 0]);

/// So many Services, each with its share of the pods.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) services: u32,
    pub(crate) endpoints: u32,
    /// Services that have other pods than their usual share.
    pub(crate) exceptions: BTreeMap<u32, Pods>,
}

/// An object that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// A Service.
    Service(u32),
    /// One of the EndpointSlices of a Service.
    Slice { service: u32, index: u32, pods: Pods },
}

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Protobuf,
}

/// Consecutive pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pods {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

// === impl Objects ===

impl Objects {
    /// Every Service.
    pub(crate) fn services(&self) -> impl Iterator<Item = Object> + use<> {
        (0..self.services).map(Object::Service)
    }

    /// Every EndpointSlice.
    pub(crate) fn slices(&self) -> impl Iterator<Item = Object> + use<> {
        let objects = self.clone();
        (0..objects.services).flat_map(move |service| objects.slices_of(service))
    }

    /// The EndpointSlices of one Service.
    pub(crate) fn slices_of(&self, service: u32) -> Vec<Object> {
        let pods = self.pods(service);
        // A slice that has lost its endpoints is still told of.
        let slices = pods.count.div_ceil(SLICE).max(self.endpoints.div_ceil(SLICE)).max(1);
        let of_slice = |index: u32| {
            let first = index * SLICE;
            let count = pods.count.saturating_sub(first).min(SLICE);
            Object::Slice { service, index, pods: Pods { first: pods.first + first, count } }
        };
        (0..slices).map(of_slice).collect()
    }

    fn pods(&self, index: u32) -> Pods {
        let usual = Pods { first: index * self.endpoints, count: self.endpoints };
        self.exceptions.get(&index).copied().unwrap_or(usual)
    }
}

// === impl Form ===

impl Form {
    /// The event of a watch which tells of `object`.
    pub(crate) fn event(self, what: &str, object: Object, version: u64) -> Vec<u8> {
        match self {
            Form::Json => json::event(what, &json::object(object, version)),
            Form::Protobuf => lab::protobuf::event(what, &protobuf::object(object, version)),
        }
    }

    /// The bookmark that ends the initial part of a streaming list of `kind`.
    pub(crate) fn bookmark(self, api_version: &str, kind: &str, version: u64) -> Vec<u8> {
        match self {
            Form::Json => json::event("BOOKMARK", &json::bookmark(api_version, kind, version)),
            Form::Protobuf => {
                lab::protobuf::event("BOOKMARK", &protobuf::bookmark(api_version, kind, version))
            }
        }
    }
}

/// The address of pod number `index`.
pub(crate) fn pod_ip(index: u32) -> Ipv4Addr {
    Ipv4Addr::from(POD_IPS + 1 + index)
}

/// The address of Service number `index`.
pub(crate) fn cluster_ip(index: u32) -> Ipv4Addr {
    Ipv4Addr::from(CLUSTER_IPS + 1 + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(objects: &Objects) -> Vec<Pods> {
        let pods = |object| match object {
            Object::Slice { pods, .. } => pods,
            Object::Service(_) => panic!("a Service among slices"),
        };
        objects.slices().map(pods).collect()
    }

    #[test]
    fn a_service_has_its_share_of_the_pods_and_no_slice_has_too_many() {
        let mut objects = Objects { services: 3, endpoints: 2, ..Objects::default() };
        objects.exceptions.insert(1, Pods { first: 1000, count: 150 });
        let expected = [(0, 2), (1000, 100), (1100, 50), (4, 2)];
        assert_eq!(pods(&objects), expected.map(|(first, count)| Pods { first, count }));
        assert_eq!(objects.services().count(), 3);
    }

    #[test]
    fn a_slice_that_becomes_empty_is_told_of() {
        let mut objects = Objects { services: 1, endpoints: 250, ..Objects::default() };
        objects.exceptions.insert(0, Pods { first: 0, count: 0 });
        assert_eq!(pods(&objects).len(), 3);
    }
}
