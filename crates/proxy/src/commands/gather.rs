//! Reading a cluster once, for the commands that only look.

use ::config::Configuration;
use model::{Change, Cluster, Effect, Node};
use plan::{Options, Planner};

use crate::config;
use crate::flags::PlanFlags;
use crate::node::Identity;

/// A cluster as it was read, and what is planned for it.
pub(crate) struct Gathered {
    pub(crate) planner: Planner,
    /// Complaints about objects and warnings of Services.
    pub(crate) complaints: Vec<String>,
}

/// Reads everything from the source that the flags name, and plans it. Where nothing is known of the machine's
/// interfaces, the addresses of the Node object stand for theirs.
pub(crate) fn gather(
    flags: &PlanFlags,
    configuration: &Configuration,
    mut options: Options,
) -> anyhow::Result<Gathered> {
    let name = flags.node.as_deref().or(configuration.hostname_override.as_deref());
    let name = config::node_name(name)?;
    let mut cluster = Cluster::new(name.as_str());
    let identity = Identity::new(&name, configuration);
    cluster.apply(Change::NodeApplied(identity.node()));
    let mut complaints = Vec::new();
    let changes = read(flags, configuration, &name)?;
    if lacks_node(&changes, &name, flags.source.manifests.is_none()) {
        complaints.push(format!(
            "no Node {name} in the cluster, so no endpoint counts as local: set --node to the name that kubectl get nodes shows"
        ));
    }
    for change in changes {
        if let Effect::Problem(problem) = cluster.apply(identity.complete(change)) {
            complaints.push(problem.to_string());
        }
    }
    if let Some(detector) = identity.local_detector(cluster.node()) {
        options.local_detector = detector;
    }
    options.host_addresses.extend(&flags.host_address);
    if options.host_addresses.is_empty() {
        options.host_addresses = cluster.node().into_iter().flat_map(Node::addresses).collect();
    }
    let mut planner = Planner::new(options);
    let update = planner.rebuild(&cluster);
    for (key, warnings) in update.warnings {
        complaints.extend(warnings.into_iter().map(|warning| format!("Service {key}: {warning}")));
    }
    for conflict in update.conflicts {
        complaints.push(format!(
            "{} is claimed by Service {} and also by {}",
            conflict.key,
            conflict.winner,
            conflict.losers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(Gathered { planner, complaints })
}

/// Whether the node has no object. A folder of manifests need not have any Nodes.
fn lacks_node(changes: &[Change], name: &str, asks_api_server: bool) -> bool {
    let names = changes.iter().filter_map(|change| match change {
        Change::NodeApplied(node) => Some(&*node.name),
        _ => None,
    });
    let names: Vec<&str> = names.collect();
    (asks_api_server || !names.is_empty()) && !names.contains(&name)
}

fn read(flags: &PlanFlags, configuration: &Configuration, node_name: &str) -> anyhow::Result<Vec<Change>> {
    if let Some(folder) = &flags.source.manifests {
        return Ok(sources::manifests::load(folder)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(sources::kubernetes::load(config::api_server(configuration, node_name)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_nodes_lacks_none() {
        let told = || [Change::NodeApplied(Node::named("node-a"))];
        assert!(!lacks_node(&told(), "node-a", true));
        assert!(lacks_node(&told(), "node-aa", true) && lacks_node(&told(), "node-aa", false));
        assert!(lacks_node(&[], "node-a", true) && !lacks_node(&[], "node-a", false));
    }
}
