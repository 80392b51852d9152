//! Whether a configuration fits the address families that a node serves.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use model::{Family, PerFamily};

use crate::check::{Checker, Naming};
use crate::configuration::{LocalMode, NodePortAddresses};
use crate::{Configuration, Error};

/// What kube-proxy says of settings of another family than the one that counts: the only one, or the primary one of
/// two. That is the family of `bindAddress`, else IPv4 if it is served, as far as it is known before the Node is.
///
/// # Errors
/// If `bindAddress` is of a family that is not served. If no network of `clusterCIDR` is of the only family, so that no
/// pod could be told from the outside.
pub fn check(
    configuration: &Configuration,
    served: &BTreeSet<Family>,
    naming: Naming,
) -> Result<Vec<String>, Error> {
    let mut checker = Checker::new(naming);
    let address = configuration.bind_address;
    let chosen = (!address.is_unspecified()).then(|| Family::of(&address));
    if let Some(family) = chosen.filter(|family| !served.contains(family)) {
        let reason = format!(
            "it makes {family} the node's first family, which cannot be served here for the reason that was logged at the \
             start (put that right, or leave {} out)",
            checker.name("bindAddress")
        );
        checker.wrong("bindAddress", address, reason);
    }
    let primary = chosen.filter(|family| served.contains(family)).or_else(|| served.first().copied());
    let primary = primary.unwrap_or(Family::V4);
    let mut warnings = node_port_addresses(configuration, primary);
    let dual_stack = served.len() > 1;
    if let LocalMode::ClusterCidr(networks) = &configuration.local_mode
        && networks.get(primary).is_none()
        && networks.get(other(primary)).is_some()
    {
        let found = &configuration.document.cluster_cidr;
        if dual_stack {
            warnings.push(format!("clusterCIDR {found} has no network of the primary family, {primary}"));
        } else {
            let reason = format!("none of it is of the only family that this node serves, {primary}");
            checker.wrong("clusterCIDR", found, reason);
        }
    }
    if !dual_stack {
        warnings.extend(out_of_place(configuration, primary));
    }
    checker.conclude(warnings)
}

/// Node ports that are open on more addresses than somebody may think.
fn node_port_addresses(configuration: &Configuration, primary: Family) -> Vec<String> {
    let networks = match &configuration.node_port_addresses {
        NodePortAddresses::All => {
            let warning = "nodePortAddresses is not set, so that node ports are served on all addresses of this machine; \
                           consider --nodeport-addresses=primary";
            return vec![warning.to_owned()];
        }
        NodePortAddresses::Primary => return Vec::new(),
        NodePortAddresses::Networks(networks) => networks,
    };
    let has = |family| networks.iter().any(|network| Family::of(&network.addr()) == family);
    let missing = if !has(primary) {
        primary
    } else if is_dual_stack(configuration) && !has(other(primary)) {
        other(primary)
    } else {
        return Vec::new();
    };
    vec![format!(
        "nodePortAddresses has no network of {missing}, so that node ports are served on all {missing} addresses"
    )]
}

/// Whether anything in the configuration shows that the cluster has both families.
fn is_dual_stack(configuration: &Configuration) -> bool {
    let both = |networks: &[IpNet]| {
        Family::ALL.iter().all(|family| networks.iter().any(|network| Family::of(&network.addr()) == *family))
    };
    let cluster = match &configuration.local_mode {
        LocalMode::ClusterCidr(PerFamily { v4, v6 }) => v4.is_some() && v6.is_some(),
        _ => false,
    };
    cluster || both(&configuration.exclude_cidrs)
}

/// Settings of a family that this node does not serve.
fn out_of_place(configuration: &Configuration, served: Family) -> Vec<String> {
    let wrong = |address: IpAddr| Family::of(&address) != served;
    let socket = |address: Option<SocketAddr>| {
        address.is_some_and(|address| wrong(address.ip()) && !address.ip().is_unspecified())
    };
    let networks = &configuration.exclude_cidrs;
    let excluded = !networks.is_empty() && networks.iter().all(|network| wrong(network.addr()));
    [
        ("ipvs.excludeCIDRs", excluded),
        ("healthzBindAddress", socket(configuration.healthz_address)),
        ("metricsBindAddress", socket(configuration.metrics_address)),
    ]
    .into_iter()
    .filter(|(_, wrong)| *wrong)
    .map(|(field, _)| format!("{field} is not of the only family that this node serves, {served}"))
    .collect()
}

fn other(family: Family) -> Family {
    match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    }
}

#[cfg(test)]
mod tests;
