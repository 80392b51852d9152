//! Objects in protobuf, with the numbers of Kubernetes' `generated.proto` files.

use lab::protobuf::Message;

use super::parts::{self, CREATED, Endpoint, INITIAL_EVENTS_END, MANAGED_FIELDS, Metadata};
use super::{NAMESPACE, Object, Pods, cluster_ip};

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
        entry(metadata, 12, INITIAL_EVENTS_END, "true");
    });
    object.in_envelope(api_version, kind)
}

fn service(index: u32, version: u64) -> Message {
    let (app, ip) = (parts::app(index), cluster_ip(index).to_string());
    let mut service = Message::default();
    service.message(1, &metadata(&Metadata::of_service(index, version)));
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
    let mut slice = Message::default();
    slice.message(1, &metadata(&Metadata::of_slice(service, index, version)));
    for pod in pods.first..pods.first + pods.count {
        slice.nested(2, |endpoint| write_endpoint(endpoint, &Endpoint::new(service, pod)));
    }
    slice.nested(3, |port| {
        port.text(1, "http").text(2, "TCP").number(3, 8080);
    });
    slice.text(4, "IPv4");
    slice
}

fn write_endpoint(message: &mut Message, endpoint: &Endpoint) {
    let Endpoint { ip, pod, uid, node, zone } = endpoint;
    message.text(1, ip);
    message.nested(2, |conditions| {
        conditions.number(1, 1).number(2, 1).number(3, 0);
    });
    message.nested(4, |target| {
        target.text(1, "Pod").text(2, NAMESPACE).text(3, pod).text(4, uid);
    });
    message.text(6, node).text(7, zone);
}

fn metadata(metadata: &Metadata) -> Message {
    let time = |time: &mut Message| {
        time.number(1, CREATED.1).number(2, 0);
    };
    let mut message = Message::default();
    message.text(1, &metadata.name).text(2, "").text(3, NAMESPACE).text(4, "");
    message.text(5, &metadata.uid).text(6, &metadata.version);
    message.number(7, 1).nested(8, time);
    for (key, value) in &metadata.labels {
        entry(&mut message, 11, key, value);
    }
    message.nested(17, |managed| {
        managed.text(1, metadata.manager).text(2, "Update").text(3, "v1").nested(4, time);
        managed.text(6, "FieldsV1");
        managed.nested(7, |fields| {
            fields.text(1, MANAGED_FIELDS);
        });
        managed.text(8, "");
    });
    message
}

/// A key and its value in a map.
fn entry(message: &mut Message, number: u32, key: &str, value: &str) {
    message.nested(number, |entry| {
        entry.text(1, key).text(2, value);
    });
}
