//! Addresses and ranges of objects, parsed as leniently as kube-proxy does.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use model::address;

/// Why a text is not a usable address or range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    NotAnAddress,
    NotARange,
    Unspecified,
    Multicast,
}

/// Parses an address that packets can be sent to and that belongs to one host or service.
pub(super) fn parse_host_ip(text: &str) -> Result<IpAddr, Unusable> {
    let ip = address::parse_ip(text).ok_or(Unusable::NotAnAddress)?;
    match ip {
        _ if ip.is_unspecified() => Err(Unusable::Unspecified),
        _ if ip.is_multicast() => Err(Unusable::Multicast),
        _ => Ok(ip),
    }
}

/// Parses a range in CIDR notation; bits after the prefix are cleared.
pub(super) fn parse_range(text: &str) -> Result<IpNet, Unusable> {
    address::parse_range(text).ok_or(Unusable::NotARange)
}

// === impl Unusable ===

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unusable::NotAnAddress => "not an IP address",
            Unusable::NotARange => "not a range of IP addresses (such as 10.0.0.0/8)",
            Unusable::Unspecified => "the unspecified address",
            Unusable::Multicast => "a multicast address",
        })
    }
}
