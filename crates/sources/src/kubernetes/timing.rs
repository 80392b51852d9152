//! How long things may take.

use std::time::Duration;

/// Limits and pauses in the conversation with the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For a connection to be made. 10 s by default.
    pub connect: Duration,
    /// For an answer to begin, and for the next object of a page of a list; in JSON, for the whole page. 60 s by
    /// default.
    pub request: Duration,
    /// For the next object of a streaming list. A server that never says that its list has ended is asked for
    /// a plain list instead. 60 s by default; all of the list has five times as long.
    pub initial: Duration,
    /// How long the server is asked to let a watch last at least; a random part of up to as much again is added.
    /// 5 minutes by default, as client-go has it.
    pub watch: Duration,
    /// A watch in which nothing was heard for this long, not even a bookmark, is taken for dead. API servers
    /// send a bookmark each minute; 90 s by default.
    pub silence: Duration,
    /// A connection whose other end does not answer probes is dropped after about twice this time. 15 s by
    /// default.
    pub keepalive: Duration,
    /// The pause after a first failure; it doubles with each further one, and a random part of up to as much
    /// again is added. 200 ms by default.
    pub shortest_pause: Duration,
    /// The longest pause. 30 s by default.
    pub longest_pause: Duration,
    /// For [`load`](super::load) to read everything. 60 s by default.
    pub load: Duration,
}

// === impl Timing ===

impl Default for Timing {
    fn default() -> Self {
        Timing {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(60),
            initial: Duration::from_secs(60),
            watch: Duration::from_secs(300),
            silence: Duration::from_secs(90),
            keepalive: Duration::from_secs(15),
            shortest_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(30),
            load: Duration::from_secs(60),
        }
    }
}
