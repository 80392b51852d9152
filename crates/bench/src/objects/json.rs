//! Objects in JSON.

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::{NAMESPACE, NODES, Object, POD_IPS, Pods, cluster_ip};

/// The text of an object.
pub(super) fn object(object: Object, version: u64) -> String {
    match object {
        Object::Service(index) => service(index, version),
        Object::Slice { service, index, pods } => slice(service, index, pods, version),
    }
}

/// An object that is nothing but the mark that a streaming list has told everything.
pub(super) fn bookmark(api_version: &str, kind: &str, version: u64) -> String {
    format!(
        r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{{"resourceVersion":"{version}","annotations":{{"k8s.io/initial-events-end":"true"}}}}}}"#
    )
}

pub(super) fn event(what: &str, object: &str) -> Vec<u8> {
    format!("{{\"type\":\"{what}\",\"object\":{object}}}\n").into_bytes()
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
