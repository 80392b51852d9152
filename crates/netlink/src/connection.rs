//! Conversations with the kernel: batches with acknowledgements, dumps, and single questions.

mod replies;

use std::{
    fmt,
    time::{Duration, Instant},
};

use self::replies::sort_replies;
use crate::{
    attribute::{Encoder, Malformed},
    errno::Errno,
    error::{Error, Outcome, Refused, Traffic},
    message::{
        Batch, DUMP, DUMP_INTR, Failure, Message, Messages, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
        NLMSG_OVERRUN,
    },
    socket::{ANSWER_TIMEOUT, Socket, Transport},
};

pub(crate) use self::replies::Reply;

/// How often a dump is tried that the kernel marks as inconsistent.
const MAX_DUMPS: u32 = 10;

/// A socket with its sequence numbers and counters.
pub(crate) struct Connection {
    transport: Box<dyn Transport>,
    sequence: u32,
    buffer: Vec<u8>,
    traffic: Traffic,
    /// Whether replies to an earlier, failed call may still be waiting.
    leftovers: bool,
    /// How long to wait for something that belongs to the call.
    answer_timeout: Duration,
}

/// A request of which only one is sent.
pub(crate) struct Question<'a> {
    pub(crate) what: &'static str,
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) body: &'a dyn Fn(&mut Encoder<'_>),
}

/// Whether a dump has to be tried again.
enum DumpEnd {
    Consistent,
    Interrupted,
}

// === impl Connection ===

impl Connection {
    pub(crate) fn open(what: &'static str, protocol: isize) -> Result<Self, Error> {
        Ok(Self::over(Box::new(Socket::open(what, protocol)?)))
    }

    pub(crate) fn over(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            sequence: 1,
            buffer: Vec::new(),
            traffic: Traffic::default(),
            leftovers: false,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Sends one message for each request, many at once, and returns the outcomes in the requests' order.
    pub(crate) fn apply<R>(
        &mut self,
        what: &'static str,
        requests: &[R],
        encode: impl Fn(&mut Batch<usize>, usize, &R) -> Result<(), Errno>,
    ) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = vec![Ok(()); requests.len()];
        let mut batch = Batch::new();
        for (index, request) in requests.iter().enumerate() {
            if let Err(errno) = encode(&mut batch, index, request) {
                record(&mut outcomes, index, Err(Refused::unsent(errno)));
            }
            if batch.is_full() {
                self.exchange_into(what, &mut batch, &mut outcomes)?;
            }
        }
        self.exchange_into(what, &mut batch, &mut outcomes)?;
        Ok(outcomes)
    }

    /// Sends a batch, waits for the acknowledgement of its last message, and leaves the batch empty.
    pub(crate) fn exchange<T>(
        &mut self,
        what: &'static str,
        batch: &mut Batch<T>,
    ) -> Result<Vec<(T, Reply)>, Error> {
        match batch.len().checked_sub(1) {
            Some(last) => self.exchange_until(what, batch, last),
            None => Ok(Vec::new()),
        }
    }

    /// The same with the acknowledgement of the message at `awaited`, which has to ask for one itself unless it is the
    /// last one.
    pub(crate) fn exchange_until<T>(
        &mut self,
        what: &'static str,
        batch: &mut Batch<T>,
        awaited: usize,
    ) -> Result<Vec<(T, Reply)>, Error> {
        let is_last = awaited + 1 == batch.len();
        let first = self.send(what, batch, is_last)?;
        let mut replies: Vec<(T, Reply)> = batch.take_tags().into_iter().map(|tag| (tag, Ok(()))).collect();
        let deadline = Instant::now() + self.answer_timeout;
        let mut acknowledged = false;
        while !acknowledged {
            self.receive(what, deadline).map_err(lost_if_late)?;
            acknowledged = sort_replies(&self.buffer, first, awaited, &mut replies)
                .map_err(|error| error.during(what))?;
            if !acknowledged {
                in_time(what, deadline).map_err(lost_if_late)?;
            }
        }
        self.leftovers = false;
        Ok(replies)
    }

    /// Lists something. `each` gets every data message, in order; if the kernel's state changed meanwhile the
    /// dump starts again, and what `each` gave so far is dropped.
    pub(crate) fn dump<T>(
        &mut self,
        question: &Question<'_>,
        mut each: impl FnMut(&Message<'_>, &mut Vec<T>) -> Result<(), Malformed>,
    ) -> Result<Vec<T>, Error> {
        match self.dump_attempts(MAX_DUMPS, question, &mut each)? {
            (found, DumpEnd::Consistent) => Ok(found),
            (_, DumpEnd::Interrupted) => Err(Error::Interrupted { what: question.what, attempts: MAX_DUMPS }),
        }
    }

    /// Lists something of which a part is useful too: what the last of `attempts` gave is returned even if the
    /// kernel's state changed meanwhile.
    pub(crate) fn dump_leniently<T>(
        &mut self,
        attempts: u32,
        question: &Question<'_>,
        mut each: impl FnMut(&Message<'_>, &mut Vec<T>) -> Result<(), Malformed>,
    ) -> Result<Vec<T>, Error> {
        let (found, _) = self.dump_attempts(attempts, question, &mut each)?;
        Ok(found)
    }

    /// Asks for one message.
    pub(crate) fn ask<T>(
        &mut self,
        question: &Question<'_>,
        parse: impl FnOnce(&Message<'_>) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        let what = question.what;
        let sequence = self.send_question(question, 0)?;
        let deadline = Instant::now() + self.answer_timeout;
        loop {
            self.receive(what, deadline)?;
            for message in Messages::new(&self.buffer) {
                let message = message.map_err(|malformed| malformed.during(what))?;
                if message.sequence != sequence || message.kind == NLMSG_NOOP {
                    continue;
                }
                self.leftovers = false;
                check_error(what, &message)?;
                return parse(&message).map_err(|malformed| malformed.during(what));
            }
            in_time(what, deadline)?;
        }
    }

    fn exchange_into(
        &mut self,
        what: &'static str,
        batch: &mut Batch<usize>,
        outcomes: &mut [Outcome],
    ) -> Result<(), Error> {
        for (index, reply) in self.exchange(what, batch)? {
            record(outcomes, index, reply.map_err(|failure| failure.refused));
        }
        Ok(())
    }

    /// Dumps until the kernel does not mark the dump, but at most so many times.
    fn dump_attempts<T>(
        &mut self,
        attempts: u32,
        question: &Question<'_>,
        each: &mut impl FnMut(&Message<'_>, &mut Vec<T>) -> Result<(), Malformed>,
    ) -> Result<(Vec<T>, DumpEnd), Error> {
        let mut attempt = 1;
        loop {
            let mut found = Vec::new();
            let end = self.dump_once(question, |message| each(message, &mut found))?;
            if matches!(end, DumpEnd::Consistent) || attempt >= attempts {
                return Ok((found, end));
            }
            attempt += 1;
        }
    }

    fn dump_once(
        &mut self,
        question: &Question<'_>,
        mut each: impl FnMut(&Message<'_>) -> Result<(), Malformed>,
    ) -> Result<DumpEnd, Error> {
        let what = question.what;
        let sequence = self.send_question(question, DUMP)?;
        let mut end = DumpEnd::Consistent;
        let mut deadline = Instant::now() + self.answer_timeout;
        loop {
            self.receive(what, deadline)?;
            for message in Messages::new(&self.buffer) {
                let message = message.map_err(|malformed| malformed.during(what))?;
                if message.sequence != sequence || message.kind == NLMSG_NOOP {
                    continue;
                }
                deadline = Instant::now() + self.answer_timeout;
                if message.flags & DUMP_INTR != 0 {
                    end = DumpEnd::Interrupted;
                }
                if message.kind == NLMSG_DONE {
                    self.leftovers = false;
                    return match message.done() {
                        Some(Refused { errno, message }) => Err(Error::Kernel { what, errno, message }),
                        None => Ok(end),
                    };
                }
                check_error(what, &message)?;
                each(&message).map_err(|malformed| malformed.during(what))?;
            }
            in_time(what, deadline)?;
        }
    }

    fn send_question(&mut self, question: &Question<'_>, flags: u16) -> Result<u32, Error> {
        let what = question.what;
        let mut batch = Batch::new();
        batch
            .push((), question.kind, question.flags | flags, |encoder| {
                (question.body)(encoder);
            })
            .map_err(|errno| Error::Send { what, errno })?;
        self.send(what, &mut batch, false)
    }

    /// Sends a batch, and returns the sequence number of its first message.
    fn send<T>(&mut self, what: &'static str, batch: &mut Batch<T>, acknowledge: bool) -> Result<u32, Error> {
        if self.leftovers {
            self.transport.discard();
        }
        let first = self.sequence;
        let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        self.sequence = first.wrapping_add(count);
        // Cleared when the conversation has come to its end.
        self.leftovers = true;
        self.traffic.sends += 1;
        self.traffic.messages += u64::from(count);
        self.transport.send(batch.finish(first, acknowledge)).map_err(|errno| Error::Send { what, errno })?;
        Ok(first)
    }

    /// Receives one datagram into the buffer. Interrupted calls do not move the deadline. What has come already is
    /// taken however late it is, since this process may have stood still meanwhile, as virtual machines do.
    fn receive(&mut self, what: &'static str, deadline: Instant) -> Result<(), Error> {
        loop {
            let received = self.transport.receive(&mut self.buffer);
            match received {
                Ok(length) => {
                    self.traffic.receives += 1;
                    return if length > self.buffer.len() {
                        Err(Error::LostReplies { what, reason: "a reply was cut off" })
                    } else {
                        Ok(())
                    };
                }
                Err(Errno::EINTR) => in_time(what, deadline)?,
                Err(Errno::EAGAIN) => return Err(Error::Timeout { what }),
                Err(Errno::ENOBUFS) => {
                    return Err(Error::LostReplies { what, reason: "the receive buffer was full" });
                }
                Err(errno) => return Err(Error::Receive { what, errno }),
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("sequence", &self.sequence)
            .field("traffic", &self.traffic)
            .finish()
    }
}

// === impl Malformed ===

impl Malformed {
    pub(crate) fn during(self, what: &'static str) -> Error {
        Error::Malformed { what, problem: self.0 }
    }
}

/// Turns a message that ends a conversation early into an error.
fn check_error(what: &'static str, message: &Message<'_>) -> Result<(), Error> {
    match message.kind {
        NLMSG_ERROR => Err(match message.failure().map_err(|malformed| malformed.during(what))? {
            Some(Failure { refused: Refused { errno, message }, .. }) => {
                Error::Kernel { what, errno, message }
            }
            None => Error::Malformed { what, problem: "an acknowledgement instead of an answer" },
        }),
        NLMSG_OVERRUN => Err(Error::LostReplies { what, reason: "the kernel reports an overrun" }),
        _ => Ok(()),
    }
}

/// Whether what came without being the answer leaves time for it.
fn in_time(what: &'static str, deadline: Instant) -> Result<(), Error> {
    if Instant::now() < deadline { Ok(()) } else { Err(Error::Timeout { what }) }
}

/// An acknowledgement that does not come leaves open what the kernel did.
fn lost_if_late(error: Error) -> Error {
    match error {
        Error::Timeout { what } => {
            Error::LostReplies { what, reason: "no acknowledgement within the time limit" }
        }
        other => other,
    }
}

pub(crate) fn record(outcomes: &mut [Outcome], index: usize, outcome: Outcome) {
    if let Some(place) = outcomes.get_mut(index) {
        *place = outcome;
    }
}

#[cfg(test)]
pub(crate) mod tests;
