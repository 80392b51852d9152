//! Events, which are written and not read.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;

use super::answer::{Body, Refusal, respond};
use super::fault::Fault;
use super::{Shared, lock};

/// A request that writes an Event.
pub(super) enum Writing {
    /// A new one in this namespace.
    Create { namespace: String },
    /// A merge patch.
    Patch { namespace: String, name: String },
}

// === impl Writing ===

impl Writing {
    pub(super) fn at(method: &Method, path: &str) -> Option<Self> {
        let (namespace, rest) = path.strip_prefix("/apis/events.k8s.io/v1/namespaces/")?.split_once('/')?;
        let namespace = namespace.to_owned();
        let name = rest.strip_prefix("events")?.strip_prefix('/').unwrap_or_default();
        match (method, name) {
            (&Method::POST, "") => Some(Writing::Create { namespace }),
            (&Method::PATCH, name) if !name.is_empty() => {
                Some(Writing::Patch { namespace, name: name.to_owned() })
            }
            _ => None,
        }
    }

    pub(super) fn summary(&self) -> String {
        match self {
            Writing::Create { .. } => "create events".to_owned(),
            Writing::Patch { .. } => "patch events".to_owned(),
        }
    }

    pub(super) async fn done(
        self,
        shared: &Shared,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        if shared.has(Fault::ForbiddenEvents) {
            return Err(Refusal::new(403, "Forbidden", "events is forbidden"));
        }
        let body = request.into_body().collect().await;
        let body = body.map_err(|_| Refusal::new(400, "BadRequest", "the body is not complete"))?.to_bytes();
        let body: Value = serde_json::from_slice(&body)
            .map_err(|error| Refusal::new(400, "BadRequest", error.to_string()))?;
        let answer = match self {
            Writing::Create { namespace } => create(&mut lock(&shared.events), &namespace, body)?,
            Writing::Patch { namespace, name } => patch(&mut lock(&shared.events), &namespace, &name, body)?,
        };
        match shared.has(Fault::LateEventErrors) {
            true => Err(Refusal::new(500, "InternalError", "something broke after the Event was recorded")),
            false => Ok(answer),
        }
    }
}

fn create(events: &mut Vec<Value>, namespace: &str, event: Value) -> Result<Response<Body>, Refusal> {
    let name = event.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() || event.pointer("/metadata/namespace").and_then(Value::as_str) != Some(namespace) {
        return Err(Refusal::new(422, "Invalid", "an Event needs a name, and the namespace of its path"));
    }
    if events.iter().any(|other| is_called(other, namespace, name)) {
        return Err(Refusal::new(409, "AlreadyExists", format!("events {name:?} already exists")));
    }
    let answer = respond(StatusCode::CREATED, "application/json", event.to_string());
    events.push(event);
    Ok(answer)
}

/// A merge patch of the top level, which is all that is needed.
fn patch(events: &mut [Value], namespace: &str, name: &str, patch: Value) -> Result<Response<Body>, Refusal> {
    let event = events.iter_mut().find(|event| is_called(event, namespace, name));
    let event = event.ok_or_else(|| Refusal::new(404, "NotFound", format!("events {name:?} not found")))?;
    if let (Some(event), Value::Object(patch)) = (event.as_object_mut(), patch) {
        event.extend(patch);
    }
    Ok(respond(StatusCode::OK, "application/json", event.to_string()))
}

fn is_called(event: &Value, namespace: &str, name: &str) -> bool {
    let field = |pointer| event.pointer(pointer).and_then(Value::as_str);
    field("/metadata/namespace") == Some(namespace) && field("/metadata/name") == Some(name)
}
