//! Plays the kernel from captured conversations (`tests/bytes`), for tests.

use std::{collections::VecDeque, fs, path::Path};

use crate::{
    attribute::{Attribute, Attributes, Malformed},
    connection::Connection,
    errno::Errno,
    message::{ACK, Messages},
    socket::Transport,
};

/// One message to the kernel, and the datagrams that it answered.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    pub(crate) replies: Vec<Vec<u8>>,
}

/// How what we send has to compare with what the tool sent. The sequence number, the port and `NLM_F_ACK` are
/// never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    /// The same bytes.
    Bytes,
    /// The same type, flags and fixed header of the given length; each attribute is one of the tool's, and the
    /// attributes in it are some of those that the tool puts in it, with the same values.
    Some { header: usize },
    /// The same type only.
    Type,
}

/// A kernel that knows one captured conversation.
struct Replay {
    compare: Compare,
    exchanges: VecDeque<Exchange>,
    waiting: VecDeque<Vec<u8>>,
}

/// A connection to a kernel that expects the captured requests, all of them and in order.
pub(crate) fn replay(name: &str, compare: Compare) -> Connection {
    replay_edited(name, compare, &[])
}

/// The same where we mean to differ from the tool: for each pair, the first request that has its first bytes gets
/// its second ones.
pub(crate) fn replay_edited(name: &str, compare: Compare, edits: &[(&[u8], &[u8])]) -> Connection {
    let mut exchanges = exchanges(name);
    for (theirs, ours) in edits {
        let mut requests = exchanges.iter_mut().map(|exchange| &mut exchange.request);
        let edited = requests.any(|request| {
            let at = request.windows(theirs.len()).position(|window| window == *theirs);
            at.map(|at| request[at..at + ours.len()].copy_from_slice(ours)).is_some()
        });
        assert!(edited, "{name} does not have {}", hex(theirs));
    }
    Connection::over(Box::new(Replay { compare, exchanges: exchanges.into(), waiting: VecDeque::new() }))
}

/// The captured conversation.
pub(crate) fn exchanges(name: &str) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for (sent, bytes) in datagrams(name) {
        match exchanges.last_mut() {
            _ if sent => exchanges.push(Exchange { request: bytes, replies: Vec::new() }),
            Some(exchange) => exchange.replies.push(bytes),
            None => panic!("{name} begins with a reply"),
        }
    }
    exchanges
}

/// The captured datagrams, and whether they went to the kernel.
pub(crate) fn datagrams(name: &str) -> Vec<(bool, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bytes").join(name).with_extension("hex");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut datagrams: Vec<(bool, Vec<u8>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (mark, digits) = line.split_at(2);
        if mark != "  " {
            datagrams.push((mark == "> ", Vec::new()));
        }
        let digits: Vec<u8> = digits.bytes().filter(|digit| *digit != b' ').collect();
        let bytes = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        datagrams.last_mut().unwrap().1.extend(bytes.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
    }
    datagrams
}

/// The names of all captures.
pub(crate) fn names() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bytes");
    let mut names = Vec::new();
    for family in ["conntrack", "ipvs", "ipset", "route"] {
        for file in fs::read_dir(root.join(family)).unwrap() {
            let name = file.unwrap().path();
            names.push(format!("{family}/{}", name.file_stem().unwrap().to_str().unwrap()));
        }
    }
    names.sort();
    names
}

// === impl Replay ===

impl Transport for Replay {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let Some(Exchange { request, replies }) = self.exchanges.pop_front() else {
            panic!("nothing more should be sent, but {} is", hex(bytes));
        };
        self.compare.check(bytes, &request);
        let sequence = &bytes[8..12];
        self.waiting.extend(replies.into_iter().map(|reply| renumbered(reply, sequence)));
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        let datagram = self.waiting.pop_front().ok_or(Errno::EAGAIN)?;
        buffer.clear();
        buffer.extend_from_slice(&datagram);
        Ok(datagram.len())
    }

    fn discard(&mut self) {
        self.waiting.clear();
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.exchanges.is_empty(), "the tool sent more: {:?}", self.exchanges);
        }
    }
}

// === impl Compare ===

impl Compare {
    fn check(self, ours: &[u8], theirs: &[u8]) {
        match self {
            Self::Bytes => assert_eq!(hex(&anonymous(ours)), hex(&anonymous(theirs))),
            Self::Type => assert_eq!(ours[4..6], theirs[4..6]),
            Self::Some { header } => {
                let (ours, theirs) = (anonymous(ours), anonymous(theirs));
                assert_eq!(hex(&ours[4..16 + header]), hex(&theirs[4..16 + header]));
                check_contained(&ours[16 + header..], &theirs[16 + header..]);
            }
        }
    }
}

/// Every attribute in each of our attributes is in theirs.
fn check_contained(ours: &[u8], theirs: &[u8]) {
    for ours in parsed(ours) {
        let theirs = find(theirs, ours.kind);
        for inner in parsed(ours.value) {
            let other = find(theirs.value, inner.kind);
            assert_eq!(hex(inner.value), hex(other.value), "attribute {} in {}", inner.kind, ours.kind);
        }
    }
}

fn parsed(bytes: &[u8]) -> Vec<Attribute<'_>> {
    Attributes::new(bytes).collect::<Result<_, Malformed>>().unwrap()
}

fn find(bytes: &[u8], kind: u16) -> Attribute<'_> {
    let mut attributes = parsed(bytes).into_iter();
    attributes
        .find(|attribute| attribute.kind == kind)
        .unwrap_or_else(|| panic!("the tool does not send {kind}"))
}

/// Without sequence number, port and `NLM_F_ACK`.
fn anonymous(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    message[6] &= !ACK.to_le_bytes()[0];
    message[8..16].fill(0);
    message
}

/// A datagram whose messages answer the one with that sequence number.
pub(crate) fn renumbered(mut datagram: Vec<u8>, sequence: &[u8]) -> Vec<u8> {
    let mut start = 0;
    let lengths: Vec<usize> =
        Messages::new(&datagram).map(|message| 16 + message.unwrap().payload.len()).collect();
    for length in lengths {
        datagram[start + 8..start + 12].copy_from_slice(sequence);
        start += length.next_multiple_of(4);
    }
    datagram
}

/// Bytes as the captures show them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let words = bytes.chunks(4).map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}
