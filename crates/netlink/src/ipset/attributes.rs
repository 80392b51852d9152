//! Commands and attributes by the kernel's names (`linux/netfilter/ipset/ip_set.h`).

use crate::{attribute::NET_BYTEORDER, netfilter};

/// The newest protocol version that this crate speaks.
pub(super) const IPSET_PROTOCOL: u8 = 7;
/// The oldest one.
pub(super) const IPSET_PROTOCOL_MIN: u8 = 6;

const NFNL_SUBSYS_IPSET: u8 = 6;

pub(super) const IPSET_CMD_PROTOCOL: u8 = 1;
pub(super) const IPSET_CMD_CREATE: u8 = 2;
pub(super) const IPSET_CMD_DESTROY: u8 = 3;
pub(super) const IPSET_CMD_FLUSH: u8 = 4;
pub(super) const IPSET_CMD_LIST: u8 = 7;
pub(super) const IPSET_CMD_ADD: u8 = 9;
pub(super) const IPSET_CMD_DEL: u8 = 10;
pub(super) const IPSET_CMD_HEADER: u8 = 12;
pub(super) const IPSET_CMD_TYPE: u8 = 13;

pub(super) const IPSET_FLAG_LIST_HEADER: u32 = 1 << 2;

// Of the command.
pub(super) const IPSET_ATTR_PROTOCOL: u16 = 1;
pub(super) const IPSET_ATTR_SETNAME: u16 = 2;
pub(super) const IPSET_ATTR_TYPENAME: u16 = 3;
pub(super) const IPSET_ATTR_REVISION: u16 = 4;
pub(super) const IPSET_ATTR_FAMILY: u16 = 5;
pub(super) const IPSET_ATTR_FLAGS: u16 = 6;
pub(super) const IPSET_ATTR_DATA: u16 = 7;
pub(super) const IPSET_ATTR_ADT: u16 = 8;
/// Of the command, and of each entry. The kernel only ever copies it, so the byte order is ours.
pub(super) const IPSET_ATTR_LINENO: u16 = 9;
pub(super) const IPSET_ATTR_PROTOCOL_MIN: u16 = 10;

// Of creation and of entries.
pub(super) const IPSET_ATTR_IP: u16 = 1;
pub(super) const IPSET_ATTR_PORT: u16 = 4;
pub(super) const IPSET_ATTR_PORT_FROM: u16 = 4;
pub(super) const IPSET_ATTR_PORT_TO: u16 = 5;
pub(super) const IPSET_ATTR_PROTO: u16 = 7;

// Of creation only.
pub(super) const IPSET_ATTR_HASHSIZE: u16 = 18;
pub(super) const IPSET_ATTR_MAXELEM: u16 = 19;
pub(super) const IPSET_ATTR_ELEMENTS: u16 = 24;
pub(super) const IPSET_ATTR_REFERENCES: u16 = 25;

// Of entries only.
pub(super) const IPSET_ATTR_IP2: u16 = 20;
pub(super) const IPSET_ATTR_CIDR2: u16 = 21;

// Of addresses.
pub(super) const IPSET_ATTR_IPADDR_IPV4: u16 = 1 | NET_BYTEORDER;
pub(super) const IPSET_ATTR_IPADDR_IPV6: u16 = 2 | NET_BYTEORDER;

/// The `nlmsg_type` of a command.
pub(super) const fn message_type(command: u8) -> u16 {
    netfilter::message_type(NFNL_SUBSYS_IPSET, command)
}
