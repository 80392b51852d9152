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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use tower::{ServiceExt as _, service_fn};

    use super::*;

    /// What is heard of a request with this URL, to a server that answers with this status or not at all.
    async fn heard(url: &str, status: Option<u16>) -> Vec<String> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let observer = Observer::new(move |answered| {
            let Answered { method, host, status, took } = *answered;
            let text = format!("{method} {host} {status:?} timed: {}", took.is_some());
            sink.lock().unwrap().push(text);
        });
        let server = service_fn(move |_: Request<()>| async move {
            let answer = |status| Response::builder().status(status).body(()).unwrap();
            status.map(answer).ok_or_else(|| std::io::Error::other("away"))
        });
        let request = Request::get(url).body(()).unwrap();
        let _ = Observed::new(server, Some(observer)).oneshot(request).await;
        let heard = heard.lock().unwrap();
        heard.clone()
    }

    #[tokio::test]
    async fn every_request_is_heard_of() {
        let lists = "https://10.96.0.1:443/api/v1/services?limit=500";
        assert_eq!(heard(lists, Some(200)).await, ["GET 10.96.0.1:443 Some(200) timed: true"]);
        assert_eq!(heard(lists, None).await, ["GET 10.96.0.1:443 None timed: true"]);
        let watches = "https://10.96.0.1:443/api/v1/services?timeoutSeconds=300&watch=true";
        assert_eq!(heard(watches, Some(410)).await, ["GET 10.96.0.1:443 Some(410) timed: false"]);
    }

    #[tokio::test]
    async fn nobody_has_to_listen() {
        let server = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(7)) });
        let request = Request::get("http://a/").body(()).unwrap();
        let answer = Observed::new(server, None).oneshot(request).await;
        assert_eq!(answer.unwrap().into_body(), 7);
    }
}
