//! `RTM_*ROUTE` for routes of type `local` in the table `local` to single IPv4 addresses.

use std::net::IpAddr;

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType},
};

use crate::{
    attribute::{Attributes, Malformed, ip_address},
    connection::{Connection, Question},
    error::Error,
    message::Message,
};

use super::LocalRoute;

pub(super) const RTM_DELROUTE: u16 = 25;
pub(super) const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
/// Where the kernel keeps what is local (`RT_TABLE_LOCAL`).
pub(super) const RT_TABLE_LOCAL: u8 = 255;
/// Length of `struct rtmsg`.
const RTMSG: usize = 12;
/// The prefix length of a single IPv4 address.
const SINGLE: u8 = 32;

/// With a link and a protocol, the kernel filters if strict checking is on.
pub(super) fn list(connection: &mut Connection, filter: Option<(u32, u8)>) -> Result<Vec<LocalRoute>, Error> {
    let mut body = RouteMessage::default();
    body.header.address_family = AddressFamily::Inet;
    if let Some((link, protocol)) = filter {
        body.header.table = RT_TABLE_LOCAL;
        body.header.protocol = RouteProtocol::from(protocol);
        body.header.kind = RouteType::Local;
        body.attributes.push(RouteAttribute::Oif(link));
    }
    let body = RouteNetlinkMessage::GetRoute(body);
    let question = Question {
        what: "listing local routes",
        kind: RTM_GETROUTE,
        flags: 0,
        body: &|encoder| super::emit(encoder, &body),
    };
    connection.dump(&question, |message, found| {
        found.extend(parse(message)?);
        Ok(())
    })
}

/// Reads an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for any other route than those of this module.
pub(super) fn parse(message: &Message<'_>) -> Result<Option<LocalRoute>, Malformed> {
    let cut_off = Malformed("a route's header is cut off");
    let header = RouteHeader::parse(message.payload).map_err(|_| cut_off)?;
    let is_local = header.table == RT_TABLE_LOCAL && header.kind == RouteType::Local;
    let is_single =
        header.address_family == AddressFamily::Inet && header.destination_prefix_length == SINGLE;
    if !is_local || !is_single {
        return Ok(None);
    }
    let (mut address, mut link) = (None, None);
    for attribute in Attributes::new(message.payload.get(RTMSG..).ok_or(cut_off)?) {
        let attribute = attribute?;
        match attribute.kind {
            RTA_DST => address = Some(ip_address(attribute.value)?),
            RTA_OIF => link = Some(attribute.u32()?),
            _ => {}
        }
    }
    // A route with several next hops has no RTA_OIF.
    let (Some(IpAddr::V4(address)), Some(link)) = (address, link) else {
        return Ok(None);
    };
    Ok(Some(LocalRoute { link, address, protocol: header.protocol.into() }))
}

/// The scope lets the link be down. There is no preferred source: without one the kernel takes the destination, as it
/// does for an address of the link, and all routes share what else it keeps of a route.
pub(super) fn body(route: &LocalRoute) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = SINGLE;
    message.header.table = RT_TABLE_LOCAL;
    message.header.protocol = RouteProtocol::from(route.protocol);
    message.header.scope = RouteScope::Host;
    message.header.kind = RouteType::Local;
    message.attributes.push(RouteAttribute::Destination(route.address.into()));
    message.attributes.push(RouteAttribute::Oif(route.link));
    message
}
