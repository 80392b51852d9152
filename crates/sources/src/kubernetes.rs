//! State from Kubernetes' API server: Services, EndpointSlices and the Node that is served, or all Nodes.
//!
//! Each kind is followed on its own: a complete reading, then a watch from the version of that reading. The reading is
//! a streaming list where the server has them, else what the server has in memory, and page by page only where it
//! has to read its database. A broken watch goes on from the last version that was seen; only if the server has
//! forgotten that one or has gone back before it, or if an event could not be understood, is everything read again.
//! While the server is away nothing is removed.
//!
//! Objects are asked for in protobuf, which costs both sides a fraction of JSON; a server that has only JSON is
//! understood as well.
//!
//! The client is kube's, for configuration, credentials, TLS and requests. Its `watcher` is not used, because
//! as of 5.0 it has no way back from streaming lists to plain ones, asks again at once and for ever when a
//! server ends each watch immediately, takes HTTP 410 at the start of a watch for a passing fault, skips an
//! event that it cannot parse, and does not show that it is in contact again.

mod config;
mod contact;
mod encoding;
mod events;
mod failure;
mod follow;
mod message;
mod page;
mod proxy;
mod query;
pub mod recorder;
pub mod requests;
mod session;
mod status;
#[cfg(test)]
mod tests;
mod timing;

use std::path::PathBuf;
use std::sync::Arc;

use kube::config::KubeconfigError;
use model::{Change, Kind};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinSet;

pub use self::config::Config;
pub use self::encoding::Encoding;
pub use self::timing::Timing;

use self::contact::Contact;
use self::follow::Follower;
use self::query::Query;
use self::session::Session;
use crate::decode::{Raw, RawNode, RawService, RawSlice};
use crate::{Changes, QUEUE_LENGTH};

/// Why the API server cannot be asked at all. Everything that may pass by itself is retried instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig is missing or makes no sense.
    #[error("cannot use the kubeconfig {path:?}: {}; --kubeconfig has to name a readable kubeconfig", describe_kubeconfig(.source))]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KubeconfigError,
    },
    /// No kubeconfig was given, and this is not a pod.
    #[error("no --kubeconfig was given, and this does not run in a pod with a service account: {0}")]
    NotInCluster(#[source] kube::config::InClusterError),
    /// The address of the API server makes no sense.
    #[error("{url:?} is not the URL of an API server (such as https://10.0.0.1:6443): {reason}")]
    Server {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The proxy on the way to the API server makes no sense.
    #[error(
        "{named_by} names no proxy that can be used: it has to be a URL such as http://10.0.0.1:3128 or socks5://10.0.0.1:1080"
    )]
    Proxy {
        /// Where it stands.
        named_by: &'static str,
    },
    /// The file with the bearer token cannot be read.
    #[error("cannot read the token file {path:?}: {source}")]
    Token {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// The credentials or certificates in the configuration make no sense.
    #[error("cannot set up the connection to the API server: {0}")]
    Client(#[source] Box<kube::Error>),
    /// The API server could not be read within the time that [`load`] has.
    #[error("the API server was not read within {limit:?}: {reason}")]
    Unread {
        /// The time.
        limit: std::time::Duration,
        /// The last that was heard.
        reason: String,
    },
}

/// Follows the API server. The changes end only if the reader is dropped; whatever fails is retried.
///
/// # Errors
///
/// Only if the configuration makes it impossible to ask.
pub async fn watch(config: Config) -> Result<Changes, Error> {
    start(config).await.map(|(changes, _)| changes)
}

/// Reads the API server once: what there is, then [`Change::Synced`] for every kind.
///
/// # Errors
///
/// If the configuration is wrong, or if the server cannot be read within [`Timing::load`].
pub async fn load(config: Config) -> Result<Vec<Change>, Error> {
    let limit = config.timing.load;
    let (mut changes, contact) = start(config).await?;
    let mut loaded = Vec::new();
    let mut missing = Kind::ALL.to_vec();
    let reading = async {
        while let Some(change) = changes.recv().await {
            if let Change::Synced(kind) = &change {
                missing.retain(|other| other != kind);
            }
            loaded.push(change);
            if missing.is_empty() {
                break;
            }
        }
    };
    match tokio::time::timeout(limit, reading).await {
        Ok(()) => Ok(loaded),
        Err(_elapsed) => Err(Error::Unread { limit, reason: contact.last_reason() }),
    }
}

async fn start(config: Config) -> Result<(Changes, Arc<Contact>), Error> {
    let session = Session::connect(Arc::new(config)).await?;
    if let Some(proxy) = session.proxy() {
        tracing::info!(server = session.url(), %proxy, "the API server is asked through a proxy");
    }
    let contact = Arc::new(Contact::new(session.url()));
    let (sender, changes) = mpsc::channel(QUEUE_LENGTH);
    let nodes = match session.config() {
        config if config.all_nodes => Query::nodes(),
        config => Query::node(&config.node_name),
    };
    let mut tasks = JoinSet::new();
    spawn::<RawService>(&mut tasks, Query::services(), &session, &sender, &contact);
    spawn::<RawSlice>(&mut tasks, Query::endpoint_slices(), &session, &sender, &contact);
    spawn::<RawNode>(&mut tasks, nodes, &session, &sender, &contact);
    tokio::spawn(supervise(tasks, sender));
    Ok((changes, contact))
}

/// Ends the followers when nobody reads what they tell. One that ends by itself is broken; the others and the changes
/// end with it then, since half of what there is would be taken for all.
async fn supervise(mut tasks: JoinSet<()>, sender: Sender<Change>) {
    tokio::select! {
        () = sender.closed() => (),
        Some(ended) = tasks.join_next() => {
            if let Err(error) = ended {
                tracing::error!(%error, "following the API server has failed");
            }
        }
    }
    tasks.shutdown().await;
}

/// kube names the file once more.
fn describe_kubeconfig(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        error => error.to_string(),
    }
}

fn spawn<R: Raw + Sync>(
    tasks: &mut JoinSet<()>,
    query: Query,
    session: &Session,
    sender: &Sender<Change>,
    contact: &Arc<Contact>,
) {
    let follower = Follower::<R>::new(query, session.clone(), sender.clone(), Arc::clone(contact));
    tasks.spawn(follower.run());
}
