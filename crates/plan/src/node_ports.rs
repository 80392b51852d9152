//! Which addresses serve node ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use model::{Family, Node};

use crate::{NodePortAddresses, Options};

/// The addresses of `family` that serve node ports on this machine, in order.
pub fn addresses(family: Family, options: &Options, node: Option<&Node>) -> Vec<IpAddr> {
    let networks = networks(family, options, node);
    let serves = |address: &IpAddr| match is_everything(&networks) {
        true => !is_link_local_v6(address),
        false => networks.iter().any(|network| network.contains(address)),
    };
    let addresses = options.host_addresses.iter().filter(|address| Family::of(address) == family);
    addresses.filter(|address| serves(address)).copied().collect()
}

/// Whether a network of the operator's choice has the loopback address of `family`. IPVS cannot serve node ports
/// there, but health checks can.
pub fn include_loopback(family: Family, options: &Options, node: Option<&Node>) -> bool {
    networks(family, options, node).iter().any(|network| network.contains(&loopback(family)))
}

/// The loopback address of `family`.
pub fn loopback(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::LOCALHOST.into(),
        Family::V6 => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Whether node ports of `family` are served on every address, those of the future included.
pub fn on_all_addresses(family: Family, options: &Options, node: Option<&Node>) -> bool {
    is_everything(&networks(family, options, node))
}

fn is_everything(networks: &[IpNet]) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.prefix_len() == 0)
}

/// The networks that restrict them; none if nothing does.
fn networks(family: Family, options: &Options, node: Option<&Node>) -> Vec<IpNet> {
    match &options.node_port_addresses {
        NodePortAddresses::All => Vec::new(),
        NodePortAddresses::Primary => {
            node.and_then(|node| node.primary_address(family)).map(IpNet::from).into_iter().collect()
        }
        NodePortAddresses::Networks(networks) => {
            networks.iter().filter(|network| Family::of(&network.addr()) == family).copied().collect()
        }
    }
}

/// In fe80::/10, where an address says nothing without its interface.
pub(crate) fn is_link_local_v6(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
