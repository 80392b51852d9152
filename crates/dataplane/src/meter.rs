//! What the kernel counts by itself, for whoever wants to show it. Nothing of this is needed to serve traffic, so it
//! is read beside the engine, on handles of its own.

use plan::{SetId, VirtualServerKey};

use crate::Error;

/// Reads the kernel's counters.
pub trait Meter: Send {
    /// How many entries each of our sets has. Sets that do not exist are left out, and so are all on kernels
    /// before 4.9, which do not tell.
    ///
    /// # Errors
    /// If the sets cannot be listed completely.
    fn set_sizes(&mut self) -> Result<Vec<(SetId, u32)>, Error>;

    /// What went through each virtual server since it was made, those of others included.
    ///
    /// # Errors
    /// If they cannot be listed completely.
    fn traffic(&mut self) -> Result<Vec<(VirtualServerKey, Traffic)>, Error>;

    /// How many established connections a virtual server has; none if there is no such virtual server.
    ///
    /// # Errors
    /// If its real servers cannot be listed completely.
    fn active_connections(&mut self, key: &VirtualServerKey) -> Result<u64, Error>;
}

/// Counters of a virtual server. The kernel adds them up from its processors every two seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections scheduled; for UDP, flows.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients, IP headers included.
    pub bytes_in: u64,
    /// Bytes to clients, IP headers included.
    pub bytes_out: u64,
}
