//! What an object says, in whatever form.

use super::{NODES, pod_ip};

/// When everything was created, as text and in seconds since 1970.
pub(super) const CREATED: (&str, i64) = ("2026-01-01T00:00:00Z", 1_767_225_600);

/// The fields that a manager has written, which API servers send and proxies do not read.
pub(super) const MANAGED_FIELDS: &str =
    r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:ports":{}}}"#;

/// The annotation of the bookmark that ends the initial part of a streaming list.
pub(super) const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// The metadata of an object.
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) version: String,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) manager: &'static str,
}

/// A pod as an EndpointSlice lists it.
pub(super) struct Endpoint {
    pub(super) ip: String,
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) node: String,
    pub(super) zone: String,
}

// === impl Metadata ===

impl Metadata {
    pub(super) fn of_service(index: u32, version: u64) -> Metadata {
        Metadata {
            name: service_name(index),
            uid: format!("0f4bde92-5a0c-4c3c-9c5b-0000{index:08x}"),
            version: version.to_string(),
            labels: vec![("app", app(index))],
            manager: "kubectl",
        }
    }

    /// Of the EndpointSlice number `index` of a Service.
    pub(super) fn of_slice(service: u32, index: u32, version: u64) -> Metadata {
        let mut metadata = Metadata::of_service(service, version);
        metadata.name = format!("{}-{index:05}", metadata.name);
        metadata.labels.extend([
            ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io".to_owned()),
            ("kubernetes.io/service-name", service_name(service)),
        ]);
        metadata.manager = "kube-controller-manager";
        metadata
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// Pod number `pod`, which is one of a Service's.
    pub(super) fn new(service: u32, pod: u32) -> Endpoint {
        let node = pod % NODES;
        Endpoint {
            ip: pod_ip(pod).to_string(),
            pod: format!("{}-{pod}", app(service)),
            uid: format!("c6d2f4ae-1b1f-4d5c-8a7e-0000{pod:08x}"),
            node: format!("node-{node}"),
            zone: format!("zone-{}", node % 3),
        }
    }
}

/// The label of the pods of a Service.
pub(super) fn app(service: u32) -> String {
    format!("app-{service}")
}

fn service_name(index: u32) -> String {
    format!("service-{index}")
}
