//! What a Service asked for in vain.

use std::fmt;
use std::net::IpAddr;

use model::AddressOwner;

/// Something that could not be done as a Service asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The kind of trouble.
    pub reason: Reason,
    /// A sentence that says what is done instead.
    pub message: String,
}

/// Why something could not be done as asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A scheduling annotation that means nothing here.
    Scheduling,
    /// Two ports or addresses of the Service come to the same virtual server.
    PortTaken,
    /// An external or load-balancer address that is the own address of another machine.
    NodeAddress(IpAddr, AddressOwner),
}

// === impl Warning ===

impl Warning {
    /// A warning.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Warning { reason, message: message.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// === impl Reason ===

impl Reason {
    /// The word for it in Events: what `kubectl describe` shows as the reason.
    pub fn as_str(&self) -> &'static str {
        match self {
            Reason::Scheduling => "SchedulingIgnored",
            Reason::PortTaken => "PortTaken",
            Reason::NodeAddress(..) => "NodeAddressNotServed",
        }
    }
}
