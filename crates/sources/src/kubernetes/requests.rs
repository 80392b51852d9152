//! Who hears of the requests to the API server.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use http::{Request, Response};
use tower::Service;

/// Hears of every request. Must not block.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Answered<'_>) + Send + Sync>);

/// A request that was answered, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The host and port of the server.
    pub host: &'a str,
    /// The HTTP status; none without an answer.
    pub status: Option<u16>,
    /// How long the answer took to begin; none for a watch, whose answer begins when something happens.
    pub took: Option<Duration>,
}

/// The client beneath, with an observer of what it does.
#[derive(Clone)]
pub(super) struct Observed<S> {
    inner: S,
    observer: Option<Observer>,
}

// === impl Observer ===

impl Observer {
    /// Calls `observe` with every request.
    pub fn new(observe: impl Fn(&Answered<'_>) + Send + Sync + 'static) -> Self {
        Observer(Arc::new(observe))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

// === impl Observed ===

impl<S> Observed<S> {
    pub(super) fn new(inner: S, observer: Option<Observer>) -> Self {
        Observed { inner, observer }
    }
}

impl<S, B, C> Service<Request<B>> for Observed<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    C: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(observer) = self.observer.clone() else { return Box::pin(self.inner.call(request)) };
        let method = request.method().clone();
        let uri = request.uri();
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let is_watch = uri.query().is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
        let began = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            let took = (!is_watch).then(|| began.elapsed());
            (observer.0)(&Answered { method: method.as_str(), host: &host, status, took });
            answer
        })
    }
}
