//! Requests as bytes, in the order of attributes that `ipset` uses.

use std::net::IpAddr;

use crate::{
    attribute::{Encoder, NESTED, NET_BYTEORDER},
    netfilter,
};

use super::{Entry, SetSpec, SetType, attributes as attr};

/// `struct nfgenmsg`, and the protocol version that every command begins with. `ipset` always gives IPv4 as the
/// family there; the set's own family counts.
pub(super) fn header(encoder: &mut Encoder<'_>, protocol: u8) {
    netfilter::header(encoder, netfilter::NFPROTO_IPV4);
    encoder.put_u8(attr::IPSET_ATTR_PROTOCOL, protocol);
}

pub(super) fn flags(encoder: &mut Encoder<'_>, flags: u32) {
    put_u32_be(encoder, attr::IPSET_ATTR_FLAGS, flags);
}

/// `IPSET_CMD_TYPE`.
pub(super) fn type_question(encoder: &mut Encoder<'_>, protocol: u8, spec: &SetSpec) {
    header(encoder, protocol);
    encoder.put_string(attr::IPSET_ATTR_TYPENAME, spec.kind.name());
    encoder.put_u8(attr::IPSET_ATTR_FAMILY, spec.family.into());
}

/// Any command that has nothing but a set's name.
pub(super) fn named(encoder: &mut Encoder<'_>, protocol: u8, set: &str) {
    header(encoder, protocol);
    encoder.put_string(attr::IPSET_ATTR_SETNAME, set);
}

/// `IPSET_CMD_CREATE`.
pub(super) fn create(encoder: &mut Encoder<'_>, protocol: u8, spec: &SetSpec, revision: u8) {
    named(encoder, protocol, &spec.name);
    encoder.put_string(attr::IPSET_ATTR_TYPENAME, spec.kind.name());
    encoder.put_u8(attr::IPSET_ATTR_REVISION, revision);
    encoder.put_u8(attr::IPSET_ATTR_FAMILY, spec.family.into());
    encoder.nested(attr::IPSET_ATTR_DATA | NESTED, |encoder| {
        if spec.kind == SetType::BitmapPort {
            put_u16_be(encoder, attr::IPSET_ATTR_PORT_FROM, u16::MIN);
            put_u16_be(encoder, attr::IPSET_ATTR_PORT_TO, u16::MAX);
        } else {
            put_u32_be(encoder, attr::IPSET_ATTR_HASHSIZE, spec.hash_size);
            put_u32_be(encoder, attr::IPSET_ATTR_MAXELEM, spec.max_elements);
        }
    });
}

/// `IPSET_CMD_ADD` or `IPSET_CMD_DEL` with one entry.
pub(super) fn single(encoder: &mut Encoder<'_>, protocol: u8, set: &str, entry: &Entry) {
    named(encoder, protocol, set);
    encoder.nested(attr::IPSET_ATTR_DATA | NESTED, |encoder| {
        put_entry(encoder, entry);
        put_u32_be(encoder, attr::IPSET_ATTR_LINENO, 0);
    });
}

/// `IPSET_CMD_ADD` or `IPSET_CMD_DEL` with many entries, whose lines are numbered from 1: the kernel takes 0 for
/// no number.
pub(super) fn many<'a>(
    encoder: &mut Encoder<'_>,
    protocol: u8,
    set: &str,
    entries: impl Iterator<Item = &'a Entry>,
) {
    named(encoder, protocol, set);
    put_u32_be(encoder, attr::IPSET_ATTR_LINENO, 0);
    encoder.nested(attr::IPSET_ATTR_ADT | NESTED, |encoder| {
        for (line, entry) in (1..).zip(entries) {
            encoder.nested(attr::IPSET_ATTR_DATA | NESTED, |encoder| {
                put_entry(encoder, entry);
                put_u32_be(encoder, attr::IPSET_ATTR_LINENO, line);
            });
        }
    });
}

fn put_entry(encoder: &mut Encoder<'_>, entry: &Entry) {
    match entry {
        Entry::Ip(address) => put_address(encoder, attr::IPSET_ATTR_IP, address),
        Entry::IpPort { address, protocol, port } => put_ip_port(encoder, address, *protocol, *port),
        Entry::IpPortIp { address, protocol, port, address2 } => {
            put_ip_port(encoder, address, *protocol, *port);
            put_address(encoder, attr::IPSET_ATTR_IP2, address2);
        }
        Entry::IpPortNet { address, protocol, port, net, prefix } => {
            put_ip_port(encoder, address, *protocol, *port);
            put_address(encoder, attr::IPSET_ATTR_IP2, net);
            encoder.put_u8(attr::IPSET_ATTR_CIDR2, *prefix);
        }
        Entry::Port(port) => put_u16_be(encoder, attr::IPSET_ATTR_PORT, *port),
    }
}

fn put_ip_port(encoder: &mut Encoder<'_>, address: &IpAddr, protocol: u8, port: u16) {
    put_address(encoder, attr::IPSET_ATTR_IP, address);
    put_u16_be(encoder, attr::IPSET_ATTR_PORT, port);
    encoder.put_u8(attr::IPSET_ATTR_PROTO, protocol);
}

fn put_address(encoder: &mut Encoder<'_>, kind: u16, address: &IpAddr) {
    encoder.nested(kind | NESTED, |encoder| match address {
        IpAddr::V4(v4) => encoder.put(attr::IPSET_ATTR_IPADDR_IPV4, &v4.octets()),
        IpAddr::V6(v6) => encoder.put(attr::IPSET_ATTR_IPADDR_IPV6, &v6.octets()),
    });
}

fn put_u16_be(encoder: &mut Encoder<'_>, kind: u16, value: u16) {
    encoder.put(kind | NET_BYTEORDER, &value.to_be_bytes());
}

fn put_u32_be(encoder: &mut Encoder<'_>, kind: u16, value: u32) {
    encoder.put(kind | NET_BYTEORDER, &value.to_be_bytes());
}
