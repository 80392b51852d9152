//! Requests as bytes, in the order of attributes that `conntrack` uses.

use std::net::IpAddr;

use crate::{
    attribute::{Encoder, NESTED},
    errno::Errno,
    message::Batch,
    netfilter,
};

use super::{Family, Filter, Flow, Tuple, attributes as attr};

/// `IPCTNL_MSG_CT_GET` as a dump. With `in_kernel` the kernel filters by more than the family (Linux 5.8 and newer;
/// older ones pass over what they do not know).
pub(super) fn list(encoder: &mut Encoder<'_>, filter: &Filter, in_kernel: bool) {
    netfilter::header(encoder, filter.family.into());
    if in_kernel {
        put_filter(encoder, filter);
    }
}

/// `IPCTNL_MSG_CT_DELETE`. The reply tuple names the flow: it is as unique as the original one, and `CTA_ID` covers
/// the original one, so that both have to be as listed. Without a tuple the kernel would delete every flow.
pub(super) fn delete(batch: &mut Batch<usize>, index: usize, flow: &Flow) -> Result<(), Errno> {
    batch.push(index, attr::IPCTNL_MSG_CT_DELETE, 0, |encoder| {
        netfilter::header(encoder, Family::of(flow.reply.source).into());
        encoder.nested(attr::CTA_TUPLE_REPLY | NESTED, |encoder| {
            put_tuple(encoder, flow.protocol, &flow.reply);
        });
        if let Some(id) = flow.id {
            encoder.put(attr::CTA_ID, &id.to_be_bytes());
        }
        if let Some(zone) = flow.zone {
            encoder.put(attr::CTA_ZONE, &zone.to_be_bytes());
        }
    })
}

/// The values of a filter stand in `CTA_TUPLE_ORIG`, and the flags say which of them count.
fn put_filter(encoder: &mut Encoder<'_>, filter: &Filter) {
    let mut flags = attr::CTA_FILTER_F_CTA_PROTO_NUM;
    encoder.nested(attr::CTA_TUPLE_ORIG | NESTED, |encoder| {
        // Not an IPv6 address: from 5.8 to 6.18 at least, Linux would list the flows with any other address
        // (`ctnetlink_filter_match_tuple` takes the result of `ipv6_addr_cmp` the wrong way round).
        if let Some(address @ IpAddr::V4(_)) = filter.original_destination {
            flags |= attr::CTA_FILTER_F_CTA_IP_DST;
            encoder.nested(attr::CTA_TUPLE_IP | NESTED, |encoder| put_destination(encoder, address));
        }
        encoder.nested(attr::CTA_TUPLE_PROTO | NESTED, |encoder| {
            encoder.put_u8(attr::CTA_PROTO_NUM, filter.protocol);
            if let Some(port) = filter.original_destination_port {
                flags |= attr::CTA_FILTER_F_CTA_PROTO_DST_PORT;
                encoder.put(attr::CTA_PROTO_DST_PORT, &port.to_be_bytes());
            }
        });
    });
    encoder.nested(attr::CTA_FILTER | NESTED, |encoder| {
        encoder.put_u32(attr::CTA_FILTER_ORIG_FLAGS, flags);
    });
}

fn put_tuple(encoder: &mut Encoder<'_>, protocol: u8, tuple: &Tuple) {
    encoder.nested(attr::CTA_TUPLE_IP | NESTED, |encoder| {
        put_source(encoder, tuple.source);
        put_destination(encoder, tuple.destination);
    });
    encoder.nested(attr::CTA_TUPLE_PROTO | NESTED, |encoder| {
        encoder.put_u8(attr::CTA_PROTO_NUM, protocol);
        encoder.put(attr::CTA_PROTO_SRC_PORT, &tuple.source_port.to_be_bytes());
        encoder.put(attr::CTA_PROTO_DST_PORT, &tuple.destination_port.to_be_bytes());
    });
}

fn put_source(encoder: &mut Encoder<'_>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => encoder.put(attr::CTA_IP_V4_SRC, &v4.octets()),
        IpAddr::V6(v6) => encoder.put(attr::CTA_IP_V6_SRC, &v6.octets()),
    }
}

fn put_destination(encoder: &mut Encoder<'_>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => encoder.put(attr::CTA_IP_V4_DST, &v4.octets()),
        IpAddr::V6(v6) => encoder.put(attr::CTA_IP_V6_DST, &v6.octets()),
    }
}
