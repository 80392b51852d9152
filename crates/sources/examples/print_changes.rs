//! Prints what a source tells, one line for each change:
//!
//! ```sh
//! cargo run -p sources --example print_changes -- --manifests DIR
//! cargo run -p sources --example print_changes -- --kubeconfig FILE --node NAME
//! ```
#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::path::{Path, PathBuf};

use model::Change;
use sources::{Changes, kubernetes, manifests};

type Error = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut changes = open(&arguments).await?;
    while let Some(change) = changes.recv().await {
        println!("{}", line(&change));
    }
    Ok(())
}

async fn open(arguments: &[&str]) -> Result<Changes, Error> {
    match arguments {
        ["--manifests", folder] => {
            manifests::watch(Path::new(folder), manifests::Options::default()).map_err(Error::from)
        }
        ["--kubeconfig", file, "--node", node] => {
            let config = kubernetes::Config {
                kubeconfig: Some(PathBuf::from(file)),
                ..kubernetes::Config::in_cluster(*node)
            };
            kubernetes::watch(config).await.map_err(Error::from)
        }
        _ => Err("usage: print_changes --manifests DIR | --kubeconfig FILE --node NAME".into()),
    }
}

fn line(change: &Change) -> String {
    match change {
        Change::ServiceApplied(service) => format!("+ Service {} {service:?}", service.key),
        Change::ServiceRemoved(key) => format!("- Service {key}"),
        Change::SliceApplied(slice) => format!("+ EndpointSlice {} {slice:?}", slice.key),
        Change::SliceRemoved(key) => format!("- EndpointSlice {key}"),
        Change::NodeApplied(node) => format!("+ Node {} {node:?}", node.name),
        Change::NodeRemoved(name) => format!("- Node {name}"),
        Change::Synced(kind) => format!("= {kind}"),
        Change::Problem(problem) => format!("! {problem}"),
    }
}
