//! `RTM_*ADDR`.

use std::net::IpAddr;

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressHeader, AddressMessage, AddressScope},
};

use crate::{
    attribute::{Attributes, Malformed, ip_address},
    connection::{Connection, Question},
    error::Error,
    message::Message,
};

use super::{InterfaceAddress, Scope};

pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Length of `struct ifaddrmsg`.
const IFADDRMSG: usize = 8;

/// With a link, the kernel filters if strict checking is on.
pub(super) fn list(connection: &mut Connection, link: Option<u32>) -> Result<Vec<InterfaceAddress>, Error> {
    let mut body = AddressMessage::default();
    body.header.index = link.unwrap_or_default();
    let body = RouteNetlinkMessage::GetAddress(body);
    let question = Question {
        what: "listing addresses",
        kind: RTM_GETADDR,
        flags: 0,
        body: &|encoder| super::emit(encoder, &body),
    };
    connection.dump(&question, |message, found| {
        found.extend(parse(message)?);
        Ok(())
    })
}

/// Reads an `RTM_NEWADDR` or `RTM_DELADDR`; `None` for a family that is not IP.
pub(super) fn parse(message: &Message<'_>) -> Result<Option<InterfaceAddress>, Malformed> {
    let cut_off = Malformed("an address's header is cut off");
    let header = AddressHeader::parse(message.payload).map_err(|_| cut_off)?;
    if !matches!(header.family, AddressFamily::Inet | AddressFamily::Inet6) {
        return Ok(None);
    }
    let (mut address, mut local) = (None, None);
    for attribute in Attributes::new(message.payload.get(IFADDRMSG..).ok_or(cut_off)?) {
        let attribute = attribute?;
        match attribute.kind {
            IFA_ADDRESS => address = Some(ip_address(attribute.value)?),
            IFA_LOCAL => local = Some(ip_address(attribute.value)?),
            _ => {}
        }
    }
    Ok(Some(InterfaceAddress {
        link: header.index,
        // On a point-to-point link IFA_ADDRESS is the other end.
        address: local.or(address).ok_or(Malformed("an address is missing"))?,
        prefix: header.prefix_len,
        scope: header.scope.into(),
    }))
}

pub(super) fn body(link: u32, address: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = prefix;
    message.header.index = link;
    message.attributes.push(AddressAttribute::Local(address));
    message.attributes.push(AddressAttribute::Address(address));
    message
}

// === impl Scope ===

impl From<AddressScope> for Scope {
    fn from(scope: AddressScope) -> Self {
        match scope {
            AddressScope::Universe => Self::Universe,
            AddressScope::Site => Self::Site,
            AddressScope::Link => Self::Link,
            AddressScope::Host => Self::Host,
            AddressScope::Nowhere => Self::Nowhere,
            other => Self::Other(other.into()),
        }
    }
}
