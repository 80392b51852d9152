//! Where the API server is and who asks.

use std::path::PathBuf;

use super::requests::Observer;
use super::{Encoding, Timing};

/// How to reach the API server, and for which node.
#[derive(Clone, Debug)]
pub struct Config {
    /// A kubeconfig file. Without one, and without `master`, the service account of the pod is used.
    pub kubeconfig: Option<PathBuf>,
    /// The URL of the API server; it takes precedence over the one in the kubeconfig.
    pub master: Option<String>,
    /// The name of the node that is served.
    pub node_name: String,
    /// Whether the other Nodes are read as well, for their addresses. Each costs a message whenever its status
    /// is written, which a kubelet does at least every five minutes.
    pub all_nodes: bool,
    /// How long things may take.
    pub timing: Timing,
    /// The form in which objects are asked for.
    pub encoding: Encoding,
    /// Who hears of the requests.
    pub observer: Option<Observer>,
}

// === impl Config ===

impl Config {
    /// The configuration of a pod on the node `node_name`.
    pub fn in_cluster(node_name: impl Into<String>) -> Self {
        Config {
            kubeconfig: None,
            master: None,
            node_name: node_name.into(),
            all_nodes: false,
            timing: Timing::default(),
            encoding: Encoding::default(),
            observer: None,
        }
    }
}
