//! Who has which address in a lab cluster. `examples/` and its README name the same ones.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The pods' network, as kube-ipvs wants it for `--cluster-cidr`.
pub const CLUSTER_CIDR: &str = "10.244.0.0/16,fd00:244::/48";

/// The networks of service addresses.
pub const SERVICE_CIDRS: [&str; 2] = ["10.96.0.0/16", "fd00:96::/112"];

/// One address per family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addresses {
    /// The IPv4 address.
    pub v4: Ipv4Addr,
    /// The IPv6 address.
    pub v6: Ipv6Addr,
}

// === impl Addresses ===

impl Addresses {
    /// Both, IPv4 first.
    pub fn both(self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }

    /// The router between nodes and hosts outside. It drops what is for neither.
    pub(super) fn router() -> Addresses {
        Addresses::on_network(0, 1)
    }

    /// Node 1, 2, …: 172.18.0.11, …
    pub(super) fn node(number: u8) -> Addresses {
        Addresses::on_network(0, 10 + u16::from(number))
    }

    /// Host 1, 2, … outside the cluster: 172.18.1.1, …
    pub(super) fn host(number: u8) -> Addresses {
        Addresses::on_network(1, u16::from(number))
    }

    /// Pod 1, 2, … of a node: 10.244.(node).2, …
    pub(super) fn pod(node: u8, number: u8) -> Addresses {
        let last = number.saturating_add(1);
        Addresses {
            v4: Ipv4Addr::new(10, 244, node, last),
            v6: Ipv6Addr::new(0xfd00, 0x244, 0, node.into(), 0, 0, 0, last.into()),
        }
    }

    /// IPv6 addresses show the same digits as IPv4 addresses: 172.18.0.11 goes with fd00:18::11.
    fn on_network(third: u8, last: u16) -> Addresses {
        let digits = last / 100 * 0x100 + last / 10 % 10 * 0x10 + last % 10;
        Addresses {
            v4: Ipv4Addr::new(172, 18, third, u8::try_from(last).unwrap_or(u8::MAX)),
            v6: Ipv6Addr::new(0xfd00, 0x18, 0, 0, 0, 0, third.into(), digits),
        }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.v4, self.v6)
    }
}

/// The networks of a node's pods.
pub(super) fn pod_networks(node: u8) -> [String; 2] {
    [format!("10.244.{node}.0/24"), format!("fd00:244:0:{node:x}::/64")]
}

#[cfg(test)]
mod tests {
    use super::{Addresses, pod_networks};

    #[test]
    fn the_plan() {
        assert_eq!(Addresses::router().to_string(), "172.18.0.1 fd00:18::1");
        assert_eq!(Addresses::node(2).to_string(), "172.18.0.12 fd00:18::12");
        assert_eq!(Addresses::host(1).to_string(), "172.18.1.1 fd00:18::1:1");
        assert_eq!(Addresses::pod(2, 3).to_string(), "10.244.2.4 fd00:244:0:2::4");
        assert_eq!(pod_networks(2), ["10.244.2.0/24", "fd00:244:0:2::/64"]);
    }
}
