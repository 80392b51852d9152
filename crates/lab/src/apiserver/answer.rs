//! Requests and their answers.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::encoding::Encoding;
use super::events::Writing;
use super::fault::Fault;
use super::paging::Page;
use super::resource::Resource;
use super::selector::Selector;
use super::watch::{Start, Watch};
use super::{Shared, lock};

/// How long [`Fault::Slow`] takes.
const SLOWNESS: Duration = Duration::from_secs(1);

/// The connection is closed without an end of the body.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
pub(super) struct Cut;

pub(super) type Body = BoxBody<Bytes, Cut>;

/// A request for objects, understood.
struct Question {
    encoding: Encoding,
    resource: Resource,
    selector: Selector,
    parameters: HashMap<String, String>,
}

/// An error answer.
pub(super) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
}

pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let mut line = format!("{} {}", request.method(), request.uri().path());
    if shared.has(Fault::Hang) {
        line.push_str(" unanswered");
        lock(&shared.requests).push(line);
        return std::future::pending().await;
    }
    if shared.has(Fault::Slow) {
        tokio::time::sleep(SLOWNESS).await;
    }
    let encoding = shared.encoding(request.headers());
    let answer = match admit(&shared, &request) {
        Err(refusal) => Err(refusal),
        Ok(()) => match Writing::at(request.method(), request.uri().path()) {
            Some(writing) => {
                line = writing.summary();
                writing.done(&shared, request).await
            }
            None => read(&shared, &request, &mut line),
        },
    };
    let response = answer.unwrap_or_else(|refusal| {
        line.push_str(&format!(" {}", refusal.code));
        refusal.response(encoding)
    });
    lock(&shared.requests).push(line);
    Ok(response)
}

/// Lists or watches.
fn read(
    shared: &Arc<Shared>,
    request: &Request<Incoming>,
    line: &mut String,
) -> Result<Response<Body>, Refusal> {
    let question = understand(shared, request)?;
    *line = question.summary();
    match question.is_watch() {
        true => watch(shared, &question),
        false => list(shared, &question),
    }
}

/// What is checked of every request.
fn admit(shared: &Shared, request: &Request<Incoming>) -> Result<(), Refusal> {
    let token = lock(&shared.token).clone();
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if token.is_some_and(|token| given != Some(&format!("Bearer {token}"))) {
        return Err(Refusal::new(401, "Unauthorized", "Unauthorized"));
    }
    if shared.has(Fault::InternalError) {
        return Err(Refusal::new(500, "InternalError", "something is broken inside"));
    }
    if shared.has(Fault::TooManyRequests) {
        return Err(Refusal::new(429, "TooManyRequests", "please try again later"));
    }
    Ok(())
}

fn understand(shared: &Shared, request: &Request<Incoming>) -> Result<Question, Refusal> {
    let resource = Resource::at(request.uri().path()).filter(|_| request.method() == Method::GET);
    let resource = resource.ok_or_else(|| Refusal::new(404, "NotFound", "no such resource here"))?;
    let query = request.uri().query().unwrap_or_default();
    let parameters: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
    let selector = Selector::parse(parameter("labelSelector"), parameter("fieldSelector"));
    let known = |field: &&str| {
        let old = *field == "spec.clusterIP" && shared.has(Fault::NoClusterIpSelector);
        resource.fields().contains(field) && !old
    };
    if let Some(field) = selector.fields().find(|field| !known(field)) {
        return Err(Refusal::new(400, "BadRequest", format!("field label not supported: {field}")));
    }
    let encoding = shared.encoding(request.headers());
    Ok(Question { encoding, resource, selector, parameters })
}

fn list(shared: &Shared, question: &Question) -> Result<Response<Body>, Refusal> {
    if shared.has(Fault::HtmlLists) {
        return Ok(respond(StatusCode::OK, "text/html", "<html>Welcome!</html>".to_owned()));
    }
    if shared.has(Fault::EmptyObjects) {
        return Ok(respond(StatusCode::OK, "application/json", "{}".to_owned()));
    }
    let mut pages = lock(&shared.pages);
    let mut limit = question.parameter("limit").parse().unwrap_or(0);
    let mut page = match question.parameter("continue") {
        "" => {
            let store = lock(&shared.store);
            let wanted = question.parameter("resourceVersion");
            if wanted.parse::<u64>().is_ok_and(|wanted| wanted > store.version()) {
                let message = format!("Too large resource version: {wanted}, current: {}", store.version());
                return Err(Refusal::new(504, "Timeout", message));
            }
            if wanted == "0" {
                // From the server's cache, which has no pages.
                limit = 0;
            }
            Page { version: store.version(), items: store.list(question.resource, &question.selector) }
        }
        token => {
            let page = pages.take(token).filter(|_| !shared.has(Fault::ExpirePages));
            page.ok_or_else(|| Refusal::new(410, "Expired", "The provided continue parameter is too old"))?
        }
    };
    let token = pages.cut(&mut page, limit);
    let list = json!({
        "kind": format!("{}List", question.resource.kind()),
        "apiVersion": question.resource.api_version(),
        "metadata": { "resourceVersion": page.version.to_string(), "continue": token.unwrap_or_default() },
        // Go writes an empty list so.
        "items": if page.items.is_empty() { Value::Null } else { Value::Array(page.items) },
    });
    let encoding = question.encoding;
    let body =
        encoding.object(&list).map_err(|misfit| Refusal::new(500, "InternalError", misfit.to_string()))?;
    Ok(respond(StatusCode::OK, encoding.content_type(), body))
}

fn watch(shared: &Arc<Shared>, question: &Question) -> Result<Response<Body>, Refusal> {
    let streaming = question.parameter("sendInitialEvents") == "true";
    if streaming && shared.has(Fault::NoStreamingLists) {
        let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents \
                       is forbidden for watch unless the WatchList feature gate is enabled";
        return Err(Refusal::new(422, "Invalid", message));
    }
    let start = match question.parameter("resourceVersion") {
        "" | "0" => Start::Everything { ends: streaming && !shared.has(Fault::EndlessStreamingLists) },
        version => Start::After(version.parse().unwrap_or(0)),
    };
    if let Start::After(version) = start
        && shared.has(Fault::GoneAsStatus)
        && !lock(&shared.store).remembers(version)
    {
        return Err(Refusal::gone());
    }
    let seconds = question.parameter("timeoutSeconds").parse().unwrap_or(1800);
    let (sender, body) = Channel::new(1);
    let watch = Watch {
        encoding: question.encoding,
        resource: question.resource,
        selector: question.selector.clone(),
        start,
        timeout: Duration::from_secs(seconds),
        shared: Arc::clone(shared),
        commands: shared.commands.subscribe(),
        sender,
    };
    // Dropped together with the body, which is how the watch learns that its client is gone.
    let (connection, closed) = oneshot::channel::<Infallible>();
    let body = body.map_frame(move |frame| {
        let _open = &connection;
        frame
    });
    tokio::spawn(async move {
        tokio::select! {
            () = watch.run() => (),
            _ = closed => (),
        }
    });
    let mut response = Response::new(body.boxed());
    let content_type = HeaderValue::from_static(question.encoding.stream_content_type());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

pub(super) fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

// === impl Question ===

impl Question {
    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    fn is_watch(&self) -> bool {
        matches!(self.parameter("watch"), "true" | "1")
    }

    fn summary(&self) -> String {
        let name = self.resource.name();
        let version = self.parameter("resourceVersion");
        match (self.is_watch(), self.parameter("sendInitialEvents"), self.parameter("continue")) {
            (true, "true", _) => format!("stream {name}"),
            (true, _, _) => format!("watch {name} {version}"),
            (false, _, "") => format!("list {name} {version}").trim_end().to_owned(),
            (false, _, _) => format!("continue {name}"),
        }
    }
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Refusal { code, reason, message: message.into() }
    }

    fn gone() -> Self {
        Refusal::new(410, "Expired", "too old resource version")
    }

    fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        })
    }

    fn response(&self, encoding: Encoding) -> Response<Body> {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let status = self.status();
        match encoding.object(&status) {
            Ok(body) => respond(code, encoding.content_type(), body),
            Err(_) => respond(code, "application/json", status.to_string()),
        }
    }
}

/// The object of the event which says that a version is forgotten.
pub(super) fn gone() -> Value {
    Refusal::gone().status()
}
