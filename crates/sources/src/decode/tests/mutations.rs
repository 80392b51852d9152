//! Some hundred malformed objects: every value of a good object replaced by one of every other type.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::decode_value;
use crate::decode::Outcome;

/// A good object of which one value was replaced.
pub(crate) struct Mutation {
    /// Where: `/spec/ports/0/port`.
    pub(crate) pointer: String,
    pub(crate) object: Value,
    /// The name of the object, unless that was replaced.
    pub(crate) name: String,
}

/// Every mutation, with a different name in each object.
pub(crate) fn all() -> Vec<Mutation> {
    let mut mutations = Vec::new();
    for base in [service(), slice(), node()] {
        let mut pointers = Vec::new();
        collect_pointers(&base, String::new(), &mut pointers);
        for pointer in pointers.into_iter().filter(|pointer| is_read(pointer)) {
            let original = base.pointer(&pointer).unwrap();
            let others = [json!(7), json!("text"), json!(true), json!([]), json!({})];
            for other in others.into_iter().filter(|other| !same_type(other, original)) {
                let name = format!("m{}", mutations.len());
                let mut object = base.clone();
                object["metadata"]["name"] = json!(name);
                *object.pointer_mut(&pointer).unwrap() = other;
                mutations.push(Mutation { pointer: pointer.clone(), object, name });
            }
        }
    }
    mutations
}

/// Each is named together with the field, and costs no more than that field.
#[test]
fn each_is_named() {
    let mutations = all();
    assert!(mutations.len() > 200, "only {}", mutations.len());
    for Mutation { pointer, object, name } in mutations {
        let decoded = decode_value(object.clone());
        let field = field_name(&pointer);
        let named = decoded.problems.iter().any(|problem| problem.reason.contains(&field));
        assert!(named, "{pointer} of {object}: {:?}", decoded.problems);
        let nameless = matches!(pointer.as_str(), "/metadata" | "/metadata/name");
        let subjects = decoded.problems.iter().all(|problem| problem.subject.contains(&name));
        assert!(subjects || nameless, "{pointer} of {object}: {:?}", decoded.problems);
        let usable = matches!(decoded.outcome, Outcome::Object(_));
        assert_eq!(usable, !is_essential(&object, &pointer), "{pointer} of {object}");
    }
}

/// What an object cannot be used without.
fn is_essential(object: &Value, pointer: &str) -> bool {
    match (object["kind"].as_str().unwrap(), pointer) {
        (_, "/metadata" | "/metadata/name") => true,
        ("Service", "/metadata/namespace" | "/spec") => true,
        ("EndpointSlice", "/metadata/namespace" | "/metadata/labels" | "/addressType") => true,
        ("EndpointSlice", pointer) => pointer.ends_with("service-name"),
        _ => false,
    }
}

/// `/spec/ports/0/port` as messages call it.
fn field_name(pointer: &str) -> String {
    let mut name = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/");
        if part.parse::<usize>().is_ok() || part.contains('/') {
            name.push_str(&format!("[{part}]"));
        } else {
            name.push_str(if name.is_empty() { "" } else { "." });
            name.push_str(&part);
        }
    }
    name
}

fn collect_pointers(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect_pointers(value, format!("{pointer}/{}", name.replace('/', "~1")), pointers);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                collect_pointers(value, format!("{pointer}/{index}"), pointers);
            }
        }
        _ => (),
    }
    pointers.push(pointer);
}

/// The kind decides how an object is read, so it cannot be wrong here.
fn is_read(pointer: &str) -> bool {
    !matches!(pointer, "" | "/kind" | "/apiVersion")
}

fn same_type(one: &Value, other: &Value) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "web", "namespace": "shop", "creationTimestamp": "2024-05-06T07:08:09Z",
            "annotations": {
                "kube-ipvs.io/scheduler": "wrr", "kube-ipvs.io/scheduler-flags": "", "kube-ipvs.io/weights": "",
            },
            "labels": {},
        },
        "spec": {
            "type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"],
            "ipFamilies": ["IPv4", "IPv6"],
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "nodePort": 30080}],
            "externalIPs": ["203.0.113.1"], "loadBalancerSourceRanges": ["10.0.0.0/8"],
            "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local", "healthCheckNodePort": 31000,
            "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9", "ipMode": "VIP"}]}},
    })
}

fn slice() -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"},
            "annotations": {"kube-ipvs.io/weight": "5"},
        },
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        "endpoints": [{
            "addresses": ["10.1.0.1"],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": "n1", "zone": "z1",
            "hints": {"forZones": [{"name": "z1"}], "forNodes": [{"name": "n1"}]},
        }],
    })
}

fn node() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z1"}},
        "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.1.10"}]},
    })
}

proptest! {
    /// Whatever stands where an object should be.
    #[test]
    fn anything_can_be_decoded(kind in "Service|EndpointSlice|Node", mut object in any_object()) {
        object["kind"] = json!(kind);
        decode_value(object);
    }
}

/// Objects with the field names that are read, at random places, with random values.
fn any_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9a-f:./]{0,20}".prop_map(Value::from),
        prop_oneof![Just("IPv4"), Just("IPv6"), Just("None"), Just("Local"), Just("ClientIP"), Just("TCP")]
            .prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            fields(inner).prop_map(Value::from),
        ]
    });
    fields(value).prop_map(Value::from)
}

fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let mut names: Vec<String> = Vec::new();
    for base in [service(), slice(), node()] {
        let mut pointers = Vec::new();
        collect_pointers(&base, String::new(), &mut pointers);
        names.extend(
            pointers.iter().filter_map(|pointer| pointer.rsplit('/').next()).map(|n| n.replace("~1", "/")),
        );
    }
    prop::collection::vec((prop::sample::select(names), value), 0..8)
        .prop_map(|fields| fields.into_iter().collect())
}
