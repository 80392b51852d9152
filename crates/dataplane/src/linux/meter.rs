//! The counters of the real kernel.

use netlink::ipset::Ipset;
use netlink::ipvs::Ipvs;
use plan::{SetId, VirtualServerKey};

use super::{convert, sets};
use crate::Error;
use crate::meter::{Meter, Traffic};

/// Handles on the network namespace of the thread that opened them, for reading only.
#[derive(Debug)]
pub struct LinuxMeter {
    ipvs: Ipvs,
    ipset: Ipset,
}

// === impl LinuxMeter ===

impl LinuxMeter {
    /// Opens the kernel in the network namespace of the calling thread.
    ///
    /// # Errors
    /// If a netlink socket cannot be had, or the kernel lacks IPVS or ipset.
    pub fn open() -> Result<Self, Error> {
        let ipvs = Ipvs::open().map_err(Error::netlink("opening IPVS"))?;
        let ipset = Ipset::open().map_err(Error::netlink("opening ipset"))?;
        Ok(LinuxMeter { ipvs, ipset })
    }
}

impl Meter for LinuxMeter {
    fn set_sizes(&mut self) -> Result<Vec<(SetId, u32)>, Error> {
        let headers = sets::headers(&mut self.ipset)?;
        Ok(headers.into_iter().filter_map(|(set, header)| Some((set, header.entries?))).collect())
    }

    fn traffic(&mut self) -> Result<Vec<(VirtualServerKey, Traffic)>, Error> {
        let listed = self.ipvs.statistics().map_err(Error::netlink("listing counters"))?;
        let known =
            listed.iter().filter_map(|(id, stats)| Some((convert::key(id)?, convert::traffic(stats))));
        Ok(known.collect())
    }

    fn active_connections(&mut self, key: &VirtualServerKey) -> Result<u64, Error> {
        let listed = self.ipvs.real_servers(&convert::id(key));
        let listed = listed.map_err(Error::netlink("listing real servers"))?;
        Ok(listed.iter().map(|server| u64::from(server.active_connections)).sum())
    }
}
