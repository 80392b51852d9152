//! What is sent to the API server.

use std::hash::Hasher as _;

use fnv::FnvHasher;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event as ApiEvent, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::json;

use super::{Event, Reference};
use crate::kubernetes::failure::Failure;

/// Who reports, the same as kube-proxy's.
const CONTROLLER: &str = "kube-proxy";

/// The longest note that API servers take, in bytes.
const LONGEST_NOTE: usize = 1024;

/// The longest name of who reports that API servers take, in bytes.
const LONGEST_INSTANCE: usize = 128;

/// The longest name of an object, in bytes.
const LONGEST_NAME: usize = 253;

/// The name of the object for an Event at `time`, made as client-go makes it: the name of what it is about, and
/// the time in nanoseconds as a hexadecimal number; for one that all nodes tell, a hash of what it says instead.
pub(super) fn name(event: &Event, time: Timestamp) -> String {
    let number = if event.shared { i128::from(digest(event)) } else { time.as_nanosecond() };
    let suffix = format!(".{number:x}");
    let name = cut(&event.regarding.name, LONGEST_NAME.saturating_sub(suffix.len()));
    format!("{}{suffix}", name.trim_end_matches(['.', '-']))
}

/// The 64-bit FNV-1a of what the Event says. Nodes with different builds of this program have to come to the same, and
/// the standard library's hashes may change with its version, both the algorithm and what of a type they are told.
fn digest(event: &Event) -> u64 {
    let Reference { kind, namespace, name, uid } = &event.regarding;
    let (namespace, uid) = (namespace.as_deref().unwrap_or_default(), uid.as_deref().unwrap_or_default());
    let mut hasher = FnvHasher::default();
    for text in [kind, namespace, name, uid, event.reason, &event.note] {
        hasher.write(text.as_bytes());
        // So that each text has its end.
        hasher.write(&[0]);
    }
    hasher.finish()
}

/// The request that creates an Event which happened at `time`.
pub(super) fn create(
    event: &Event,
    name: &str,
    time: Timestamp,
    node: &str,
) -> Result<http::Request<Vec<u8>>, Failure> {
    let body = ApiEvent {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(event.regarding.event_namespace().to_owned()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(time)),
        type_: Some(event.kind.name().to_owned()),
        reason: Some(event.reason.to_owned()),
        action: Some(event.action.to_owned()),
        note: Some(cut(&event.note, LONGEST_NOTE).to_owned()),
        regarding: Some(regarding(&event.regarding)),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(cut(node, LONGEST_INSTANCE).to_owned()),
        ..ApiEvent::default()
    };
    let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
    Ok(events(&event.regarding).create(&PostParams::default(), body)?)
}

/// The request that says how often the Event `name` was told, `time` being the last.
pub(super) fn renew(
    event: &Event,
    name: &str,
    count: i32,
    time: Timestamp,
) -> Result<http::Request<Vec<u8>>, Failure> {
    let series = EventSeries { count, last_observed_time: MicroTime(time) };
    let patch = Patch::Merge(json!({ "series": series }));
    Ok(events(&event.regarding).patch(name, &PatchParams::default(), &patch)?)
}

fn events(regarding: &Reference) -> Request {
    Request::new(format!("/apis/events.k8s.io/v1/namespaces/{}/events", regarding.event_namespace()))
}

fn regarding(reference: &Reference) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some(reference.kind.to_owned()),
        namespace: reference.namespace.as_deref().map(str::to_owned),
        name: Some(reference.name.to_string()),
        uid: reference.uid.as_deref().map(str::to_owned),
        ..ObjectReference::default()
    }
}

/// As much of the beginning of `text` as fits in `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use expect_test::{Expect, expect};
    use serde_json::Value;

    use super::*;
    use crate::kubernetes::recorder::EventKind;

    fn time() -> Timestamp {
        Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap()
    }

    fn event(regarding: Reference, note: &str) -> Event {
        Event {
            regarding,
            kind: EventKind::Warning,
            reason: "FailedToStartServiceHealthcheck",
            action: "Listen",
            shared: false,
            note: note.to_owned(),
        }
    }

    fn service() -> Reference {
        let key = model::ObjectKey::new("shop", "web");
        Reference::service(&key, Some(Arc::from("7a9a0b0e")))
    }

    fn check(request: &http::Request<Vec<u8>>, expected: Expect) {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let content = request.headers()[http::header::CONTENT_TYPE].to_str().unwrap();
        expected.assert_eq(&format!("{} {}\n{content}\n{body:#}", request.method(), request.uri()));
    }

    #[test]
    fn an_event_about_a_service() {
        let event = event(service(), "the port is taken");
        check(
            &create(&event, &name(&event, time()), time(), "node-1").unwrap(),
            expect![[r#"
                POST /apis/events.k8s.io/v1/namespaces/shop/events?
                application/json
                {
                  "action": "Listen",
                  "apiVersion": "events.k8s.io/v1",
                  "eventTime": "2023-11-14T22:13:20.123456Z",
                  "kind": "Event",
                  "metadata": {
                    "name": "web.17979cfe3d85cd15",
                    "namespace": "shop"
                  },
                  "note": "the port is taken",
                  "reason": "FailedToStartServiceHealthcheck",
                  "regarding": {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": "web",
                    "namespace": "shop",
                    "uid": "7a9a0b0e"
                  },
                  "reportingController": "kube-proxy",
                  "reportingInstance": "node-1",
                  "type": "Warning"
                }"#]],
        );
    }

    #[test]
    fn an_event_about_a_node_is_in_the_namespace_default() {
        let event = event(Reference::node("node-1"), "");
        check(
            &create(&event, &name(&event, time()), time(), "node-1").unwrap(),
            expect![[r#"
                POST /apis/events.k8s.io/v1/namespaces/default/events?
                application/json
                {
                  "action": "Listen",
                  "apiVersion": "events.k8s.io/v1",
                  "eventTime": "2023-11-14T22:13:20.123456Z",
                  "kind": "Event",
                  "metadata": {
                    "name": "node-1.17979cfe3d85cd15",
                    "namespace": "default"
                  },
                  "note": "",
                  "reason": "FailedToStartServiceHealthcheck",
                  "regarding": {
                    "apiVersion": "v1",
                    "kind": "Node",
                    "name": "node-1",
                    "uid": "node-1"
                  },
                  "reportingController": "kube-proxy",
                  "reportingInstance": "node-1",
                  "type": "Warning"
                }"#]],
        );
    }

    #[test]
    fn a_series_is_renewed_by_a_patch() {
        check(
            &renew(&event(service(), "x"), "web.1", 7, time()).unwrap(),
            expect![[r#"
            PATCH /apis/events.k8s.io/v1/namespaces/shop/events/web.1?
            application/merge-patch+json
            {
              "series": {
                "count": 7,
                "lastObservedTime": "2023-11-14T22:13:20.123456Z"
              }
            }"#]],
        );
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let note = format!("a{}", "é".repeat(1000));
        let request = create(&event(service(), &note), "web.1", time(), &"n".repeat(253)).unwrap();
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(
            body["note"],
            format!("a{}", "é".repeat(511)),
            "1023 bytes; one more would split a letter"
        );
        assert_eq!(body["reportingInstance"], "n".repeat(128));
        let long = Reference::node(format!("{}.{}", "n".repeat(235), "n".repeat(17)));
        let name = name(&event(long, ""), time());
        assert_eq!(name, format!("{}.17979cfe3d85cd15", "n".repeat(235)), "no dot before the dot");
    }

    #[test]
    fn what_all_nodes_tell_has_one_name_whenever_they_tell_it() {
        let told = |note: &str, at: i64| {
            let about = Reference::service(&model::ObjectKey::new("shop", "web"), None);
            name(&Event { shared: true, ..event(about, note) }, Timestamp::from_second(at).unwrap())
        };
        assert_eq!(told("a", 1), told("a", 2));
        // As long as nodes run versions of this program side by side, this must not change.
        expect!["web.c1c56f2c35241d8e"].assert_eq(&told("a", 1));
        assert_ne!(told("a", 1), told("b", 1));
    }
}
