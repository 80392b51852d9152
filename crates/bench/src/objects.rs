//! Made-up Services and EndpointSlices, with the fields that an API server sends.

use std::collections::BTreeMap;
use std::fmt::Write;
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

/// Consecutive pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pods {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

// === impl Objects ===

impl Objects {
    /// Every Service, as JSON.
    pub(crate) fn services(&self) -> impl Iterator<Item = String> + use<> {
        (0..self.services).map(|index| service(index, 1))
    }

    /// Every EndpointSlice, as JSON.
    pub(crate) fn slices(&self) -> impl Iterator<Item = String> + use<> {
        let objects = self.clone();
        (0..objects.services).flat_map(move |index| objects.slices_of(index, 1))
    }

    /// The EndpointSlices of one Service.
    pub(crate) fn slices_of(&self, index: u32, version: u64) -> Vec<String> {
        let pods = self.pods(index);
        // A slice that has lost its endpoints is still told of.
        let slices = pods.count.div_ceil(SLICE).max(self.endpoints.div_ceil(SLICE)).max(1);
        let of_slice = |slice: u32| {
            let first = slice * SLICE;
            let count = pods.count.saturating_sub(first).min(SLICE);
            self::slice(index, slice, Pods { first: pods.first + first, count }, version)
        };
        (0..slices).map(of_slice).collect()
    }

    fn pods(&self, index: u32) -> Pods {
        let usual = Pods { first: index * self.endpoints, count: self.endpoints };
        self.exceptions.get(&index).copied().unwrap_or(usual)
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

fn service(index: u32, version: u64) -> String {
    let ip = cluster_ip(index);
    let metadata = metadata(&format!("service-{index}"), index, version, "kubectl", "");
    format!(
        r#"{{"kind":"Service","apiVersion":"v1","metadata":{metadata},"spec":{{"ports":[{{"name":"http","protocol":"TCP","port":80,"targetPort":8080}}],"selector":{{"app":"app-{index}"}},"clusterIP":"{ip}","clusterIPs":["{ip}"],"type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}},"status":{{"loadBalancer":{{}}}}}}"#
    )
}

fn slice(index: u32, slice: u32, pods: Pods, version: u64) -> String {
    let name = format!("service-{index}-{slice:05}");
    let labels = format!(
        r#","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io","kubernetes.io/service-name":"service-{index}""#
    );
    let metadata = metadata(&name, index, version, "kube-controller-manager", &labels);
    let mut endpoints = String::new();
    for pod in pods.first..pods.first + pods.count {
        let (ip, node) = (Ipv4Addr::from(POD_IPS + 1 + pod), pod % NODES);
        let comma = if endpoints.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(
            endpoints,
            r#"{comma}{{"addresses":["{ip}"],"conditions":{{"ready":true,"serving":true,"terminating":false}},"targetRef":{{"kind":"Pod","namespace":"{NAMESPACE}","name":"app-{index}-{pod}","uid":"c6d2f4ae-1b1f-4d5c-8a7e-0000{pod:08x}"}},"nodeName":"node-{node}","zone":"zone-{}"}}"#,
            node % 3
        );
    }
    format!(
        r#"{{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{metadata},"addressType":"IPv4","endpoints":[{endpoints}],"ports":[{{"name":"http","protocol":"TCP","port":8080}}]}}"#
    )
}

fn metadata(name: &str, index: u32, version: u64, manager: &str, labels: &str) -> String {
    format!(
        r#"{{"name":"{name}","namespace":"{NAMESPACE}","uid":"0f4bde92-5a0c-4c3c-9c5b-0000{index:08x}","resourceVersion":"{version}","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"app-{index}"{labels}}},"managedFields":[{{"manager":"{manager}","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:labels":{{".":{{}},"f:app":{{}}}}}},"f:spec":{{"f:ports":{{}}}}}}}}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_its_share_of_the_pods_and_no_slice_has_too_many() {
        let mut objects = Objects { services: 3, endpoints: 2, ..Objects::default() };
        objects.exceptions.insert(1, Pods { first: 1000, count: 150 });
        let endpoints: Vec<usize> =
            objects.slices().map(|slice| slice.matches(r#""addresses""#).count()).collect();
        assert_eq!(endpoints, [2, 100, 50, 2]);
        assert_eq!(objects.services().filter(|service| service.contains("10.64.0.3")).count(), 1);
        assert!(objects.slices().last().unwrap().contains(r#"["10.128.0.6"]"#));
    }

    #[test]
    fn a_slice_that_becomes_empty_is_told_of() {
        let mut objects = Objects { services: 1, endpoints: 250, ..Objects::default() };
        objects.exceptions.insert(0, Pods { first: 0, count: 0 });
        assert_eq!(objects.slices().count(), 3);
    }
}
