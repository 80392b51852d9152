//! Objects from JSON, by the names and numbers of the fields in Kubernetes' `generated.proto` files.

use serde_json::{Map, Value};

use super::Message;

/// A field of the JSON that the message has no place for, such as a text where a number belongs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} cannot be {value} in protobuf")]
pub struct Misfit {
    field: String,
    value: String,
}

/// What a field holds.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Number,
    Truth,
    /// RFC 3339 in JSON.
    Time,
    /// Texts by texts.
    Map,
    Message(&'static [Field]),
    List(&'static Form),
}

/// A field by its name in JSON and its number.
type Field = (&'static str, u32, Form);

const TEXTS: Form = Form::List(&Form::Text);

const METADATA: Field = ("metadata", 1, Form::Message(OBJECT_META));

const OBJECT_META: &[Field] = &[
    ("name", 1, Form::Text),
    ("namespace", 3, Form::Text),
    ("uid", 5, Form::Text),
    ("resourceVersion", 6, Form::Text),
    ("generation", 7, Form::Number),
    ("creationTimestamp", 8, Form::Time),
    ("deletionTimestamp", 9, Form::Time),
    ("labels", 11, Form::Map),
    ("annotations", 12, Form::Map),
];

const SERVICE: &[Field] =
    &[METADATA, ("spec", 2, Form::Message(SERVICE_SPEC)), ("status", 3, Form::Message(SERVICE_STATUS))];

const SERVICE_SPEC: &[Field] = &[
    ("ports", 1, Form::List(&Form::Message(SERVICE_PORT))),
    ("selector", 2, Form::Map),
    ("clusterIP", 3, Form::Text),
    ("type", 4, Form::Text),
    ("externalIPs", 5, TEXTS),
    ("sessionAffinity", 7, Form::Text),
    ("loadBalancerIP", 8, Form::Text),
    ("loadBalancerSourceRanges", 9, TEXTS),
    ("externalName", 10, Form::Text),
    ("externalTrafficPolicy", 11, Form::Text),
    ("healthCheckNodePort", 12, Form::Number),
    ("publishNotReadyAddresses", 13, Form::Truth),
    ("sessionAffinityConfig", 14, Form::Message(&[("clientIP", 1, Form::Message(CLIENT_IP))])),
    ("ipFamilyPolicy", 17, Form::Text),
    ("clusterIPs", 18, TEXTS),
    ("ipFamilies", 19, TEXTS),
    ("allocateLoadBalancerNodePorts", 20, Form::Truth),
    ("loadBalancerClass", 21, Form::Text),
    ("internalTrafficPolicy", 22, Form::Text),
    ("trafficDistribution", 23, Form::Text),
];

const SERVICE_PORT: &[Field] = &[
    ("name", 1, Form::Text),
    ("protocol", 2, Form::Text),
    ("port", 3, Form::Number),
    ("nodePort", 5, Form::Number),
    ("appProtocol", 6, Form::Text),
];

const CLIENT_IP: &[Field] = &[("timeoutSeconds", 1, Form::Number)];

const SERVICE_STATUS: &[Field] = &[("loadBalancer", 1, Form::Message(LOAD_BALANCER))];

const LOAD_BALANCER: &[Field] = &[("ingress", 1, Form::List(&Form::Message(INGRESS)))];

const INGRESS: &[Field] = &[("ip", 1, Form::Text), ("hostname", 2, Form::Text), ("ipMode", 3, Form::Text)];

const ENDPOINT_SLICE: &[Field] = &[
    METADATA,
    ("endpoints", 2, Form::List(&Form::Message(ENDPOINT))),
    ("ports", 3, Form::List(&Form::Message(ENDPOINT_PORT))),
    ("addressType", 4, Form::Text),
];

const ENDPOINT: &[Field] = &[
    ("addresses", 1, TEXTS),
    ("conditions", 2, Form::Message(CONDITIONS)),
    ("hostname", 3, Form::Text),
    ("nodeName", 6, Form::Text),
    ("zone", 7, Form::Text),
    ("hints", 8, Form::Message(HINTS)),
];

const CONDITIONS: &[Field] =
    &[("ready", 1, Form::Truth), ("serving", 2, Form::Truth), ("terminating", 3, Form::Truth)];

const NAME: Form = Form::Message(&[("name", 1, Form::Text)]);

const HINTS: &[Field] = &[("forZones", 1, Form::List(&NAME)), ("forNodes", 2, Form::List(&NAME))];

const ENDPOINT_PORT: &[Field] = &[
    ("name", 1, Form::Text),
    ("protocol", 2, Form::Text),
    ("port", 3, Form::Number),
    ("appProtocol", 4, Form::Text),
];

const NODE: &[Field] =
    &[METADATA, ("spec", 2, Form::Message(NODE_SPEC)), ("status", 3, Form::Message(NODE_STATUS))];

const NODE_SPEC: &[Field] = &[
    ("podCIDR", 1, Form::Text),
    ("unschedulable", 4, Form::Truth),
    ("taints", 5, Form::List(&Form::Message(TAINT))),
    ("podCIDRs", 7, TEXTS),
];

const TAINT: &[Field] = &[("key", 1, Form::Text), ("value", 2, Form::Text), ("effect", 3, Form::Text)];

const NODE_STATUS: &[Field] = &[("addresses", 5, Form::List(&Form::Message(NODE_ADDRESS)))];

const NODE_ADDRESS: &[Field] = &[("type", 1, Form::Text), ("address", 2, Form::Text)];

const STATUS: &[Field] = &[
    ("status", 2, Form::Text),
    ("message", 3, Form::Text),
    ("reason", 4, Form::Text),
    ("details", 5, Form::Message(&[("retryAfterSeconds", 5, Form::Number)])),
    ("code", 6, Form::Number),
];

const LIST_META: &[Field] = &[("resourceVersion", 2, Form::Text), ("continue", 3, Form::Text)];

/// An object in its envelope. Fields without a meaning to a service proxy are left out.
///
/// # Errors
///
/// If a field has not the shape that it should.
pub fn object(object: &Value) -> Result<Vec<u8>, Misfit> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let fields = match text("kind") {
        "Service" => SERVICE,
        "EndpointSlice" => ENDPOINT_SLICE,
        "Node" => NODE,
        "Status" => STATUS,
        "ServiceList" => &list(&Form::Message(SERVICE)),
        "EndpointSliceList" => &list(&Form::Message(ENDPOINT_SLICE)),
        "NodeList" => &list(&Form::Message(NODE)),
        other => return Err(misfit("kind", &Value::from(other))),
    };
    let mut message = Message::default();
    write_members(&mut message, members("object", object)?, fields)?;
    Ok(message.in_envelope(text("apiVersion"), text("kind")))
}

const fn list(items: &'static Form) -> [Field; 2] {
    [("metadata", 1, Form::Message(LIST_META)), ("items", 2, Form::List(items))]
}

fn write_members(
    message: &mut Message,
    members: &Map<String, Value>,
    fields: &[Field],
) -> Result<(), Misfit> {
    for (name, number, form) in fields {
        if let Some(value) = members.get(*name).filter(|value| !value.is_null()) {
            write(message, name, *number, *form, value)?;
        }
    }
    Ok(())
}

fn write(message: &mut Message, name: &str, number: u32, form: Form, value: &Value) -> Result<(), Misfit> {
    let misfit = || misfit(name, value);
    match form {
        Form::Text => {
            message.text(number, value.as_str().ok_or_else(misfit)?);
        }
        Form::Number => {
            message.number(number, value.as_i64().ok_or_else(misfit)?);
        }
        Form::Truth => {
            message.number(number, value.as_bool().ok_or_else(misfit)?.into());
        }
        Form::Time => {
            let time: jiff::Timestamp =
                value.as_str().and_then(|time| time.parse().ok()).ok_or_else(misfit)?;
            message.nested(number, |inner| {
                inner.number(1, time.as_second()).number(2, 0);
            });
        }
        Form::Map => {
            for (key, value) in members(name, value)? {
                let text = value.as_str().ok_or_else(|| self::misfit(key, value))?;
                message.nested(number, |entry| {
                    entry.text(1, key).text(2, text);
                });
            }
        }
        Form::Message(fields) => {
            let mut inner = Message::default();
            write_members(&mut inner, members(name, value)?, fields)?;
            message.message(number, &inner);
        }
        Form::List(form) => {
            for value in value.as_array().ok_or_else(misfit)? {
                write(message, name, number, *form, value)?;
            }
        }
    }
    Ok(())
}

fn members<'a>(name: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Misfit> {
    value.as_object().ok_or_else(|| misfit(name, value))
}

fn misfit(name: &str, value: &Value) -> Misfit {
    Misfit { field: name.to_owned(), value: value.to_string() }
}
