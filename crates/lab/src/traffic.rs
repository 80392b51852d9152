//! Servers that say who they are, and clients that say who answered.
//!
//! The talk is lines of text over TCP, UDP and SCTP alike: the client sends a [request](Request), the server answers
//! with its name and the address it saw the client at, as in `pod-3 10.244.1.5:43210`.

mod client;
mod download;
mod http;
mod server;
mod socket;

use std::fmt;
use std::str::FromStr;

pub use client::{Answer, Client, Failure, Spread};
pub use download::Download;
pub use http::{HttpAnswer, get};
pub use server::Server;

/// A transport protocol of Services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP, one association per connection.
    Sctp,
}

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// Who are you, and who am I?
    Who,
    /// The same, then a number of lines with a pause in milliseconds before each.
    Download { lines: u32, pause: u64 },
}

// === impl Request ===

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Who => write!(f, "who"),
            Request::Download { lines, pause } => write!(f, "download {lines} {pause}"),
        }
    }
}

impl FromStr for Request {
    type Err = ();

    fn from_str(text: &str) -> Result<Request, ()> {
        let mut words = text.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("who"), None, _) => Ok(Request::Who),
            (Some("download"), Some(lines), Some(pause)) => Ok(Request::Download {
                lines: lines.parse().map_err(drop)?,
                pause: pause.parse().map_err(drop)?,
            }),
            _ => Err(()),
        }
    }
}

// === impl Protocol ===

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        })
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Protocol, String> {
        [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
            .into_iter()
            .find(|protocol| protocol.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("{text} is none of tcp, udp and sctp"))
    }
}
