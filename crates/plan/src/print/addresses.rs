use std::fmt::Write as _;

use model::Family;

use crate::{INTERFACE, State};

/// The interface and its addresses as `ip addr show dev kube-ipvs0` prints them, less what only a kernel
/// knows (index, hardware address).
pub fn addresses(state: &State) -> String {
    let mut text = format!("{INTERFACE}: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN\n");
    for address in &state.addresses {
        let (keyword, prefix) = match Family::of(address) {
            Family::V4 => ("inet", Family::V4.full_prefix()),
            Family::V6 => ("inet6", Family::V6.full_prefix()),
        };
        let _ = writeln!(text, "    {keyword} {address}/{prefix} scope global {INTERFACE}");
    }
    text
}
