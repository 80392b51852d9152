//! The one stream in which every source tells what it saw.

use std::fmt;
use std::sync::Arc;

use crate::{EndpointSlice, Node, ObjectKey, Service};

/// One thing that a source learnt. A source sends every object that exists, then [`Change::Synced`] for its
/// kind, then what changes. After a break it sends what differs from what it had told before, so a reader
/// never has to compare lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A Service appeared or has new content.
    ServiceApplied(Service),
    /// A Service is gone, or no longer selected.
    ServiceRemoved(ObjectKey),
    /// An EndpointSlice appeared or has new content.
    SliceApplied(EndpointSlice),
    /// An EndpointSlice is gone, or no longer selected.
    SliceRemoved(ObjectKey),
    /// A Node appeared or has new content.
    NodeApplied(Node),
    /// A Node is gone.
    NodeRemoved(Arc<str>),
    /// The source has told of every object of this kind that exists.
    Synced(Kind),
    /// Something could not be used, in whole or in part; the rest is unaffected.
    Problem(Problem),
}

/// The kinds of object that sources tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// core/v1 Service.
    Service,
    /// discovery.k8s.io/v1 EndpointSlice.
    EndpointSlice,
    /// core/v1 Node.
    Node,
}

/// A complaint about input, for the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// What it is about: `Service shop/web`, `web.yaml:12`.
    pub subject: String,
    /// What is wrong with it, and what was done about it.
    pub reason: String,
}

// === impl Kind ===

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Service, Kind::EndpointSlice, Kind::Node];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Service => "Service",
            Kind::EndpointSlice => "EndpointSlice",
            Kind::Node => "Node",
        })
    }
}

// === impl Problem ===

impl Problem {
    /// A complaint about `subject`.
    pub fn new(subject: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Problem { subject: subject.to_string(), reason: reason.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.reason)
    }
}
