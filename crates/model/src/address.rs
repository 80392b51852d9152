//! Addresses and ranges, parsed as leniently as kube-proxy does: IPv4 octets may have leading zeros and are
//! decimal all the same (Go's parser before 1.17, which Kubernetes keeps for stored objects), and an
//! IPv4-mapped IPv6 address is an IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Parses an address.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    // The standard's parser takes nearly all there are, and each that it takes means the same here.
    let parsed = text.parse().ok().or_else(|| match text.rsplit_once(':') {
        None => parse_ipv4(text).map(IpAddr::V4),
        Some((head, tail)) => {
            let tail = parse_ipv4(tail)?;
            format!("{head}:{tail}").parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
    });
    parsed.map(|ip: IpAddr| ip.to_canonical())
}

/// Parses a range in CIDR notation; bits after the prefix are cleared.
pub fn parse_range(text: &str) -> Option<IpNet> {
    let (address, prefix) = text.split_once('/')?;
    let prefix = parse_decimal(prefix)?;
    let ip = parse_ip(address)?;
    let range = match ip {
        // The prefix of an IPv4-mapped IPv6 address counts the 96 bits before the IPv4 address too.
        IpAddr::V4(v4) if address.contains(':') => match prefix.checked_sub(96) {
            Some(prefix) => Ipv4Net::new(v4, prefix).map(IpNet::V4),
            None => Ipv6Net::new(v4.to_ipv6_mapped(), prefix).map(IpNet::V6),
        },
        IpAddr::V4(v4) => Ipv4Net::new(v4, prefix).map(IpNet::V4),
        IpAddr::V6(v6) => Ipv6Net::new(v6, prefix).map(IpNet::V6),
    };
    range.ok().map(|range| range.trunc())
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
