//! nfnetlink: what the netlink families of netfilter share (`linux/netfilter/nfnetlink.h`).

use crate::{
    attribute::{Attributes, Encoder, Malformed},
    message::Message,
};

pub(crate) const NFPROTO_UNSPEC: u8 = 0;
pub(crate) const NFPROTO_IPV4: u8 = 2;
pub(crate) const NFPROTO_IPV6: u8 = 10;

const NFNETLINK_V0: u8 = 0;
/// Length of `struct nfgenmsg`.
pub(crate) const HEADER: usize = 4;

/// The `nlmsg_type` of a subsystem's command.
pub(crate) const fn message_type(subsystem: u8, command: u8) -> u16 {
    u16::from_be_bytes([subsystem, command])
}

/// Writes a `struct nfgenmsg`.
pub(crate) fn header(encoder: &mut Encoder<'_>, family: u8) {
    encoder.raw(&[family, NFNETLINK_V0, 0, 0]);
}

/// The attributes after a `struct nfgenmsg`.
pub(crate) fn attributes<'a>(message: &Message<'a>) -> Result<Attributes<'a>, Malformed> {
    let rest = message.payload.get(HEADER..).ok_or(Malformed("an nfnetlink header is cut off"))?;
    Ok(Attributes::new(rest))
}
