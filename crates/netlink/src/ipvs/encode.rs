//! Requests as bytes, in the order of attributes that `ipvsadm` uses.

use std::net::IpAddr;

use crate::{
    attribute::{Encoder, NESTED},
    generic,
};

use super::{
    Family, RealServer, Request, Timeouts, VirtualServerConfig, VirtualServerId,
    attributes::{self as attr, IPVS_CMD_ATTR_DEST, IPVS_CMD_ATTR_SERVICE},
};

pub(super) fn command(encoder: &mut Encoder<'_>, command: u8) {
    generic::header(encoder, command, attr::IPVS_GENL_VERSION);
}

pub(super) fn request(encoder: &mut Encoder<'_>, request: &Request) {
    match request {
        Request::AddVirtualServer(config) => virtual_server(encoder, attr::IPVS_CMD_NEW_SERVICE, config),
        Request::SetVirtualServer(config) => virtual_server(encoder, attr::IPVS_CMD_SET_SERVICE, config),
        Request::DeleteVirtualServer(id) => {
            command(encoder, attr::IPVS_CMD_DEL_SERVICE);
            service_id(encoder, id);
        }
        Request::AddRealServer { service, server } => {
            command(encoder, attr::IPVS_CMD_NEW_DEST);
            service_id(encoder, service);
            real_server(encoder, server);
        }
        Request::SetRealServer { service, server } => {
            command(encoder, attr::IPVS_CMD_SET_DEST);
            service_id(encoder, service);
            real_server(encoder, server);
        }
        Request::DeleteRealServer { service, address, port } => {
            command(encoder, attr::IPVS_CMD_DEL_DEST);
            service_id(encoder, service);
            encoder.nested(NESTED | IPVS_CMD_ATTR_DEST, |encoder| {
                real_server_id(encoder, address, *port);
            });
        }
    }
}

pub(super) fn service_id(encoder: &mut Encoder<'_>, id: &VirtualServerId) {
    encoder.nested(NESTED | IPVS_CMD_ATTR_SERVICE, |encoder| id_attributes(encoder, id));
}

pub(super) fn timeouts(encoder: &mut Encoder<'_>, timeouts: Timeouts) {
    command(encoder, attr::IPVS_CMD_SET_CONFIG);
    for (kind, seconds) in [
        (attr::IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp),
        (attr::IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        (attr::IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp),
    ] {
        if seconds != 0 {
            encoder.put_u32(kind, seconds);
        }
    }
}

fn virtual_server(encoder: &mut Encoder<'_>, number: u8, config: &VirtualServerConfig) {
    command(encoder, number);
    encoder.nested(NESTED | IPVS_CMD_ATTR_SERVICE, |encoder| {
        id_attributes(encoder, &config.id);
        encoder.put_string(attr::IPVS_SVC_ATTR_SCHED_NAME, &config.scheduler);
        if let Some(engine) = &config.persistence_engine {
            encoder.put_string(attr::IPVS_SVC_ATTR_PE_NAME, engine);
        }
        encoder.put(attr::IPVS_SVC_ATTR_FLAGS, &flags(config.flags));
        encoder.put_u32(attr::IPVS_SVC_ATTR_TIMEOUT, config.timeout);
        // An IPv4 mask is in network byte order, an IPv6 prefix length in the host's.
        if config.id.family() == Family::Inet {
            encoder.put(attr::IPVS_SVC_ATTR_NETMASK, &config.netmask.to_be_bytes());
        } else {
            encoder.put_u32(attr::IPVS_SVC_ATTR_NETMASK, config.netmask);
        }
    });
}

fn real_server(encoder: &mut Encoder<'_>, server: &RealServer) {
    encoder.nested(NESTED | IPVS_CMD_ATTR_DEST, |encoder| {
        real_server_id(encoder, &server.address, server.port);
        encoder.put_u32(attr::IPVS_DEST_ATTR_FWD_METHOD, server.forwarding.into());
        encoder.put_u32(attr::IPVS_DEST_ATTR_WEIGHT, server.weight);
        encoder.put_u32(attr::IPVS_DEST_ATTR_U_THRESH, server.upper_threshold);
        encoder.put_u32(attr::IPVS_DEST_ATTR_L_THRESH, server.lower_threshold);
    });
}

fn id_attributes(encoder: &mut Encoder<'_>, id: &VirtualServerId) {
    encoder.put_u16(attr::IPVS_SVC_ATTR_AF, id.family().number());
    match id {
        VirtualServerId::Address { protocol, address, port } => {
            encoder.put_u16(attr::IPVS_SVC_ATTR_PROTOCOL, u16::from(*protocol));
            encoder.put(attr::IPVS_SVC_ATTR_ADDR, &union(address));
            encoder.put(attr::IPVS_SVC_ATTR_PORT, &port.to_be_bytes());
        }
        VirtualServerId::FirewallMark { mark, .. } => encoder.put_u32(attr::IPVS_SVC_ATTR_FWMARK, *mark),
    }
}

fn real_server_id(encoder: &mut Encoder<'_>, address: &IpAddr, port: u16) {
    encoder.put_u16(attr::IPVS_DEST_ATTR_ADDR_FAMILY, Family::of(address).number());
    encoder.put(attr::IPVS_DEST_ATTR_ADDR, &union(address));
    encoder.put(attr::IPVS_DEST_ATTR_PORT, &port.to_be_bytes());
}

/// `struct ip_vs_flags`: the flags, and a mask of those that count.
fn flags(flags: u32) -> [u8; 8] {
    let mut bytes = [0xff; 8];
    if let Some(value) = bytes.first_chunk_mut::<4>() {
        *value = flags.to_ne_bytes();
    }
    bytes
}

/// `union nf_inet_addr`: 16 bytes for either family.
fn union(address: &IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            if let Some(head) = bytes.first_chunk_mut::<4>() {
                *head = v4.octets();
            }
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}
