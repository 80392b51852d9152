//! Objects in protobuf, with the numbers of Kubernetes' `generated.proto` files.

use lab::protobuf::Message;

use super::{NAMESPACE, NODES, Object, Pods, cluster_ip, pod_ip};

/// 2026-01-01T00:00:00Z.
const CREATED: i64 = 1_767_225_600;

/// An object in its envelope.
pub(super) fn object(object: Object, version: u64) -> Vec<u8> {
    match object {
        Object::Service(index) => service(index, version).in_envelope("v1", "Service"),
        Object::Slice { service, index, pods } => {
            slice(service, index, pods, version).in_envelope("discovery.k8s.io/v1", "EndpointSlice")
        }
    }
}

/// An object that is nothing but the mark that a streaming list has told everything.
pub(super) fn bookmark(api_version: &str, kind: &str, version: u64) -> Vec<u8> {
    let mut object = Message::default();
    object.nested(1, |metadata| {
        metadata.text(6, &version.to_string());
        entry(metadata, 12, "k8s.io/initial-events-end", "true");
    });
    object.in_envelope(api_version, kind)
}

fn service(index: u32, version: u64) -> Message {
    let (app, ip) = (format!("app-{index}"), cluster_ip(index).to_string());
    let mut service = Message::default();
    service.message(1, &metadata(&format!("service-{index}"), index, version, "kubectl", &[]));
    service.nested(2, |spec| {
        spec.nested(1, |port| {
            port.text(1, "http").text(2, "TCP").number(3, 80);
            port.nested(4, |target| {
                target.number(1, 0).number(2, 8080).text(3, "");
            });
            port.number(5, 0);
        });
        entry(spec, 2, "app", &app);
        spec.text(3, &ip).text(4, "ClusterIP").text(7, "None").text(8, "").text(10, "").text(11, "");
        spec.number(12, 0).number(13, 0).text(17, "SingleStack").text(18, &ip).text(19, "IPv4");
        spec.text(22, "Cluster");
    });
    service.nested(3, |status| {
        status.nested(1, |_load_balancer| {});
    });
    service
}

fn slice(service: u32, index: u32, pods: Pods, version: u64) -> Message {
    let name = format!("service-{service}-{index:05}");
    let service_name = format!("service-{service}");
    let labels = [
        ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
        ("kubernetes.io/service-name", &service_name),
    ];
    let mut slice = Message::default();
    slice.message(1, &metadata(&name, service, version, "kube-controller-manager", &labels));
    for pod in pods.first..pods.first + pods.count {
        slice.nested(2, |endpoint| write_endpoint(endpoint, service, pod));
    }
    slice.nested(3, |port| {
        port.text(1, "http").text(2, "TCP").number(3, 8080);
    });
    slice.text(4, "IPv4");
    slice
}

fn write_endpoint(endpoint: &mut Message, service: u32, pod: u32) {
    let node = pod % NODES;
    endpoint.text(1, &pod_ip(pod).to_string());
    endpoint.nested(2, |conditions| {
        conditions.number(1, 1).number(2, 1).number(3, 0);
    });
    endpoint.nested(4, |target| {
        target.text(1, "Pod").text(2, NAMESPACE).text(3, &format!("app-{service}-{pod}"));
        target.text(4, &format!("c6d2f4ae-1b1f-4d5c-8a7e-0000{pod:08x}"));
    });
    endpoint.text(6, &format!("node-{node}")).text(7, &format!("zone-{}", node % 3));
}

fn metadata(name: &str, index: u32, version: u64, manager: &str, labels: &[(&str, &str)]) -> Message {
    let time = |time: &mut Message| {
        time.number(1, CREATED).number(2, 0);
    };
    let mut metadata = Message::default();
    metadata.text(1, name).text(2, "").text(3, NAMESPACE).text(4, "");
    metadata.text(5, &format!("0f4bde92-5a0c-4c3c-9c5b-0000{index:08x}")).text(6, &version.to_string());
    metadata.number(7, 1).nested(8, time);
    entry(&mut metadata, 11, "app", &format!("app-{index}"));
    for (key, value) in labels {
        entry(&mut metadata, 11, key, value);
    }
    metadata.nested(17, |managed| {
        managed.text(1, manager).text(2, "Update").text(3, "v1").nested(4, time).text(6, "FieldsV1");
        managed.nested(7, |fields| {
            fields.text(1, r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:ports":{}}}"#);
        });
        managed.text(8, "");
    });
    metadata
}

/// A key and its value in a map.
fn entry(message: &mut Message, number: u32, key: &str, value: &str) {
    message.nested(number, |entry| {
        entry.text(1, key).text(2, value);
    });
}
