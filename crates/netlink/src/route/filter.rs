//! What a subscription lets through, decided in the kernel by classic BPF.

use socket2::SockFilter;

use super::local_routes::{RT_TABLE_LOCAL, RTM_DELROUTE, RTM_NEWROUTE};

/// Loads two bytes from an offset (`BPF_LD | BPF_H | BPF_ABS`).
const LOAD_HALF: u16 = 0x28;
/// Loads one byte from an offset (`BPF_LD | BPF_B | BPF_ABS`).
const LOAD_BYTE: u16 = 0x30;
/// Skips some instructions if what was loaded is a value, and some others if not (`BPF_JMP | BPF_JEQ | BPF_K`).
const JUMP_IF_EQUAL: u16 = 0x15;
/// Ends with the number of bytes to let through (`BPF_RET | BPF_K`).
const RETURN: u16 = 0x06;

/// Offset of `nlmsg_type` in a message.
const TYPE: u32 = 4;
/// Offset of `rtm_table`: the header of the message has 16 bytes.
const TABLE: u32 = 20;
/// Offset of `rtm_protocol`.
const PROTOCOL: u32 = 21;

/// Lets all messages through but changes of routes, and of those the removal of a route of the table `local` that one
/// protocol made.
pub(super) fn removed_local_routes(protocol: u8) -> [SockFilter; 9] {
    // Loads are big-endian, and netlink's numbers are the machine's.
    let kind = |kind: u16| u32::from(kind.to_be());
    let load = |size, offset| SockFilter::new(size, 0, 0, offset);
    let if_equal = |value, then, otherwise| SockFilter::new(JUMP_IF_EQUAL, then, otherwise, value);
    let end = |length| SockFilter::new(RETURN, 0, 0, length);
    [
        load(LOAD_HALF, TYPE),
        if_equal(kind(RTM_NEWROUTE), 6, 0),
        if_equal(kind(RTM_DELROUTE), 0, 4),
        load(LOAD_BYTE, TABLE),
        if_equal(u32::from(RT_TABLE_LOCAL), 0, 3),
        load(LOAD_BYTE, PROTOCOL),
        if_equal(u32::from(protocol), 0, 1),
        end(u32::MAX),
        end(0),
    ]
}
