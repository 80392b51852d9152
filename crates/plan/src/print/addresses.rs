use std::fmt::Write as _;

use model::Family;

use crate::{INTERFACE, State};

/// The interface and its addresses as `ip addr show dev kube-ipvs0` prints them, less what only a kernel
/// knows (index, hardware address).
pub fn addresses(state: &State) -> String {
    let mut text = format!("{INTERFACE}: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN\n");
    for address in &state.addresses {
        let family = Family::of(address);
        // Only IPv4 addresses have labels, which repeat the name of the interface.
        let (keyword, label) = match family {
            Family::V4 => ("inet", INTERFACE),
            Family::V6 => ("inet6", ""),
        };
        let line = format!("    {keyword} {address}/{} scope global {label}", family.full_prefix());
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
