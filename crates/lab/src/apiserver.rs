//! A small API server in this process, with faults on demand.
//!
//! It knows Services, EndpointSlices and Nodes, as raw JSON that is not validated, and what a client needs to
//! follow them: lists in pages, watches from a version, streaming lists, bookmarks, selectors by label and by
//! the fields that the real server can select by. Clients that prefer protobuf get that, in which malformed objects
//! cannot be told. Events can be created and patched. It speaks HTTP/1.1 without TLS on a port of the loopback
//! interface, and runs on the tokio runtime of the test.
//!
//! A [`Fault`] lasts until [`ApiServer::heal`]; other things go wrong at once when asked for, such as
//! [`ApiServer::cut`].

mod answer;
mod encoding;
mod events;
mod fault;
mod paging;
mod resource;
mod selector;
mod store;
mod watch;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::broadcast;
use tokio::task::{JoinHandle, JoinSet};

pub use self::fault::Fault;
pub use self::resource::Resource;

use self::encoding::Encoding;
use self::paging::Pages;
use self::store::Store;

/// Why the API server cannot do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum ApiServerError {
    /// The port cannot be listened on.
    #[error("the API server cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// The object is of no kind that the server has.
    #[error("{0} is not an object that the API server has (Service, EndpointSlice, Node, with a name)")]
    UnknownObject(String),
}

/// A running API server. Dropping it stops it.
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    running: Mutex<Option<JoinHandle<()>>>,
}

/// What the connections share.
#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    events: Mutex<Vec<Value>>,
    faults: Mutex<BTreeSet<Fault>>,
    token: Mutex<Option<String>>,
    pages: Mutex<Pages>,
    requests: Mutex<Vec<String>>,
    commands: broadcast::Sender<Command>,
}

/// What is done to every watch that is open.
#[derive(Clone, Debug)]
enum Command {
    /// Half an event, then the connection is closed.
    Cut,
    /// These bytes, whatever they are.
    Say(Vec<u8>),
    /// A bookmark.
    Bookmark,
    /// The error event 410.
    Forget,
}

// === impl ApiServer ===

impl ApiServer {
    /// Starts an empty server on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn start() -> Result<Self, ApiServerError> {
        let (commands, _) = broadcast::channel(16);
        let shared = Arc::new(Shared {
            store: Mutex::default(),
            events: Mutex::default(),
            faults: Mutex::default(),
            token: Mutex::default(),
            pages: Mutex::default(),
            requests: Mutex::default(),
            commands,
        });
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = listen(any)?;
        let address =
            listener.local_addr().map_err(|source| ApiServerError::Listen { address: any, source })?;
        let running = Mutex::new(Some(tokio::spawn(accept(listener, Arc::clone(&shared)))));
        Ok(ApiServer { shared, address, running })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Creates or replaces an object and returns its new resource version.
    ///
    /// # Errors
    ///
    /// If it is of another kind or has no name.
    pub fn apply(&self, object: Value) -> Result<u64, ApiServerError> {
        let (resource, key) = Resource::identify(&object)
            .ok_or_else(|| ApiServerError::UnknownObject(object.to_string().chars().take(200).collect()))?;
        Ok(self.apply_as(resource, &key, object))
    }

    /// Creates or replaces what the store calls `key`, whatever it looks like.
    pub fn apply_as(&self, resource: Resource, key: &str, object: Value) -> u64 {
        lock(&self.shared.store).apply(resource, key, object)
    }

    /// Deletes an object: `namespace/name`, or `name` for a Node. Returns whether there was one.
    pub fn delete(&self, resource: Resource, key: &str) -> bool {
        lock(&self.shared.store).delete(resource, key)
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, fault: Fault) {
        lock(&self.shared.faults).insert(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        lock(&self.shared.faults).clear();
    }

    /// Answers requests without this bearer token with 401, and closes the watches that are open.
    pub fn require_token(&self, token: &str) {
        *lock(&self.shared.token) = Some(token.to_owned());
        self.cut();
    }

    /// Cuts every watch in the middle of an event.
    pub fn cut(&self) {
        self.command(Command::Cut);
    }

    /// Sends these bytes into every watch.
    pub fn say(&self, bytes: impl Into<Vec<u8>>) {
        self.command(Command::Say(bytes.into()));
    }

    /// Sends a bookmark into every watch that is not ahead of the server.
    pub fn bookmark(&self) {
        self.command(Command::Bookmark);
    }

    /// Forgets the history, as a server does after some minutes: who wants to go on from an older version gets
    /// 410. Watches that are open do not notice.
    pub fn forget(&self) {
        lock(&self.shared.store).forget();
    }

    /// Forgets the history, and says so in every watch with the error event 410.
    pub fn forget_openly(&self) {
        self.forget();
        self.command(Command::Forget);
    }

    /// Starts to count versions from the beginning, as after a restored backup. Forgets the history too.
    pub fn rewind(&self) {
        lock(&self.shared.store).rewind();
    }

    /// Stops listening and closes every connection.
    pub async fn stop(&self) {
        let running = lock(&self.running).take();
        if let Some(running) = running {
            running.abort();
            // It ends as aborted, after its port and connections are closed.
            let _aborted = running.await;
        }
    }

    /// Listens again on the same port.
    ///
    /// # Errors
    ///
    /// If somebody else has taken it meanwhile.
    pub async fn resume(&self) -> Result<(), ApiServerError> {
        self.stop().await;
        let listener = listen(self.address)?;
        *lock(&self.running) = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
        Ok(())
    }

    /// The requests so far: `list services`, `stream nodes`, `watch services 12`, `create events`. Lists that need not
    /// be the newest have their version behind them, as in `list services 0`; then comes the status if it was an
    /// error. One that is never answered is `GET /api/v1/services unanswered`.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }

    /// The Events that were recorded, in the order in which they were created.
    pub fn events(&self) -> Vec<Value> {
        lock(&self.shared.events).clone()
    }

    /// Deletes all Events.
    pub fn delete_events(&self) {
        lock(&self.shared.events).clear();
    }

    /// How many watches are open.
    pub fn watches(&self) -> usize {
        self.shared.commands.receiver_count()
    }

    fn command(&self, command: Command) {
        // Fails if no watch is open, and then there is nothing to do.
        let _listeners = self.shared.commands.send(command);
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(running) = lock(&self.running).take() {
            running.abort();
        }
    }
}

// === impl Shared ===

impl Shared {
    fn has(&self, fault: Fault) -> bool {
        lock(&self.faults).contains(&fault)
    }

    /// The form of the answer to a request with these headers.
    fn encoding(&self, headers: &HeaderMap) -> Encoding {
        if self.has(Fault::JsonOnly) { Encoding::Json } else { Encoding::accepted(headers) }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, ApiServerError> {
    let listen = || {
        let socket = TcpSocket::new_v4()?;
        // The port of a server that was stopped is full of old connections.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(128)
    };
    listen().map_err(|source| ApiServerError::Listen { address, source })
}

/// Serves connections until it is aborted; they end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            connection = listener.accept() => {
                let Ok((stream, _)) = connection else { continue };
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer::answer(Arc::clone(&shared), request));
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            Some(_) = connections.join_next() => (),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
