//! Events at the API server (events.k8s.io/v1), as `kubectl describe` and `kubectl get events` show them.
//!
//! Telling of an Event never holds anything up and never fails. What makes that true, and what it costs:
//!
//! * At most [`QUEUE_LENGTH`] Events wait to be sent; further ones are dropped and counted.
//! * 25 Events may be sent at once and then one every 10 s, so that a flood of them does not burden the server.
//! * An Event that is told again is not sent again. When ten minutes have passed since the server heard of it,
//!   the next repetition renews the `series` of the Event that is there: how often it was told so far, and
//!   when last. Repetitions after which nothing comes for good are therefore not counted there.
//! * A server that does not answer is asked five times, with growing pauses; then the Event is dropped. The log
//!   says so once, and once more when Events can be recorded again.

mod bucket;
mod message;
mod series;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use model::ObjectKey;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::oneshot;

use super::session::Session;
use super::{Config, Error};

use self::writer::Writer;

/// How many Events may wait to be sent.
const QUEUE_LENGTH: usize = 128;

/// Records Events. Clones share one queue; when all are gone, what waits is still sent.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: Sender<Told>,
    dropped: Arc<AtomicU64>,
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// The object.
    pub regarding: Reference,
    /// Whether it is as it should be.
    pub kind: EventKind,
    /// Why it happened, as one word such as `FailedToStartServiceHealthcheck`.
    pub reason: &'static str,
    /// What was done, as one word such as `Listen`.
    pub action: &'static str,
    /// Whether every node tells the same of the object, so that the first one's Event is enough: all give it one
    /// name.
    pub shared: bool,
    /// The whole story, for people. The server takes 1024 bytes of it; the rest is cut off.
    pub note: String,
}

/// The `type` of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// All is well.
    Normal,
    /// Somebody should look.
    Warning,
}

/// An object that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    kind: &'static str,
    namespace: Option<Arc<str>>,
    name: Arc<str>,
    uid: Option<Arc<str>>,
}

/// What waits for the writer.
#[derive(Debug)]
enum Told {
    /// An Event, and when it was told.
    Event(Box<Event>, Timestamp),
    /// Somebody wants to know when everything before this is sent.
    Flush(oneshot::Sender<()>),
}

// === impl Recorder ===

impl Recorder {
    /// Prepares to record Events on behalf of the configuration's node, on the tokio runtime of the caller.
    ///
    /// # Errors
    /// Only if the configuration makes it impossible to ask the API server.
    pub async fn start(config: Config) -> Result<Recorder, Error> {
        let session = Session::connect(Arc::new(config)).await?;
        let (queue, waiting) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(Writer::new(session).run(waiting));
        Ok(Recorder { queue, dropped: Arc::default() })
    }

    /// Records an Event as of now, if that is possible.
    pub fn record(&self, event: Event) {
        let told = Told::Event(Box::new(event), Timestamp::now());
        if let Err(error) = self.queue.try_send(told) {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if let Told::Event(event, _) = error.into_inner() {
                tracing::debug!(%event, dropped, "too many Events; one is dropped");
            }
        }
    }

    /// Waits until everything that was recorded before is sent or given up.
    pub async fn flush(&self) {
        let (done, waiting) = oneshot::channel();
        if self.queue.send(Told::Flush(done)).await.is_ok() {
            // Fails if the writer ends, which leaves nothing to wait for.
            let _ = waiting.await;
        }
    }

    /// How many Events were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

// === impl Event ===

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.regarding, self.reason, self.note)
    }
}

// === impl EventKind ===

impl EventKind {
    fn name(self) -> &'static str {
        match self {
            EventKind::Normal => "Normal",
            EventKind::Warning => "Warning",
        }
    }
}

// === impl Reference ===

impl Reference {
    /// A Service. `kubectl describe` shows only Events with the uid of the object.
    pub fn service(key: &ObjectKey, uid: Option<Arc<str>>) -> Self {
        let namespace = Some(Arc::clone(&key.namespace));
        Reference { kind: "Service", namespace, name: Arc::clone(&key.name), uid }
    }

    /// A Node, with its name for a uid, as kubelets and kube-proxy 1.30 refer to it. kube-proxy 1.36 gives no
    /// uid, and `kubectl describe node` does not show its Events.
    pub fn node(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Reference { kind: "Node", namespace: None, name: Arc::clone(&name), uid: Some(name) }
    }

    /// The namespace that Events about the object belong to.
    fn event_namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}
