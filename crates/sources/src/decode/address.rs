//! Addresses and ranges, parsed as leniently as kube-proxy does: IPv4 octets may have leading zeros and are
//! decimal all the same (Go's parser before 1.17, which Kubernetes keeps for stored objects), and an IPv4
//! address in IPv6 clothes is an IPv4 address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why a text is not a usable address or range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    NotAnAddress,
    NotARange,
    Unspecified,
    Multicast,
}

/// Parses an address.
pub(super) fn parse_ip(text: &str) -> Result<IpAddr, Unusable> {
    let parsed = match text.rsplit_once(':') {
        None => parse_ipv4(text).map(IpAddr::V4),
        Some((head, tail)) if tail.contains('.') => parse_ipv4(tail)
            .and_then(|tail| format!("{head}:{tail}").parse::<Ipv6Addr>().ok())
            .map(IpAddr::V6),
        Some(_) => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    };
    parsed.map(|ip| ip.to_canonical()).ok_or(Unusable::NotAnAddress)
}

/// Parses an address that packets can be sent to and that belongs to one host or service.
pub(super) fn parse_host_ip(text: &str) -> Result<IpAddr, Unusable> {
    let ip = parse_ip(text)?;
    match ip {
        _ if ip.is_unspecified() => Err(Unusable::Unspecified),
        _ if ip.is_multicast() => Err(Unusable::Multicast),
        _ => Ok(ip),
    }
}

/// Parses a range in CIDR notation; bits after the prefix are cleared.
pub(super) fn parse_range(text: &str) -> Result<IpNet, Unusable> {
    let (address, prefix) = text.split_once('/').ok_or(Unusable::NotARange)?;
    let prefix = parse_decimal(prefix).ok_or(Unusable::NotARange)?;
    let ip = parse_ip(address).map_err(|_| Unusable::NotARange)?;
    let range = match ip {
        // A prefix of an IPv4 address in IPv6 clothes counts the clothes.
        IpAddr::V4(v4) if address.contains(':') => match prefix.checked_sub(96) {
            Some(prefix) => Ipv4Net::new(v4, prefix).map(IpNet::V4),
            None => Ipv6Net::new(v4.to_ipv6_mapped(), prefix).map(IpNet::V6),
        },
        IpAddr::V4(v4) => Ipv4Net::new(v4, prefix).map(IpNet::V4),
        IpAddr::V6(v6) => Ipv6Net::new(v6, prefix).map(IpNet::V6),
    };
    range.map(|range| range.trunc()).map_err(|_| Unusable::NotARange)
}

fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = parse_decimal(parts.next()?)?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// Digits only, however many zeros in front.
fn parse_decimal(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
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
