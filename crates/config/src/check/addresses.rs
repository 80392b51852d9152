//! Addresses and networks as text.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use model::address;

/// Something that is written as text.
pub(super) trait Parsed: Sized {
    /// What would be right.
    const WANTED: &'static str;
    /// Stands for one that is wrong until all mistakes are found.
    const STAND_IN: Self;

    fn parsed(text: &str) -> Option<Self>;
}

// === impl Parsed ===

impl Parsed for IpAddr {
    const WANTED: &'static str = "must be an IP address";
    const STAND_IN: Self = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn parsed(text: &str) -> Option<Self> {
        address::parse_ip(text)
    }
}

impl Parsed for SocketAddr {
    const WANTED: &'static str = "must be an address with a port, such as 127.0.0.1:10249 or [::1]:10249";
    const STAND_IN: Self = SocketAddr::new(IpAddr::STAND_IN, 1);

    fn parsed(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        // Brackets are needed around colons only, and may be around an IPv4 address too.
        let host = match host.strip_prefix('[') {
            Some(host) => host.strip_suffix(']')?,
            None => Some(host).filter(|host| !host.contains(':'))?,
        };
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some(SocketAddr::new(IpAddr::parsed(host)?, port))
    }
}

impl Parsed for IpNet {
    const WANTED: &'static str = "must be a network such as 10.0.0.0/8";
    const STAND_IN: Self = IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));

    fn parsed(text: &str) -> Option<Self> {
        address::parse_range(text)
    }
}
