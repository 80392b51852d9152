use std::fmt::Write as _;
use std::net::IpAddr;

use model::Family;

use super::ipvsadm::{real_server_line, service, virtual_server_line};
use crate::{INTERFACE, Operation};

/// Operations as the commands that would do the same, one a line, led by `+` for what is added, `~` for
/// what is changed and `-` for what is removed.
pub fn operations_text(operations: &[Operation]) -> String {
    let mut text = String::new();
    for operation in operations {
        let (sign, _) = change(operation);
        let _ = writeln!(text, "{sign} {}", command(operation));
    }
    text
}

/// What an operation does to its element, as a sign and as a word.
pub(super) fn change(operation: &Operation) -> (char, &'static str) {
    match operation {
        Operation::SetVirtualServer(..) | Operation::SetRealServer(..) => ('~', "change"),
        _ if operation.removes() => ('-', "remove"),
        _ => ('+', "add"),
    }
}

pub(super) fn command(operation: &Operation) -> String {
    match operation {
        Operation::AddMember(member) => format!("ipset add {member}"),
        Operation::RemoveMember(member) => format!("ipset del {member}"),
        Operation::AddVirtualServer(key, config) => {
            format!("ipvsadm -A {}", virtual_server_line(key, config))
        }
        Operation::SetVirtualServer(key, config) => {
            format!("ipvsadm -E {}", virtual_server_line(key, config))
        }
        Operation::RemoveVirtualServer(key) => format!("ipvsadm -D {}", service(key)),
        Operation::AddRealServer(key, real) => format!("ipvsadm -a {}", real_server_line(key, real)),
        Operation::SetRealServer(key, real) => format!("ipvsadm -e {}", real_server_line(key, real)),
        Operation::RemoveRealServer(key, real, _) => format!("ipvsadm -d {} -r {real}", service(key)),
        Operation::BindAddress(address) => address_command("add", address),
        Operation::UnbindAddress(address) => address_command("del", address),
    }
}

fn address_command(verb: &str, address: &IpAddr) -> String {
    let prefix = Family::of(address).full_prefix();
    format!("ip addr {verb} {address}/{prefix} dev {INTERFACE}")
}
