//! The messages that kube-ipvs sends for its first sync, recorded by `strace`, and a loop that sends them again.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use netlink_sys::{Socket, SocketAddr};
use nix::libc::{
    MSG_TRUNC, NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, NLM_F_ACK, NLMSG_ERROR, nlmsghdr,
};

use crate::node::{Node, Proxy, Setting};
use crate::process;

/// Every socket is told with its protocol, and everything written to one is dumped.
const STRACE: [&str; 7] = ["-f", "-yy", "-e", "trace=sendto", "-e", "write=all", "-qq"];

/// The bytes of `nlmsghdr`, with which every message begins: its length, kind, flags, number and sender.
const HEADER: usize = size_of::<nlmsghdr>();

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What was recorded
    recording: PathBuf,
}

/// How many netlink messages a trace has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Messages {
    pub(crate) changes: usize,
    pub(crate) questions: usize,
}

/// One send of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Batch {
    /// As for `socket(AF_NETLINK, …)`.
    protocol: u8,
    bytes: Vec<u8>,
}

/// Records what kube-ipvs sends for the objects that the API server has now.
pub(crate) fn record(setting: &Setting, name: &str, more: &[&str]) -> Result<PathBuf> {
    let node = Node::new()?;
    let (proxy, trace) = start_traced(&node, setting, name, more)?;
    proxy.stop_launched()?;
    let recording = setting.file(&format!("{name}.recording"));
    let mut file = File::create(&recording)?;
    let trace = File::open(&trace).with_context(|| format!("cannot open {}", trace.display()))?;
    let trace = BufReader::new(trace);
    for batch in read_trace(trace)?.into_iter().filter(Batch::changes_something) {
        file.write_all(&[batch.protocol])?;
        file.write_all(&u32::try_from(batch.bytes.len())?.to_ne_bytes())?;
        file.write_all(&batch.bytes)?;
    }
    Ok(recording)
}

/// Starts kube-ipvs under strace and waits until it is ready. Gives the file that the trace goes to.
pub(crate) fn start_traced(
    node: &Node,
    setting: &Setting,
    name: &str,
    more: &[&str],
) -> Result<(Proxy, PathBuf)> {
    let trace = setting.file(&format!("{name}.strace"));
    let output = trace.to_string_lossy().into_owned();
    let options = [&STRACE[..], &["-o", &output]].concat();
    let mut proxy = node.launch(setting, Some((Path::new("strace"), &options)), more)?;
    proxy.wait(Instant::now())?;
    Ok((proxy, trace))
}

/// Counts the messages in a trace.
pub(crate) fn count_messages(trace: impl BufRead) -> Result<Messages> {
    let mut messages = Messages::default();
    for batch in read_trace(trace)? {
        let count = batch.messages().count();
        match batch.changes_something() {
            true => messages.changes += count,
            false => messages.questions += count,
        }
    }
    Ok(messages)
}

/// Sends a recording in a fresh namespace and says how long that took.
pub(crate) fn time_replay(recording: &Path) -> Result<Duration> {
    let node = Node::new()?;
    let microseconds = process::repeat_in(&node.namespace, &["replay", &recording.to_string_lossy()])?;
    Ok(Duration::from_micros(microseconds.trim().parse()?))
}

/// Sends a recording in this namespace, and prints how many microseconds that took.
pub(crate) fn replay(arguments: &Arguments) -> Result<()> {
    let batches = read_recording(&arguments.recording)?;
    let mut sockets = [NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_GENERIC].map(|protocol| {
        let open = || -> std::io::Result<Socket> {
            let mut socket = Socket::new(isize::try_from(protocol).unwrap_or_default())?;
            socket.bind_auto()?;
            socket.set_cap_ack(true)?;
            Ok(socket)
        };
        (protocol, open())
    });
    let mut buffer = Vec::with_capacity(128 * 1024);
    let began = Instant::now();
    for batch in &batches {
        let socket = sockets.iter_mut().find(|(protocol, _)| *protocol == i32::from(batch.protocol));
        let (_, socket) = socket.context("a message of a protocol that is not replayed")?;
        let socket = socket.as_mut().map_err(|error| anyhow::anyhow!("cannot open a socket: {error}"))?;
        batch.send(socket, &mut buffer)?;
    }
    println!("{}", began.elapsed().as_micros());
    Ok(())
}

fn read_recording(path: &Path) -> Result<Vec<Batch>> {
    let mut file =
        BufReader::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?);
    let mut batches = Vec::new();
    let mut protocol = [0];
    while file.read(&mut protocol)? == 1 {
        let mut length = [0; 4];
        file.read_exact(&mut length)?;
        let mut bytes = vec![0; usize::try_from(u32::from_ne_bytes(length))?];
        file.read_exact(&mut bytes)?;
        batches.push(Batch { protocol: protocol[0], bytes });
    }
    Ok(batches)
}

/// Takes from a trace what the first thread sent over netlink: a line for each call, then its bytes. Others are those
/// of programs that kube-ipvs starts.
fn read_trace(trace: impl BufRead) -> Result<Vec<Batch>> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut is_netlink = false;
    let mut thread = None;
    for line in trace.lines() {
        let line = line?;
        if let Some(dump) = line.trim_start().strip_prefix("| ") {
            if let (true, Some(batch)) = (is_netlink, batches.last_mut()) {
                batch.bytes.extend(dumped(dump).with_context(|| format!("not a dump: {line}"))?);
            }
            continue;
        }
        let found = line.split_whitespace().next().map(str::to_owned);
        let is_first = *thread.get_or_insert(found.clone()) == found;
        let protocol = protocol_of(&line).filter(|_| is_first);
        is_netlink = protocol.is_some();
        batches.extend(protocol.map(|protocol| Batch { protocol, bytes: Vec::new() }));
    }
    Ok(batches)
}

/// The protocol of the socket that a line of a trace is about.
fn protocol_of(line: &str) -> Option<u8> {
    let (_, socket) = line.split_once("<NETLINK:[")?;
    let protocol = match socket.split([':', ']']).next()? {
        "ROUTE" => NETLINK_ROUTE,
        "NETFILTER" => NETLINK_NETFILTER,
        "GENERIC" => NETLINK_GENERIC,
        _ => return None,
    };
    u8::try_from(protocol).ok()
}

/// The bytes of a line such as ` 00010  24 00 05 … 00  $....  |`, after its first bar.
fn dumped(line: &str) -> Option<Vec<u8>> {
    // Eight bytes, two spaces, eight bytes; what is missing in the last line is blank.
    let (_, rest) = line.trim_start().split_once("  ")?;
    let hex = rest.get(..16 * 3 + 1)?;
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

// === impl Batch ===

impl Batch {
    /// Whether it is a batch of changes, which the kernel acknowledges, and no question.
    fn changes_something(&self) -> bool {
        self.last().is_some_and(|(_, flags)| i32::from(flags) & NLM_F_ACK != 0)
    }

    /// Number and flags of its last message.
    fn last(&self) -> Option<(u32, u16)> {
        self.messages().last()
    }

    /// Number and flags of each message.
    fn messages(&self) -> impl Iterator<Item = (u32, u16)> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let &[l0, l1, l2, l3, _, _, f0, f1, s0, s1, s2, s3, ..] = rest.first_chunk::<HEADER>()?;
            let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
            rest = rest.get(length.next_multiple_of(4).max(HEADER)..).unwrap_or_default();
            Some((u32::from_ne_bytes([s0, s1, s2, s3]), u16::from_ne_bytes([f0, f1])))
        })
    }

    /// Sends it and waits until its last message is acknowledged.
    fn send(&self, socket: &mut Socket, buffer: &mut Vec<u8>) -> Result<()> {
        let (last, _) = self.last().context("an empty batch")?;
        socket.send_to(&self.bytes, &SocketAddr::new(0, 0), 0)?;
        loop {
            buffer.clear();
            socket.recv_from(buffer, MSG_TRUNC)?;
            let Some(&[_, _, _, _, k0, k1, _, _, s0, s1, s2, s3, _, _, _, _, e0, e1, e2, e3]) =
                buffer.first_chunk::<20>()
            else {
                bail!("a reply is too short");
            };
            let (kind, number) = (u16::from_ne_bytes([k0, k1]), u32::from_ne_bytes([s0, s1, s2, s3]));
            let error = i32::from_ne_bytes([e0, e1, e2, e3]);
            if i32::from(kind) == NLMSG_ERROR && error != 0 {
                bail!("the kernel refused message {number} of the recording with error {error}");
            }
            if number == last {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_read_from_a_trace() {
        let trace = "\
101 sendto(9<NETLINK:[GENERIC:101]>, [[{nlmsg_len=20, ...}]], 20, 0, {sa_family=AF_NETLINK}, 12) = 20
 | 00000  14 00 00 00 21 00 05 00  07 00 00 00 00 00 00 00  ....!........... |
 | 00010  0e 01 00 00                                       ....             |
101 sendto(4<TCP:[10.3.0.2:1->10.0.2.2:2]>, \"GET\", 3, 0, NULL, 0) = 3
 | 00000  47 45 54                                          GET              |
102 sendto(7<NETLINK:[NETFILTER:102]>, [[{nlmsg_len=20, ...}]], 20, 0, {sa_family=AF_NETLINK}, 12) = 20
 | 00000  14 00 00 00 10 00 05 00  00 00 00 00 00 00 00 00  ................ |
101 sendto(7<NETLINK:[ROUTE:101]>, [[{nlmsg_len=16, ...}]], 16, 0, {sa_family=AF_NETLINK}, 12) = 16
 | 00000  10 00 00 00 12 00 01 03  08 00 00 00 00 00 00 00  ................ |
";
        let batches = read_trace(trace.as_bytes()).unwrap();
        let [change, question] = batches.as_slice() else { panic!("{batches:?}") };
        assert_eq!((change.protocol, change.bytes.len(), change.last()), (16, 20, Some((7, 5))));
        assert!(change.changes_something() && !question.changes_something());
    }
}
