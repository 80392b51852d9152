//! The real kernel: IPVS, sets, the interface and what is local by it over netlink; rules through the programs of
//! iptables.

pub mod cleanup;
mod convert;
mod flows;
mod forms;
mod host_addresses;
mod interface;
mod machine;
mod meter;
mod nftables;
mod programs;
mod sets;
pub mod usability;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use model::{Family, PerFamily};
use netlink::Outcome;
use netlink::conntrack::Conntrack;
use netlink::ipset::{self, Ipset};
use netlink::ipvs::{self, Ipvs, Timeouts};
use nix::unistd::{AccessFlags, access};
use plan::{Entry, Operation, SetId, VirtualServerKey};

use crate::Error;
use crate::flows::Stale;
use crate::kernel::{
    Applied, Failure, Kernel, Missing, Part, RealServerLoad, RulesReader, SentMessages, Shortfall,
    VirtualServers,
};

use self::interface::Interface;
pub use self::machine::{Machine, Tables, has_bridge_netfilter, rules_by_family};
pub use self::meter::LinuxMeter;
pub use self::programs::Variant as IptablesVariant;
pub use self::watch::Watch;

/// How many IPv4 addresses are bound to `kube-ipvs0` unless told otherwise. So many cost little, and whoever looks for
/// addresses there finds them on all but large clusters; `docs/limits.md` has the figures.
pub const DEFAULT_MAX_BOUND_ADDRESSES: usize = 1000;

/// Handles on the network namespace of the thread that opened them.
#[derive(Debug)]
pub struct Linux {
    ipvs: Ipvs,
    ipset: Ipset,
    interface: Interface,
    conntrack: Conntrack,
    /// What answers the next question about rules.
    known_rules: PerFamily<Option<String>>,
}

// === impl Linux ===

impl Linux {
    /// Opens the kernel in the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`Error::NoIpvs`] or [`Error::NoIpset`] if the kernel has none; otherwise if a netlink socket cannot be had.
    pub fn open() -> Result<Self, Error> {
        let ipvs = usability::open_ipvs()?;
        let ipset = usability::open_ipset()?;
        let interface = Interface::open(DEFAULT_MAX_BOUND_ADDRESSES)?;
        let conntrack = Conntrack::open().map_err(Error::netlink("opening conntrack"))?;
        Ok(Linux { ipvs, ipset, interface, conntrack, known_rules: PerFamily::default() })
    }

    /// Binds at most so many IPv4 addresses to `kube-ipvs0`, and makes the others local by routes; by default
    /// [`DEFAULT_MAX_BOUND_ADDRESSES`].
    #[must_use]
    pub fn binding_at_most(mut self, addresses: usize) -> Self {
        self.interface.bind_at_most(addresses);
        self
    }

    /// Takes rules that were read a moment ago for the answer to the first question about them.
    #[must_use]
    pub fn knowing_rules(mut self, saved: PerFamily<Option<String>>) -> Self {
        self.known_rules = saved;
        self
    }

    fn send(&mut self, part: Part, operations: &[Operation]) -> Result<Vec<Outcome>, Error> {
        match part {
            Part::Sets => {
                let requests: Vec<ipset::Request> =
                    operations.iter().filter_map(convert::set_request).collect();
                self.ipset.apply(&requests).map_err(Error::netlink("changing set entries"))
            }
            Part::Ipvs => {
                let requests: Vec<ipvs::Request> =
                    operations.iter().filter_map(convert::ipvs_request).collect();
                self.ipvs.apply(&requests).map_err(Error::netlink("changing IPVS"))
            }
            Part::Addresses => self.interface.apply(operations),
        }
    }
}

impl Kernel for Linux {
    fn shortfall(&mut self, families: &[Family]) -> Result<Shortfall, Error> {
        let mut shortfall = sets::shortfall(&mut self.ipset, families)?;
        match self.interface.find() {
            Ok(true) => {}
            Ok(false) => shortfall.missing.insert(0, Missing::Interface),
            Err(error @ Error::ForeignInterface { .. }) => shortfall.misfits.push(error),
            Err(error) => return Err(error),
        }
        Ok(shortfall)
    }

    fn create(&mut self, missing: &[Missing]) -> Result<(), Error> {
        if missing.contains(&Missing::Interface) {
            self.interface.create()?;
        }
        let wanted: Vec<SetId> = missing
            .iter()
            .filter_map(|element| match element {
                Missing::Set(set) => Some(*set),
                Missing::Interface => None,
            })
            .collect();
        sets::create(&mut self.ipset, &wanted)
    }

    fn virtual_servers(&mut self) -> Result<VirtualServers, Error> {
        let listed = self.ipvs.virtual_servers().map_err(Error::netlink("listing virtual servers"))?;
        let count = listed.len();
        let known = |server: ipvs::VirtualServer| {
            Some((convert::key(&server.id)?, convert::observed_config(&server)))
        };
        let configs: Vec<_> = listed.into_iter().filter_map(known).collect();
        Ok(VirtualServers { firewall_marks: count - configs.len(), configs })
    }

    fn set_entries(&mut self, set: SetId) -> Result<Vec<Entry>, Error> {
        sets::entries(&mut self.ipset, set)
    }

    fn addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        self.interface.addresses()
    }

    fn apply(&mut self, operations: &[Operation]) -> Applied {
        let mut applied = Applied::default();
        for group in operations.chunk_by(|one, next| Part::of(one) == Part::of(next)) {
            let Some(first) = group.first() else { continue };
            match self.send(Part::of(first), group) {
                Ok(outcomes) => {
                    let outcomes = group.iter().zip(outcomes);
                    applied
                        .failures
                        .extend(outcomes.filter_map(|(operation, outcome)| failure(operation, outcome)));
                }
                Err(error) => applied.unknown.push(error),
            }
        }
        applied
    }

    fn real_servers(&mut self, key: &VirtualServerKey) -> Result<Vec<RealServerLoad>, Error> {
        let listed =
            self.ipvs.real_servers(&convert::id(key)).map_err(Error::netlink("listing real servers"))?;
        Ok(listed.iter().map(convert::load).collect())
    }

    fn host_addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        self.interface.addresses_elsewhere()
    }

    fn forget_flows(&mut self, stale: &BTreeMap<VirtualServerKey, Stale>) -> Result<usize, Error> {
        flows::forget(&mut self.conntrack, stale)
    }

    fn rules_reader(&mut self, family: Family) -> RulesReader {
        match self.known_rules.get_mut(family).take() {
            Some(saved) => Box::new(|| Ok(saved)),
            None => Box::new(move || programs::save(family)),
        }
    }

    fn restore_rules(&mut self, family: Family, input: &str) -> Result<(), Error> {
        programs::restore(family, input)
    }

    fn nftables(&mut self) -> Result<Vec<Family>, Error> {
        nftables::families()
    }

    fn delete_nftables(&mut self, family: Family) -> Result<(), Error> {
        nftables::delete(family)
    }

    fn sysctl(&mut self, name: &str) -> Option<String> {
        fs::read_to_string(sysctl_path(name)).ok().map(|value| value.trim().to_owned())
    }

    fn may_set_sysctl(&mut self, name: &str) -> bool {
        access(&sysctl_path(name), AccessFlags::W_OK).is_ok()
    }

    fn set_sysctl(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let path = sysctl_path(name);
        fs::write(&path, value).map_err(|source| Error::Sysctl { path, value: value.to_owned(), source })
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.ipvs.timeouts().map_err(Error::netlink("reading the IPVS timeouts"))
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), Error> {
        self.ipvs.set_timeouts(timeouts).map_err(Error::netlink("setting the IPVS timeouts"))
    }

    fn sent_messages(&self) -> SentMessages {
        SentMessages {
            ipvs: self.ipvs.traffic().messages,
            ipset: self.ipset.traffic().messages,
            route: self.interface.sent_messages(),
            conntrack: self.conntrack.traffic().messages,
        }
    }
}

fn failure(operation: &Operation, outcome: Outcome) -> Option<Failure> {
    let refused = outcome.err()?;
    Some(Failure { operation: operation.clone(), errno: refused.errno, message: refused.message })
}

fn sysctl_path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}
