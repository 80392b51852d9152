//! `RTM_*LINK`.

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkInfo, LinkMessage},
};

use crate::{
    attribute::{Attribute, Attributes, Malformed},
    connection::{Connection, Question},
    errno::Errno,
    error::Error,
    message::{Batch, CREATE, EXCL, Message},
};

use super::Link;

pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
/// The size of a link's name with its terminating zero.
const IFNAMSIZ: usize = 16;
/// Length of `struct ifinfomsg`.
const IFINFOMSG: usize = 16;

pub(super) fn list(connection: &mut Connection) -> Result<Vec<Link>, Error> {
    let body = question_body(None);
    let question = Question {
        what: "listing links",
        kind: RTM_GETLINK,
        flags: 0,
        body: &|encoder| super::emit(encoder, &body),
    };
    connection.dump(&question, |message, found| {
        found.push(parse(message)?);
        Ok(())
    })
}

pub(super) fn find(connection: &mut Connection, name: &str) -> Result<Option<Link>, Error> {
    if !is_name(name) {
        return Ok(None);
    }
    let body = question_body(Some(name));
    let question = Question {
        what: "finding a link",
        kind: RTM_GETLINK,
        flags: 0,
        body: &|encoder| super::emit(encoder, &body),
    };
    match connection.ask(&question, parse) {
        Ok(link) => Ok(Some(link)),
        Err(Error::Kernel { errno: Errno::ENODEV, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn create_dummy(connection: &mut Connection, name: &str) -> Result<(), Error> {
    let what = "making a dummy link";
    if !is_name(name) {
        return Err(Error::Kernel { what, errno: Errno::EINVAL, message: None });
    }
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Dummy)]));
    change(connection, what, CREATE | EXCL, &RouteNetlinkMessage::NewLink(message))
}

pub(super) fn delete(connection: &mut Connection, index: u32) -> Result<(), Error> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    change(connection, "deleting a link", 0, &RouteNetlinkMessage::DelLink(message))
}

/// Reads an `RTM_NEWLINK` or `RTM_DELLINK`. Only what is needed is parsed, so that no attribute of an unusual
/// link can spoil a list.
pub(super) fn parse(message: &Message<'_>) -> Result<Link, Malformed> {
    let cut_off = Malformed("a link's header is cut off");
    let header = LinkHeader::parse(message.payload).map_err(|_| cut_off)?;
    let (mut name, mut kind) = (None, None);
    for attribute in Attributes::new(message.payload.get(IFINFOMSG..).ok_or(cut_off)?) {
        let attribute = attribute?;
        match attribute.kind {
            IFLA_IFNAME => name = Some(attribute.name()),
            IFLA_LINKINFO => kind = info_kind(&attribute)?,
            _ => {}
        }
    }
    Ok(Link {
        index: header.index,
        name: name.ok_or(Malformed("a link has no name"))?,
        kind,
        up: header.flags.contains(LinkFlags::Up),
    })
}

fn info_kind(attribute: &Attribute<'_>) -> Result<Option<String>, Malformed> {
    for inner in attribute.nested() {
        let inner = inner?;
        if inner.kind == IFLA_INFO_KIND {
            return Ok(Some(inner.string()?.to_owned()));
        }
    }
    Ok(None)
}

/// Whether a link can have this name: the kernel looks at nothing longer, nor behind a zero byte.
fn is_name(name: &str) -> bool {
    (1..IFNAMSIZ).contains(&name.len()) && !name.contains('\0')
}

/// Without the counters, which are most of what the kernel would send.
fn question_body(name: Option<&str>) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    message.attributes.extend(name.map(|name| LinkAttribute::IfName(name.to_owned())));
    RouteNetlinkMessage::GetLink(message)
}

fn change(
    connection: &mut Connection,
    what: &'static str,
    flags: u16,
    message: &RouteNetlinkMessage,
) -> Result<(), Error> {
    let outcomes = connection.apply(what, &[message], |batch: &mut Batch<usize>, index, message| {
        super::push(batch, index, flags, message)
    })?;
    outcomes.into_iter().collect::<Result<(), _>>().map_err(|refused| Error::Kernel {
        what,
        errno: refused.errno,
        message: refused.message,
    })
}
