//! Commands and attributes by the kernel's names (`linux/netfilter/nfnetlink_conntrack.h`).

use crate::netfilter;

const NFNL_SUBSYS_CTNETLINK: u8 = 1;

/// The `nlmsg_type` of a listed flow.
pub(super) const IPCTNL_MSG_CT_NEW: u16 = message_type(0);
pub(super) const IPCTNL_MSG_CT_GET: u16 = message_type(1);
pub(super) const IPCTNL_MSG_CT_DELETE: u16 = message_type(2);

// Of a flow. Numbers are in network byte order, though their attributes do not say so.
pub(super) const CTA_TUPLE_ORIG: u16 = 1;
pub(super) const CTA_TUPLE_REPLY: u16 = 2;
pub(super) const CTA_ID: u16 = 12;
pub(super) const CTA_ZONE: u16 = 18;
pub(super) const CTA_FILTER: u16 = 25;

// Of a tuple.
pub(super) const CTA_TUPLE_IP: u16 = 1;
pub(super) const CTA_TUPLE_PROTO: u16 = 2;
pub(super) const CTA_TUPLE_ZONE: u16 = 3;

// Of `CTA_TUPLE_IP`.
pub(super) const CTA_IP_V4_SRC: u16 = 1;
pub(super) const CTA_IP_V4_DST: u16 = 2;
pub(super) const CTA_IP_V6_SRC: u16 = 3;
pub(super) const CTA_IP_V6_DST: u16 = 4;

// Of `CTA_TUPLE_PROTO`.
pub(super) const CTA_PROTO_NUM: u16 = 1;
pub(super) const CTA_PROTO_SRC_PORT: u16 = 2;
pub(super) const CTA_PROTO_DST_PORT: u16 = 3;

// Of `CTA_FILTER`. The flags, in host byte order, are in no header: `net/netfilter/nf_internals.h` numbers them.
pub(super) const CTA_FILTER_ORIG_FLAGS: u16 = 1;
pub(super) const CTA_FILTER_F_CTA_IP_DST: u32 = 1 << 1;
pub(super) const CTA_FILTER_F_CTA_PROTO_NUM: u32 = 1 << 3;
pub(super) const CTA_FILTER_F_CTA_PROTO_DST_PORT: u32 = 1 << 5;

const fn message_type(command: u8) -> u16 {
    netfilter::message_type(NFNL_SUBSYS_CTNETLINK, command)
}
