//! A small HTTP/1 server for what a node tells others: health checks and metrics.
//!
//! Its clients are not trusted. A connection that does not send the head of a request within
//! [`HEADER_TIMEOUT`] is closed, idle ones included; one that does not take its answer within
//! [`WRITE_TIMEOUT`] is reset; a server has a limited number at a time, and further ones wait in the kernel. While more
//! than half of them are in use, each ends with its answer, so that clients that come again and again keep nobody out.
//! Bodies of requests are not read.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

/// How long the head of a request may take, counted from the connection or from the answer before it.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the kernel waits for a client that does not take what was sent to it (`TCP_USER_TIMEOUT`).
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections that a server on an address of its own has at a time: one Service's health check.
const MOST_OF_A_SERVICE: usize = 64;

/// Connections that a server of the whole node has at a time. The two that there are leave half of the 1,024 files that
/// a process may have open unless it is told otherwise.
const MOST_OF_THE_NODE: usize = 256;

/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;

/// Connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 128;

/// How long to wait before an address that cannot be listened on is tried again, as kube-proxy does.
pub(crate) const RETRY: Duration = Duration::from_secs(5);

/// How long to wait when the kernel gives no connection, which is when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The content type of plain text, as Go's servers name it.
pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";

/// The content type of JSON.
pub(crate) const JSON: &str = "application/json";

/// An answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// What answers requests: any function that gives a future of an answer.
pub(crate) trait Handler: Clone + Send + Sync + 'static {
    /// Answers a request, whose body is not there.
    fn handle(&self, request: Request<()>) -> impl Future<Output = Answer> + Send;
}

/// A running server. Dropping it closes its port and its connections.
#[derive(Debug)]
pub(crate) struct Server {
    #[cfg(test)]
    address: SocketAddr,
    running: JoinSet<()>,
}

/// A server that listens as soon as its address can be listened on. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct PersistentServer {
    _running: JoinSet<()>,
}

/// How many connections a server may have. There are as many copies as it has, and its own.
#[derive(Clone, Debug)]
struct Slots(Arc<usize>);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", advice(source))]
pub(crate) struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

// === impl Handler ===

impl<H, F> Handler for H
where
    H: Fn(Request<()>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send,
{
    fn handle(&self, request: Request<()>) -> impl Future<Output = Answer> + Send {
        self(request)
    }
}

// === impl Server ===

impl Server {
    /// Listens on `address` and answers every request there with what `handler` makes of it. The address
    /// `0.0.0.0` takes IPv4 only, and `::` takes IPv6 only, so that both may be had with one port.
    ///
    /// # Errors
    /// If the kernel refuses the address.
    pub(crate) fn start(
        runtime: &Handle,
        address: SocketAddr,
        handler: impl Handler,
    ) -> Result<Server, ListenError> {
        Server::over(runtime, address, (open, MOST_OF_A_SERVICE), handler)
    }

    /// The same, but an address that stands for all takes both families, whichever it is of, as Go's servers do.
    ///
    /// # Errors
    /// If the kernel refuses the address.
    fn start_for_all(
        runtime: &Handle,
        address: SocketAddr,
        handler: impl Handler,
    ) -> Result<Server, ListenError> {
        Server::over(runtime, address, (open_for_all, MOST_OF_THE_NODE), handler)
    }

    fn over(
        runtime: &Handle,
        address: SocketAddr,
        (open, most): (impl Fn(SocketAddr) -> io::Result<std::net::TcpListener>, usize),
        handler: impl Handler,
    ) -> Result<Server, ListenError> {
        let error = |source| ListenError { address, source };
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(open(address).map_err(error)?).map_err(error)?
        };
        #[cfg(test)]
        let address = listener.local_addr().map_err(error)?;
        let mut running = JoinSet::new();
        running.spawn_on(accept(listener, handler, Slots(Arc::new(most))), runtime);
        Ok(Server {
            #[cfg(test)]
            address,
            running,
        })
    }

    /// Where it listens.
    #[cfg(test)]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and returns when its port is free.
    pub(crate) async fn close(mut self) {
        self.running.shutdown().await;
    }
}

fn open(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    listen(address, true)
}

/// A socket of IPv6 takes IPv4 as well. Without IPv6 the address is taken as it is.
fn open_for_all(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    if !address.ip().is_unspecified() {
        return open(address);
    }
    match listen((Ipv6Addr::UNSPECIFIED, address.port()).into(), false) {
        Err(error) if is_family_missing(&error) => open(address),
        listening => listening,
    }
}

fn is_family_missing(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

fn listen(address: SocketAddr, only_own_family: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_own_family)?;
    }
    // Connections of a former server may still be known to the kernel.
    socket.set_reuse_address(true)?;
    // The connections inherit it.
    socket.set_tcp_user_timeout(Some(WRITE_TIMEOUT))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves connections until it is dropped; they end with it.
async fn accept(listener: TcpListener, handler: impl Handler, slots: Slots) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if slots.used() < slots.most() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, handler.clone(), slots.clone()))),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    debug!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, handler: impl Handler, slots: Slots) {
    let service = service_fn(|request: Request<Incoming>| async {
        let mut answer = handler.handle(request.map(drop)).await;
        if slots.used() > slots.most() / 2 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, Infallible>(answer)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LARGEST_HEAD)
        // Header names look as Go writes them.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        debug!(%error, "an HTTP connection broke");
    }
}

// === impl Slots ===

impl Slots {
    fn most(&self) -> usize {
        *self.0
    }

    fn used(&self) -> usize {
        Arc::strong_count(&self.0).saturating_sub(1)
    }
}

// === impl PersistentServer ===

impl PersistentServer {
    /// Listens on `address`, again after each [`RETRY`] if that fails. An address that stands for all takes both
    /// families, whichever it is of. The log calls the server `name`.
    pub(crate) fn start(
        runtime: &Handle,
        name: &'static str,
        address: SocketAddr,
        handler: impl Handler,
    ) -> Self {
        let mut running = JoinSet::new();
        running.spawn_on(persist(runtime.clone(), name, address, handler), runtime);
        PersistentServer { _running: running }
    }

    /// The same, but fails if the address cannot be listened on now.
    ///
    /// # Errors
    /// If the kernel refuses the address.
    pub(crate) fn start_now(
        runtime: &Handle,
        address: SocketAddr,
        handler: impl Handler,
    ) -> Result<Self, ListenError> {
        let server = Server::start_for_all(runtime, address, handler)?;
        Ok(PersistentServer { _running: server.running })
    }
}

async fn persist(runtime: Handle, name: &'static str, address: SocketAddr, handler: impl Handler) {
    let mut failing = false;
    let _server = loop {
        match Server::start_for_all(&runtime, address, handler.clone()) {
            Ok(server) => break server,
            Err(error) if !failing => warn!(%error, server = name, "not served; tried again every 5 s"),
            Err(_) => {}
        }
        failing = true;
        tokio::time::sleep(RETRY).await;
    };
    match failing {
        true => info!(server = name, %address, "served now"),
        false => debug!(server = name, %address, "served"),
    }
    std::future::pending::<()>().await;
}

/// What can be done about an error, as the end of its message.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRINUSE) => "; another socket has this port (`ss -ltnp` names it)",
        Some(Errno::EADDRNOTAVAIL) => "; no interface of this node has the address, or not yet",
        Some(Errno::EACCES) => "; ports below 1024 need the capability CAP_NET_BIND_SERVICE",
        Some(Errno::EAFNOSUPPORT) => "; this kernel does not have the address family",
        Some(Errno::EMFILE | Errno::ENFILE) => "; the limit of open files has to be raised (`ulimit -n`)",
        _ => "",
    }
}

/// An answer whose `content_type` no browser second-guesses, as Go's servers mark it.
pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers: [(HeaderName, HeaderValue); 2] = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    answer.headers_mut().extend(headers);
    answer
}

/// The answer where nothing is served, in the words of Go's servers.
pub(crate) fn not_found() -> Answer {
    answer(StatusCode::NOT_FOUND, PLAIN, "404 page not found\n")
}

#[cfg(test)]
pub(crate) mod client;
#[cfg(test)]
mod tests;
