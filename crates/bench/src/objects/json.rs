//! Objects in JSON.

use std::fmt::Write;

use super::parts::{self, CREATED, Endpoint, INITIAL_EVENTS_END, MANAGED_FIELDS, Metadata};
use super::{NAMESPACE, Object, Pods, cluster_ip};

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
        r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{{"resourceVersion":"{version}","annotations":{{"{INITIAL_EVENTS_END}":"true"}}}}}}"#
    )
}

pub(super) fn event(what: &str, object: &str) -> Vec<u8> {
    format!("{{\"type\":\"{what}\",\"object\":{object}}}\n").into_bytes()
}

fn service(index: u32, version: u64) -> String {
    let (app, ip) = (parts::app(index), cluster_ip(index));
    let metadata = metadata(&Metadata::of_service(index, version));
    format!(
        r#"{{"kind":"Service","apiVersion":"v1","metadata":{metadata},"spec":{{"ports":[{{"name":"http","protocol":"TCP","port":80,"targetPort":8080}}],"selector":{{"app":"{app}"}},"clusterIP":"{ip}","clusterIPs":["{ip}"],"type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}},"status":{{"loadBalancer":{{}}}}}}"#
    )
}

fn slice(service: u32, index: u32, pods: Pods, version: u64) -> String {
    let metadata = metadata(&Metadata::of_slice(service, index, version));
    let mut endpoints = String::new();
    for pod in pods.first..pods.first + pods.count {
        let Endpoint { ip, pod, uid, node, zone } = Endpoint::new(service, pod);
        let comma = if endpoints.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(
            endpoints,
            r#"{comma}{{"addresses":["{ip}"],"conditions":{{"ready":true,"serving":true,"terminating":false}},"targetRef":{{"kind":"Pod","namespace":"{NAMESPACE}","name":"{pod}","uid":"{uid}"}},"nodeName":"{node}","zone":"{zone}"}}"#
        );
    }
    format!(
        r#"{{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{metadata},"addressType":"IPv4","endpoints":[{endpoints}],"ports":[{{"name":"http","protocol":"TCP","port":8080}}]}}"#
    )
}

fn metadata(metadata: &Metadata) -> String {
    let Metadata { name, uid, version, labels, manager } = metadata;
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!(r#""{key}":"{value}""#)).collect();
    let (labels, (created, _)) = (labels.join(","), CREATED);
    format!(
        r#"{{"name":"{name}","namespace":"{NAMESPACE}","uid":"{uid}","resourceVersion":"{version}","generation":1,"creationTimestamp":"{created}","labels":{{{labels}}},"managedFields":[{{"manager":"{manager}","operation":"Update","apiVersion":"v1","time":"{created}","fieldsType":"FieldsV1","fieldsV1":{MANAGED_FIELDS}}}]}}"#
    )
}
