use std::fmt::Write as _;
use std::net::SocketAddr;

use model::Protocol;

use crate::{RealServer, SchedulerFlag, State, VirtualServerConfig, VirtualServerKey};

/// The virtual servers as `ipvsadm -Sn` prints them, sorted by address, port and protocol.
pub fn ipvsadm_save(state: &State) -> String {
    let mut text = String::new();
    for (key, server) in &state.virtual_servers {
        let _ = writeln!(text, "-A {}", virtual_server_line(key, &server.config));
        for real in &server.real_servers {
            let _ = writeln!(text, "-a {}", real_server_line(key, real));
        }
    }
    text
}

/// `-t 10.96.0.1:443 -s rr`: what follows `-A` and `-E`.
pub fn virtual_server_line(key: &VirtualServerKey, config: &VirtualServerConfig) -> String {
    let mut line = service(key);
    let scheduler = config.scheduler.map_or("unknown", |scheduler| scheduler.name());
    let _ = write!(line, " -s {scheduler}");
    if let Some(seconds) = config.persistence {
        let _ = write!(line, " -p {seconds}");
    }
    if config.scheduler_flags != 0 {
        let _ = write!(line, " -b {}", flag_names(config).join(","));
    }
    line
}

/// `-t 10.96.0.1:443 -r 192.0.2.1:6443 -m -w 1`: what follows `-a` and `-e`.
pub fn real_server_line(key: &VirtualServerKey, real: &RealServer) -> String {
    let method = if real.masqueraded { "-m" } else { "-g" };
    format!("{} -r {real} {method} -w {}", service(key), real.weight)
}

/// The virtual server as an argument: `-t`, `-u` or `--sctp-service`, and where it is.
pub(super) fn service(key: &VirtualServerKey) -> String {
    let option = match key.protocol {
        Protocol::Tcp => "-t",
        Protocol::Udp => "-u",
        Protocol::Sctp => "--sctp-service",
    };
    format!("{option} {}", SocketAddr::new(key.address, key.port))
}

/// The names that `ipvsadm` has for the flags of this scheduler, and `flag-1` to `flag-3` for the others.
pub(super) fn flag_names(config: &VirtualServerConfig) -> Vec<String> {
    let mut names = Vec::new();
    for (number, bit) in [(1, 0x08), (2, 0x10), (3, 0x20)] {
        if config.scheduler_flags & bit == 0 {
            continue;
        }
        let known = SchedulerFlag::ALL
            .into_iter()
            .find(|flag| flag.bit == bit && Some(flag.scheduler) == config.scheduler);
        names.push(known.map_or_else(|| format!("flag-{number}"), |flag| flag.name.to_owned()));
    }
    names
}
