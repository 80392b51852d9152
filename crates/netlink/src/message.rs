//! Netlink messages: batches to send, and the messages of a received datagram.

use crate::{
    attribute::{Attributes, Encoder, Malformed},
    errno::Errno,
    error::Refused,
};

/// `NLM_F_REQUEST`.
pub(crate) const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`.
pub(crate) const ACK: u16 = 0x4;
/// `NLM_F_DUMP`.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_EXCL`: an element that exists is an error.
pub(crate) const EXCL: u16 = 0x200;
/// `NLM_F_CREATE`.
pub(crate) const CREATE: u16 = 0x400;
/// Adds a route behind others with the same destination (`NLM_F_APPEND`).
pub(crate) const APPEND: u16 = 0x800;
/// `NLM_F_DUMP_INTR`: the state changed during the dump.
pub(crate) const DUMP_INTR: u16 = 0x10;
/// `NLM_F_CAPPED`: an error report has only the header of the request.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: an error report ends with attributes.
const ACK_TLVS: u16 = 0x200;

/// `NLMSG_NOOP`.
pub(crate) const NLMSG_NOOP: u16 = 1;
/// `NLMSG_ERROR`: an error, or an acknowledgement if its number is 0.
pub(crate) const NLMSG_ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub(crate) const NLMSG_DONE: u16 = 3;
/// `NLMSG_OVERRUN`.
pub(crate) const NLMSG_OVERRUN: u16 = 4;

const NLMSGERR_ATTR_MSG: u16 = 1;

/// `NLMSG_HDRLEN`.
pub(crate) const HEADER: usize = 16;
/// `NLMSG_ALIGNTO`.
const ALIGNMENT: usize = 4;

/// Where the fields of `struct nlmsghdr` begin.
const FLAGS_AT: usize = 6;
const SEQUENCE_AT: usize = 8;

/// Messages in one send; the kernel queues at most this many error reports before the first is read.
const MAX_MESSAGES: usize = 64;
/// A send is closed when it has reached this size, which keeps it below the send buffer's default of 208 KiB
/// even if the last message has the greatest length an attribute can have.
const MAX_BYTES: usize = 32 * 1024;

/// Messages for one send, each with a tag of the caller's.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    bytes: Vec<u8>,
    messages: Vec<(usize, T)>,
}

/// One received message in borrowed bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// Iterates over the messages of a datagram, and ends after the first malformed one.
#[derive(Debug, Clone)]
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

/// An `NLMSG_ERROR` with a number other than 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) refused: Refused,
    /// The payload of the request, as the kernel sent it back: empty if it sent the header only.
    pub(crate) request: Vec<u8>,
}

// === impl Batch ===

impl<T> Batch<T> {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), messages: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.messages.len() >= MAX_MESSAGES || self.bytes.len() >= MAX_BYTES
    }

    pub(crate) fn tags(&self) -> impl Iterator<Item = &T> {
        self.messages.iter().map(|(_, tag)| tag)
    }

    /// Appends a request. One that netlink cannot carry is left out, and the reason returned.
    pub(crate) fn push(
        &mut self,
        tag: T,
        kind: u16,
        flags: u16,
        body: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<(), Errno> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        // The sequence number, which is known when the batch is sent, and the port, which the kernel fills in.
        self.bytes.extend_from_slice(&[0; 8]);
        let mut encoder = Encoder::new(&mut self.bytes);
        body(&mut encoder);
        if let Some(errno) = encoder.fault() {
            self.bytes.truncate(start);
            return Err(errno);
        }
        let Ok(length) = u32::try_from(self.bytes.len() - start) else {
            self.bytes.truncate(start);
            return Err(Errno::EMSGSIZE);
        };
        self.overwrite(start, &length.to_ne_bytes());
        self.messages.push((start, tag));
        Ok(())
    }

    /// The bytes to send: messages are numbered from `first`, and only the last one asks for an
    /// acknowledgement, since an error of any message is reported anyway, and in order.
    pub(crate) fn finish(&mut self, first: u32, acknowledge: bool) -> &[u8] {
        let starts: Vec<usize> = self.messages.iter().map(|(start, _)| *start).collect();
        for (start, sequence) in starts.iter().zip(0_u32..) {
            self.overwrite(start + SEQUENCE_AT, &first.wrapping_add(sequence).to_ne_bytes());
        }
        if let (true, Some(last)) = (acknowledge, starts.last()) {
            self.set_flag(last + FLAGS_AT, ACK);
        }
        &self.bytes
    }

    /// Takes the tags in order, and leaves an empty batch.
    pub(crate) fn take_tags(&mut self) -> Vec<T> {
        self.bytes.clear();
        self.messages.drain(..).map(|(_, tag)| tag).collect()
    }

    fn overwrite(&mut self, at: usize, value: &[u8]) {
        if let Some(field) = self.bytes.get_mut(at..at + value.len()) {
            field.copy_from_slice(value);
        }
    }

    fn set_flag(&mut self, at: usize, flag: u16) {
        if let Some(field) = self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) {
            *field = (u16::from_ne_bytes(*field) | flag).to_ne_bytes();
        }
    }
}

// === impl Message ===

impl<'a> Message<'a> {
    /// Reads an `NLMSG_ERROR`: `None` is an acknowledgement.
    pub(crate) fn failure(&self) -> Result<Option<Failure>, Malformed> {
        let (number, rest) =
            self.payload.split_first_chunk::<4>().ok_or(Malformed("an error report has no error number"))?;
        let number = i32::from_ne_bytes(*number);
        if number == 0 {
            return Ok(None);
        }
        let (request, attributes) = self.split_request(rest)?;
        let refused = Refused { errno: Errno::from_raw(number), message: extended_message(attributes) };
        Ok(Some(Failure { refused, request: request.to_vec() }))
    }

    /// Reads the error number of an `NLMSG_DONE`: a dump can fail at its end.
    pub(crate) fn done(&self) -> Option<Refused> {
        let (number, rest) = self.payload.split_first_chunk::<4>()?;
        let number = i32::from_ne_bytes(*number);
        let attributes = if self.flags & ACK_TLVS != 0 { rest } else { &[] };
        (number < 0)
            .then(|| Refused { errno: Errno::from_raw(number), message: extended_message(attributes) })
    }

    /// Splits what follows an error number into the payload of the echoed request and the attributes.
    fn split_request(&self, echo: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Malformed> {
        let (length, _) =
            echo.split_first_chunk::<4>().ok_or(Malformed("an error report does not name its request"))?;
        let echoed = if self.flags & CAPPED != 0 {
            HEADER
        } else {
            usize::try_from(u32::from_ne_bytes(*length)).map_err(|_| Malformed("a length is too big"))?
        };
        let request =
            echo.get(HEADER..echoed).ok_or(Malformed("an error report is shorter than its request"))?;
        let attributes = match self.flags & ACK_TLVS {
            0 => &[],
            _ => echo.get(echoed.next_multiple_of(ALIGNMENT)..).unwrap_or_default(),
        };
        Ok((request, attributes))
    }
}

// === impl Messages ===

impl<'a> Messages<'a> {
    pub(crate) fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    fn split_first(&mut self) -> Result<Message<'a>, Malformed> {
        let (header, _) = self
            .rest
            .split_first_chunk::<HEADER>()
            .ok_or(Malformed("a message is shorter than its header"))?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3]))
            .map_err(|_| Malformed("a length is too big"))?;
        let payload =
            self.rest.get(HEADER..length).ok_or(Malformed("a message's length does not fit its datagram"))?;
        self.rest = self.rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Ok(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = self.split_first();
        if message.is_err() {
            self.rest = &[];
        }
        Some(message)
    }
}

/// The kernel's words in an extended acknowledgement. A malformed one must not hide the error it belongs to.
fn extended_message(attributes: &[u8]) -> Option<String> {
    Attributes::new(attributes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind == NLMSGERR_ATTR_MSG)
        .and_then(|attribute| attribute.string().ok())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
