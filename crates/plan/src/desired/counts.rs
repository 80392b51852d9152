//! How much is planned, counted as it comes and goes.

use crate::VirtualServer;

/// The virtual and real servers of one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Virtual servers with real servers.
    pub with_real_servers: usize,
    /// Virtual servers without any.
    pub without_real_servers: usize,
    /// Real servers that get new connections.
    pub active: usize,
    /// Real servers whose weight of 0 gives them none.
    pub zero_weight: usize,
}

// === impl Counts ===

impl Counts {
    /// All virtual servers.
    pub fn virtual_servers(&self) -> usize {
        self.with_real_servers + self.without_real_servers
    }

    pub(super) fn add(&mut self, server: &VirtualServer) {
        let other = Counts::of(server);
        self.with_real_servers += other.with_real_servers;
        self.without_real_servers += other.without_real_servers;
        self.active += other.active;
        self.zero_weight += other.zero_weight;
    }

    pub(super) fn remove(&mut self, server: &VirtualServer) {
        let other = Counts::of(server);
        self.with_real_servers -= other.with_real_servers;
        self.without_real_servers -= other.without_real_servers;
        self.active -= other.active;
        self.zero_weight -= other.zero_weight;
    }

    fn of(server: &VirtualServer) -> Self {
        let zero_weight = server.real_servers.iter().filter(|real| real.weight == 0).count();
        Counts {
            with_real_servers: usize::from(!server.real_servers.is_empty()),
            without_real_servers: usize::from(server.real_servers.is_empty()),
            active: server.real_servers.len() - zero_weight,
            zero_weight,
        }
    }
}
