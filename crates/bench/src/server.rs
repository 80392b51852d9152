//! An API server that makes up its objects while it sends them, so that a million endpoints need no memory.
//!
//! It has what a client needs to follow Services, EndpointSlices and Nodes: streaming lists and watches. `POST
//! /bench/...` tells it what there is.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lab::protobuf;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::objects::{Form, Object, Objects, Pods};

/// How much of a streaming list is sent at once.
const CHUNK: usize = 64 * 1024;

type Body = BoxBody<Bytes, Infallible>;

/// What the connections share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the watches.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    objects: Objects,
    version: u64,
    /// EndpointSlices that changed since the last reset, with their versions. Nothing else changes.
    events: Vec<(u64, Object)>,
}

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Services,
    EndpointSlices,
    Nodes,
}

/// Serves until it is killed.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        println!("{}", listener.local_addr()?);
        serve(listener, Arc::default()).await
    })
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept a connection")?;
        stream.set_nodelay(true)?;
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let answer = |request| answer(Arc::clone(&shared), request);
            // A client that goes away is no error.
            let _gone =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let query = request.uri().query().unwrap_or_default();
    let parameters: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let path = request.uri().path();
    if let (&Method::POST, Some(command)) = (request.method(), path.strip_prefix("/bench/")) {
        return Ok(match shared.obey(command, &parameters) {
            Some(()) => text(StatusCode::OK, ""),
            None => text(StatusCode::BAD_REQUEST, "no such command"),
        });
    }
    let Some(kind) = Kind::at(path) else {
        return Ok(text(StatusCode::NOT_FOUND, "no such resource here"));
    };
    if parameters.get("watch").map(String::as_str) != Some("true") {
        // Which makes the client ask for a streaming list.
        return Ok(text(StatusCode::BAD_REQUEST, "only watches here"));
    }
    let form = if protobuf::is_preferred(request.headers()) { Form::Protobuf } else { Form::Json };
    let (sender, body) = Channel::new(4);
    let everything = parameters.get("sendInitialEvents").is_some_and(|value| value == "true");
    let since = parameters.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
    tokio::spawn(async move { follow(&shared, kind, form, (!everything).then_some(since), sender).await });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(CONTENT_TYPE, content_type(form));
    Ok(response)
}

/// One watch, until the client is gone.
async fn follow(
    shared: &Shared,
    kind: Kind,
    form: Form,
    since: Option<u64>,
    mut sender: Sender<Bytes, Infallible>,
) -> Option<()> {
    let mut changed = shared.changed.subscribe();
    let mut version = match since {
        Some(version) => version,
        None => {
            let (objects, version) = {
                let state = shared.state();
                (state.objects.clone(), state.version)
            };
            tell_everything(kind, form, &objects, version, &mut sender).await?;
            version
        }
    };
    loop {
        let news: Vec<(u64, Object)> = match kind {
            Kind::EndpointSlices => {
                let state = shared.state();
                let known = state.events.partition_point(|(at, _)| *at <= version);
                state.events.get(known..).unwrap_or_default().to_vec()
            }
            Kind::Services | Kind::Nodes => Vec::new(),
        };
        for (at, object) in news {
            sender.send_data(form.event("MODIFIED", object, at).into()).await.ok()?;
            version = at;
        }
        changed.changed().await.ok()?;
    }
}

async fn tell_everything(
    kind: Kind,
    form: Form,
    objects: &Objects,
    version: u64,
    sender: &mut Sender<Bytes, Infallible>,
) -> Option<()> {
    let all: Box<dyn Iterator<Item = Object> + Send> = match kind {
        Kind::Services => Box::new(objects.services()),
        Kind::EndpointSlices => Box::new(objects.slices()),
        Kind::Nodes => Box::new(std::iter::empty()),
    };
    let mut chunk = Vec::new();
    for object in all {
        chunk.extend(form.event("ADDED", object, 1));
        if chunk.len() >= CHUNK {
            sender.send_data(Bytes::from(std::mem::take(&mut chunk))).await.ok()?;
        }
    }
    chunk.extend(form.bookmark(kind.api_version(), kind.name(), version));
    sender.send_data(Bytes::from(chunk)).await.ok()
}

fn content_type(form: Form) -> HeaderValue {
    HeaderValue::from_static(match form {
        Form::Json => "application/json",
        Form::Protobuf => protobuf::CONTENT_TYPE,
    })
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *response.status_mut() = status;
    response
}

// === impl Kind ===

impl Kind {
    fn at(path: &str) -> Option<Kind> {
        match path.rsplit('/').next()? {
            "services" => Some(Kind::Services),
            "endpointslices" => Some(Kind::EndpointSlices),
            "nodes" => Some(Kind::Nodes),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Services => "Service",
            Kind::EndpointSlices => "EndpointSlice",
            Kind::Nodes => "Node",
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Kind::EndpointSlices => "discovery.k8s.io/v1",
            Kind::Services | Kind::Nodes => "v1",
        }
    }
}

// === impl Shared ===

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn obey(self: &Arc<Self>, command: &str, parameters: &HashMap<String, String>) -> Option<()> {
        let number = |name: &str| parameters.get(name)?.parse::<u32>().ok();
        match command {
            "reset" => {
                let objects = Objects {
                    services: number("services")?,
                    endpoints: number("endpoints")?,
                    ..Objects::default()
                };
                *self.state() = State { objects, version: 1, events: Vec::new() };
            }
            "pods" => {
                self.set_pods(number("service")?, Pods { first: number("first")?, count: number("count")? });
            }
            "churn" => {
                let (shared, number) = (Arc::clone(self), number("changes")?);
                let seconds = parameters.get("seconds")?.parse().ok()?;
                tokio::spawn(async move { shared.churn(number, seconds).await });
            }
            _ => return None,
        }
        Some(())
    }

    fn set_pods(&self, service: u32, pods: Pods) {
        {
            let state = &mut *self.state();
            state.version += 1;
            let version = state.version;
            let before = state.objects.slices_of(service);
            state.objects.exceptions.insert(service, pods);
            let after = state.objects.slices_of(service);
            let moved = after.iter().enumerate().filter(|(index, slice)| before.get(*index) != Some(slice));
            state.events.extend(moved.map(|(_, slice)| (version, *slice)));
        }
        self.changed.send_replace(());
    }

    /// Changes one Service after the other, evenly over some seconds: each loses its first pod or gets it back.
    async fn churn(&self, changes: u32, seconds: u32) {
        let pause = Duration::from_secs(seconds.into()) / changes.max(1);
        let mut ticks = tokio::time::interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for change in 0..changes {
            ticks.tick().await;
            let (service, pods) = {
                let state = self.state();
                // A step that visits Services far from each other.
                let service = change.wrapping_mul(7919) % state.objects.services.max(1);
                let all = service * state.objects.endpoints;
                let usual = Pods { first: all, count: state.objects.endpoints };
                let fewer = Pods { first: all + 1, count: state.objects.endpoints.saturating_sub(1) };
                let now = state.objects.exceptions.get(&service).copied().unwrap_or(usual);
                (service, if now == usual { fewer } else { usual })
            };
            self.set_pods(service, pods);
        }
    }
}

#[cfg(test)]
mod tests {
    use sources::kubernetes::{Config, Encoding, load};

    use super::*;

    /// What a proxy understands of everything that a server has to tell, in some order.
    async fn told(shared: &Arc<Shared>, encoding: Encoding) -> Vec<String> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let master = Some(format!("http://{}", listener.local_addr().unwrap()));
        let server = tokio::spawn(serve(listener, Arc::clone(shared)));
        let changes = load(Config { master, encoding, ..Config::in_cluster("node-1") }).await.unwrap();
        server.abort();
        let mut changes: Vec<String> = changes.iter().map(|change| format!("{change:#?}")).collect();
        changes.sort();
        changes
    }

    #[tokio::test]
    async fn both_forms_tell_the_same() {
        let shared = Arc::<Shared>::default();
        shared.state().objects = Objects { services: 2, endpoints: 150, ..Objects::default() };
        let json = told(&shared, Encoding::Json).await;
        let (services, slices, kinds) = (2, 4, 3);
        assert_eq!(json.len(), services + slices + kinds, "{json:#?}");
        assert!(!json.iter().any(|change| change.starts_with("Problem")), "{json:#?}");
        assert_eq!(json, told(&shared, Encoding::Protobuf).await);
    }
}
