//! What a process sends to the kernel, as `strace` sees it.

use std::fs;
use std::path::{Path, PathBuf};

use lab::namespace::Namespace;
use lab::program::Program;
use nix::sys::signal::Signal;

use super::testbed::{Testbed, eventually};

/// Options by which every netlink message is written out, whatever their number, with the socket's protocol; programs
/// that are started and files that are opened are told as well.
pub(crate) const OPTIONS: [&str; 5] =
    ["-f", "-v", "-yy", "-e", "trace=sendto,sendmsg,sendmmsg,execve,openat"];

/// IPVS commands that only read: GET_SERVICE, GET_DEST, GET_DAEMON, GET_CONFIG, GET_INFO.
const IPVS_READS: [&str; 5] = ["04", "08", "0b", "0d", "0f"];

/// A running `strace`.
pub(crate) struct Trace {
    program: Program,
    file: PathBuf,
}

// === impl Trace ===

impl Trace {
    /// Begins to watch a process of a namespace.
    #[track_caller]
    pub(crate) fn attach(testbed: &Testbed, namespace: &Namespace, process: u32) -> Trace {
        let (file, log) = (testbed.file("trace"), testbed.file("strace.log"));
        let (output, process) = (file.to_string_lossy().into_owned(), process.to_string());
        let arguments = OPTIONS.iter().copied().chain(["-o", &output, "-p", &process]);
        let mut program = Program::start(namespace, Path::new("strace"), arguments, &log).unwrap();
        eventually("strace watches", || program.log().contains("attached") || !program.is_running());
        Trace { program, file }
    }

    /// Ends watching: what was seen.
    pub(crate) fn end(self) -> String {
        self.program.stop(Signal::SIGINT).unwrap();
        fs::read_to_string(self.file).unwrap()
    }
}

/// The trace of a process that was started by `strace` and has been stopped.
#[track_caller]
pub(crate) fn of_ended(process: u32, file: &Path) -> String {
    let process = process.to_string();
    let is_end = |line: &str| line.split_whitespace().take(2).eq([process.as_str(), "+++"]);
    let mut trace = String::new();
    eventually("strace has seen the end", || {
        trace = fs::read_to_string(file).unwrap_or_default();
        trace.lines().any(is_end)
    });
    trace
}

/// What was done that changes the kernel: a netlink message each, programs that write rules, settings.
pub(crate) fn changes(trace: &str) -> Vec<String> {
    let lines = trace.lines();
    lines.flat_map(|line| [changing_messages(line), programs(line), settings(line)].concat()).collect()
}

/// Every netlink message by its type, questions included.
pub(crate) fn messages(trace: &str) -> Vec<String> {
    let types = trace.lines().flat_map(|line| line.split("nlmsg_type=").skip(1));
    types.filter_map(|text| text.split_once(',')).map(|(kind, _)| kind.to_owned()).collect()
}

fn changing_messages(line: &str) -> Vec<String> {
    line.split("nlmsg_type=").skip(1).filter_map(changing_message).collect()
}

/// The type of a message that is no question. `text` begins with it.
fn changing_message(text: &str) -> Option<String> {
    let (kind, rest) = text.split_once(',')?;
    let command = rest.split_once("\"\\x").map_or("", |(_, bytes)| bytes.get(..2).unwrap_or(""));
    let is_change = if kind == "IPVS" {
        !IPVS_READS.contains(&command)
    } else if let Some(command) = kind.strip_prefix("RTM_") {
        !command.starts_with("GET")
    } else if let Some((_, command)) = kind.split_once("IPSET_CMD_") {
        ["CREATE", "DESTROY", "FLUSH", "RENAME", "SWAP", "ADD", "DEL"].contains(&command)
    } else {
        ["NFT_MSG_NEW", "NFT_MSG_DEL", "NFNL_MSG_BATCH_BEGIN"].iter().any(|change| kind.contains(change))
    };
    is_change.then(|| format!("{kind} {command}").trim_end().to_owned())
}

fn programs(line: &str) -> Vec<String> {
    let is_writer = line.contains("execve(") && line.contains("tables") && line.contains("-restore");
    if is_writer { vec![line.to_owned()] } else { Vec::new() }
}

fn settings(line: &str) -> Vec<String> {
    let is_opened = line.contains("\"/proc/sys/") && !line.contains(" = -1 ");
    if is_opened && (line.contains("O_WRONLY") || line.contains("O_RDWR")) {
        vec![line.to_owned()]
    } else {
        Vec::new()
    }
}

#[test]
fn a_trace_is_read() {
    let trace = r#"136 sendmsg(3<NETLINK:[GENERIC:2]>, {msg_iov=[{iov_base=[{nlmsg_len=32, nlmsg_type=nlctrl, nlmsg_flags=NLM_F_REQUEST}, "\x03\x01"]
136 sendto(3<NETLINK:[GENERIC:3]>, [[{nlmsg_len=20, nlmsg_type=IPVS, nlmsg_flags=0x300}, "\x08\x01"], [{nlmsg_len=20, nlmsg_type=IPVS, nlmsg_flags=NLM_F_ACK}, "\x05\x01"]]
136 sendto(4<NETLINK:[NETFILTER:4]>, [{nlmsg_len=28, nlmsg_type=NFNL_SUBSYS_IPSET<<8|IPSET_CMD_HEADER, nlmsg_flags=NLM_F_REQUEST
136 sendto(4<NETLINK:[NETFILTER:4]>, [{nlmsg_len=28, nlmsg_type=NFNL_SUBSYS_IPSET<<8|IPSET_CMD_ADD, nlmsg_flags=NLM_F_REQUEST
136 sendto(5<NETLINK:[ROUTE:5]>, [{nlmsg_len=40, nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST
136 sendmsg(5<NETLINK:[ROUTE:5]>, {msg_iov=[{iov_base=[{nlmsg_len=40, nlmsg_type=RTM_NEWADDR, nlmsg_flags=NLM_F_REQUEST
137 execve("/usr/sbin/iptables-save", ["iptables-save"], 0x0) = 0
136 openat(AT_FDCWD, "/proc/sys/net/netfilter/nf_conntrack_max", O_WRONLY|O_CREAT, 0666) = -1 EACCES
136 openat(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 9"#;
    let changes = changes(trace);
    assert_eq!(changes[..3], ["IPVS 05", "NFNL_SUBSYS_IPSET<<8|IPSET_CMD_ADD", "RTM_NEWADDR"]);
    assert!(changes[3].contains("ip_forward") && changes.len() == 4, "{changes:?}");
    assert_eq!(messages(trace).len(), 7);
}
