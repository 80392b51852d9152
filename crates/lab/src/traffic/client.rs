//! A client that says who answered, or how it failed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use socket2::Socket;

use super::socket::{connect, is_timeout};
use super::{Protocol, Request};
use crate::Error;
use crate::namespace::Namespace;

/// Somebody in a namespace who asks one server address.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    namespace: &'a Namespace,
    protocol: Protocol,
    address: SocketAddr,
    source: Option<SocketAddr>,
    patience: Duration,
    resets: bool,
}

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The server's name.
    pub server: String,
    /// The client's address as the server saw it.
    pub seen_source: SocketAddr,
}

/// How a request failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// There is nobody there: a TCP reset, an SCTP abort or an ICMP port unreachable came back for the first packet.
    Refused,
    /// Nothing came back in time.
    Timeout,
    /// The connection stood and was torn down.
    Reset,
    /// There is no way: an ICMP message other than port unreachable, or no route.
    Unreachable,
    /// The server ended the connection without an answer.
    NoAnswer,
    /// Anything else.
    Other(String),
}

/// Who answered how often when many requests were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Number of answers by server.
    pub answers: BTreeMap<String, usize>,
    /// Number of failures by kind.
    pub failures: BTreeMap<Failure, usize>,
}

// === impl Client ===

impl<'a> Client<'a> {
    /// A client in a namespace that will talk to an address, and waits five seconds for every answer.
    pub fn new(namespace: &'a Namespace, protocol: Protocol, address: SocketAddr) -> Client<'a> {
        Client { namespace, protocol, address, source: None, patience: Duration::from_secs(5), resets: false }
    }

    /// The same with another time to wait for a connection, and for each answer.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Client<'a> {
        self.patience = patience;
        self
    }

    /// The same from an address, or a port, of the client's choice.
    #[must_use]
    pub fn from(mut self, source: SocketAddr) -> Client<'a> {
        self.source = Some(source);
        self
    }

    /// The same, ending each TCP connection by a reset, so that nobody on the way remembers it for the two minutes of
    /// TIME_WAIT.
    #[must_use]
    pub fn resetting(mut self) -> Client<'a> {
        self.resets = true;
        self
    }

    /// Asks once, over a connection of its own.
    ///
    /// # Errors
    /// The outer error is the lab's, the inner one is what the client saw.
    pub fn ask(&self) -> Result<Result<Answer, Failure>, Error> {
        self.namespace.run(|| self.ask_here())
    }

    /// Asks many times, each over a connection of its own, `at_once` of them at any time.
    ///
    /// # Errors
    /// If the namespace cannot be entered.
    pub fn ask_many(&self, requests: usize, at_once: usize) -> Result<Spread, Error> {
        let left = AtomicUsize::new(requests);
        let take =
            || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let work = || {
            let mut spread = Spread::default();
            while take() {
                spread.add(self.ask_here());
            }
            spread
        };
        thread::scope(|scope| {
            let workers: Vec<_> =
                (0..at_once.max(1)).map(|_| scope.spawn(|| self.namespace.run(work))).collect();
            let mut all = Spread::default();
            for worker in workers {
                all.merge(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(all)
        })
    }

    /// Connects, and leaves the connection standing: a long-lived client, see [`super::Download`].
    pub(super) fn connect(&self) -> Result<Result<Socket, Failure>, Error> {
        self.namespace.run(|| self.connect_here())
    }

    /// Asks on the calling thread, which is in the namespace already.
    fn ask_here(&self) -> Result<Answer, Failure> {
        let socket = self.connect_here()?;
        let line = match self.protocol {
            Protocol::Udp => exchange_datagrams(&socket),
            Protocol::Tcp | Protocol::Sctp => exchange_lines(&socket),
        };
        if self.resets {
            // A socket that is to linger for no time is closed by a reset.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        Answer::parse(&line.map_err(|error| Failure::of(&error, true))?)
    }

    fn connect_here(&self) -> Result<Socket, Failure> {
        connect(self.protocol, self.address, self.source, self.patience)
            .map_err(|error| Failure::of(&error, false))
    }
}

fn exchange_lines(socket: &Socket) -> io::Result<String> {
    let mut line = String::new();
    let mut writer = socket;
    writer.write_all(format!("{}\n", Request::Who).as_bytes())?;
    BufReader::new(socket).read_line(&mut line)?;
    Ok(line)
}

fn exchange_datagrams(mut socket: &Socket) -> io::Result<String> {
    let mut buffer = [0; 512];
    socket.send(format!("{}\n", Request::Who).as_bytes())?;
    let length = io::Read::read(&mut socket, &mut buffer)?;
    Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned())
}

// === impl Answer ===

impl Answer {
    /// Reads a server's answer.
    pub(super) fn parse(line: &str) -> Result<Answer, Failure> {
        if line.is_empty() {
            return Err(Failure::NoAnswer);
        }
        let other = || Failure::Other(format!("an answer that makes no sense: {line:?}"));
        let (server, source) = line.trim_end().split_once(' ').ok_or_else(other)?;
        Ok(Answer { server: server.to_owned(), seen_source: source.parse().map_err(|_| other())? })
    }
}

// === impl Failure ===

impl Failure {
    /// What an error of a socket means, before or after the connection stood.
    pub(super) fn of(error: &io::Error, connected: bool) -> Failure {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ECONNREFUSED) => Failure::Refused,
            Some(Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED) if connected => Failure::Reset,
            Some(Errno::ECONNRESET | Errno::ECONNABORTED) => Failure::Refused,
            Some(Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES | Errno::EPERM) => {
                Failure::Unreachable
            }
            _ if is_timeout(error) => Failure::Timeout,
            _ => Failure::Other(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::Refused => "refused",
            Failure::Timeout => "timed out",
            Failure::Reset => "reset",
            Failure::Unreachable => "unreachable",
            Failure::NoAnswer => "ended without an answer",
            Failure::Other(reason) => reason,
        })
    }
}

// === impl Spread ===

impl Spread {
    /// Number of answers.
    pub fn answered(&self) -> usize {
        self.answers.values().sum()
    }

    /// The servers that answered.
    pub fn servers(&self) -> Vec<&str> {
        self.answers.keys().map(String::as_str).collect()
    }

    fn add(&mut self, outcome: Result<Answer, Failure>) {
        match outcome {
            Ok(answer) => *self.answers.entry(answer.server).or_default() += 1,
            Err(failure) => *self.failures.entry(failure).or_default() += 1,
        }
    }

    /// Adds what came of more requests.
    pub fn merge(&mut self, other: Spread) {
        for (server, count) in other.answers {
            *self.answers.entry(server).or_default() += count;
        }
        for (failure, count) in other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers = self.answers.iter().map(|(server, count)| format!("{server} {count}"));
        let failures = self.failures.iter().map(|(failure, count)| format!("{failure} {count}"));
        let all: Vec<_> = answers.chain(failures).collect();
        f.write_str(if all.is_empty() { "nobody" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}
