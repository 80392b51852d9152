//! The door to the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use model::Family;
use netlink::Errno;
use netlink::ipvs::Timeouts;
use plan::{
    Element, Entry, INTERFACE, Member, Operation, RealServer, SetId, State, VirtualServer,
    VirtualServerConfig, VirtualServerKey,
};

use crate::Error;
use crate::flows::Stale;

/// What the engine asks of a kernel. Everything acts in the network namespace in which the kernel was opened.
pub trait Kernel {
    /// What is not as it should be of the interface `kube-ipvs0` and of the sets of `families`.
    ///
    /// # Errors
    /// If they cannot be listed.
    fn shortfall(&mut self, families: &[Family]) -> Result<Shortfall, Error>;

    /// Creates what is missing.
    ///
    /// # Errors
    /// If the interface or a set cannot be created.
    fn create(&mut self, missing: &[Missing]) -> Result<(), Error>;

    /// The virtual servers, without their real servers.
    ///
    /// # Errors
    /// If they cannot be read completely.
    fn virtual_servers(&mut self) -> Result<VirtualServers, Error>;

    /// The entries of a set; none if there is no such set.
    ///
    /// # Errors
    /// If they cannot be read completely.
    fn set_entries(&mut self, set: SetId) -> Result<Vec<Entry>, Error>;

    /// The addresses that are local by `kube-ipvs0`, whether they are bound to it or routed.
    ///
    /// # Errors
    /// If they cannot be read completely.
    fn addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error>;

    /// Reads the IPVS table, the entries of the sets of `families`, and the addresses.
    ///
    /// # Errors
    /// If any of them cannot be read completely.
    fn observe(&mut self, families: &[Family]) -> Result<Observed, Error> {
        observe_with(self, families, |kernel, key, config| {
            let real_servers = in_order(kernel.real_servers(key)?);
            Ok(Arc::new(VirtualServer { config, real_servers, drain_timeout: None }))
        })
    }

    /// Carries out operations in their order. One that the kernel refuses does not stop the others. What is
    /// there already when it is to be added, or gone when it is to be removed, is no failure for set entries
    /// and addresses; for virtual servers and real servers the kernel's word is given as it is.
    fn apply(&mut self, operations: &[Operation]) -> Applied;

    /// The real servers of a virtual server with their connections; empty if there is no such virtual server.
    ///
    /// # Errors
    /// If they cannot be read completely.
    fn real_servers(&mut self, key: &VirtualServerKey) -> Result<Vec<RealServerLoad>, Error>;

    /// The addresses of this machine on interfaces other than `kube-ipvs0`, without loopback addresses.
    ///
    /// # Errors
    /// If they cannot be read completely.
    fn host_addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error>;

    /// Makes conntrack forget stale flows, and says how many there were. Each virtual server is one of UDP.
    ///
    /// # Errors
    /// If the flows cannot be read or deleted; some may be left then.
    fn forget_flows(&mut self, stale: &BTreeMap<VirtualServerKey, Stale>) -> Result<usize, Error>;

    /// What runs `iptables-save` or `ip6tables-save` and gives what it prints, on whatever thread it is called.
    /// It fails if the program cannot be run or fails.
    fn rules_reader(&mut self, family: Family) -> RulesReader;

    /// What `iptables-save` or `ip6tables-save` prints.
    ///
    /// # Errors
    /// If the program cannot be run or fails.
    fn saved_rules(&mut self, family: Family) -> Result<String, Error> {
        self.rules_reader(family)()
    }

    /// Feeds `input` to `iptables-restore --noflush` or its IPv6 twin.
    ///
    /// # Errors
    /// If the program cannot be run or refuses the input.
    fn restore_rules(&mut self, family: Family, input: &str) -> Result<(), Error>;

    /// The families of which nftables has a table of kube-proxy's, from its mode nftables.
    ///
    /// # Errors
    /// If the tables cannot be listed.
    fn nftables(&mut self) -> Result<Vec<Family>, Error>;

    /// Deletes kube-proxy's table of nftables for `family`.
    ///
    /// # Errors
    /// If the kernel refuses.
    fn delete_nftables(&mut self, family: Family) -> Result<(), Error>;

    /// The value of the sysctl `name` (with slashes: `net/ipv4/ip_forward`); none if it cannot be read, most often
    /// because the kernel has no such sysctl. Setting it tells why.
    fn sysctl(&mut self, name: &str) -> Option<String>;

    /// Whether this process may set the sysctl `name`.
    fn may_set_sysctl(&mut self, name: &str) -> bool;

    /// Sets the sysctl `name`.
    ///
    /// # Errors
    /// If it cannot be written.
    fn set_sysctl(&mut self, name: &str, value: &str) -> Result<(), Error>;

    /// The IPVS connection timeouts.
    ///
    /// # Errors
    /// If they cannot be read.
    fn timeouts(&mut self) -> Result<Timeouts, Error>;

    /// Sets the IPVS connection timeouts; one that is 0 stays as it is.
    ///
    /// # Errors
    /// If the kernel refuses them.
    fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), Error>;

    /// How many netlink messages were sent so far.
    fn sent_messages(&self) -> SentMessages;
}

/// Netlink messages, by the part of the kernel that they went to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentMessages {
    /// IPVS.
    pub ipvs: u64,
    /// The sets.
    pub ipset: u64,
    /// Links, addresses and routes.
    pub route: u64,
    /// Connection tracking.
    pub conntrack: u64,
}

/// Reads the rules of a family once.
pub type RulesReader = Box<dyn FnOnce() -> Result<String, Error> + Send>;

/// The virtual servers of a kernel, without their real servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualServers {
    /// Those that are told by address, port and a protocol that Services have.
    pub configs: Vec<(VirtualServerKey, VirtualServerConfig)>,
    /// The others: told by firewall mark, mostly, and always foreign.
    pub firewall_marks: usize,
}

/// What is not as it should be of what everything else stands in.
#[derive(Debug, Default)]
pub struct Shortfall {
    /// What can be created.
    pub missing: Vec<Missing>,
    /// For each thing that is there in another form, [`Error::ForeignInterface`] or [`Error::SetMismatch`]. Somebody
    /// has to take it away.
    pub misfits: Vec<Error>,
}

/// What everything else stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The interface `kube-ipvs0`.
    Interface,
    /// A set.
    Set(SetId),
}

/// Something that happened to interfaces and their addresses, by us or by somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// `kube-ipvs0` was deleted, or lost the last of its IPv4 addresses, with which the kernel drops all routes to it
    /// without a word.
    InterfaceGone,
    /// An address was taken from it, or a local route to it.
    AddressGone(IpAddr),
    /// An address came to another interface, was told of again, or went from it.
    HostAddress {
        /// The address.
        address: IpAddr,
        /// Whether it is there now. One that went may still be on a further interface.
        present: bool,
    },
    /// More happened than could be noticed.
    Missed(netlink::Error),
}

/// What a kernel holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Virtual servers, set entries and addresses, foreign ones included.
    pub state: State,
    /// Virtual servers that are told by firewall mark: always foreign.
    pub firewall_marks: usize,
}

/// What became of some operations.
#[derive(Debug, Default)]
pub struct Applied {
    /// Those that the kernel refused.
    pub failures: Vec<Failure>,
    /// Errors after which it is unknown which operations took effect.
    pub unknown: Vec<Error>,
}

/// An operation that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The operation.
    pub operation: Operation,
    /// The kernel's error number.
    pub errno: Errno,
    /// The kernel's own words, if it gave any.
    pub message: Option<String>,
}

/// A real server and what still depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealServerLoad {
    /// The real server.
    pub server: RealServer,
    /// Its connections, established and ending ones.
    pub connections: u64,
}

/// The part of a kernel that an operation is sent to. Operations on one part that follow each other go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The sets.
    Sets,
    /// IPVS.
    Ipvs,
    /// The addresses of `kube-ipvs0`.
    Addresses,
}

/// Reads everything but real servers, of which `complete` knows.
pub(crate) fn observe_with<K: Kernel + ?Sized>(
    kernel: &mut K,
    families: &[Family],
    mut complete: impl FnMut(&mut K, &VirtualServerKey, VirtualServerConfig) -> Result<Arc<VirtualServer>, Error>,
) -> Result<Observed, Error> {
    let VirtualServers { configs, firewall_marks } = kernel.virtual_servers()?;
    let mut state = State::default();
    for (key, config) in configs {
        let server = complete(kernel, &key, config)?;
        state.virtual_servers.insert(key, server);
    }
    for set in families.iter().copied().flat_map(SetId::all) {
        state.members.extend(kernel.set_entries(set)?.into_iter().map(|entry| Member { set, entry }));
    }
    state.addresses = kernel.addresses()?;
    Ok(Observed { state, firewall_marks })
}

/// What becomes of `found` when `wanted` is set.
pub(crate) fn timeouts_after(wanted: Timeouts, found: Timeouts) -> Timeouts {
    let after = |wanted, found| if wanted == 0 { found } else { wanted };
    Timeouts {
        tcp: after(wanted.tcp, found.tcp),
        tcp_fin: after(wanted.tcp_fin, found.tcp_fin),
        udp: after(wanted.udp, found.udp),
    }
}

/// Real servers as a plan orders them.
pub(crate) fn in_order(loads: Vec<RealServerLoad>) -> Vec<RealServer> {
    let mut real_servers: Vec<RealServer> = loads.into_iter().map(|load| load.server).collect();
    real_servers.sort_by_key(RealServer::key);
    real_servers
}

// === impl Part ===

impl Part {
    /// Where `operation` is sent to.
    pub(crate) fn of(operation: &Operation) -> Self {
        match operation.element() {
            Element::SetEntry => Part::Sets,
            Element::VirtualServer | Element::RealServer => Part::Ipvs,
            Element::Address => Part::Addresses,
        }
    }
}

// === impl Missing ===

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Interface => write!(f, "interface {INTERFACE}"),
            Missing::Set(set) => write!(f, "set {set}"),
        }
    }
}

// === impl Failure ===

impl Failure {
    /// The virtual server that it leaves without existence or with the wrong attributes.
    pub(crate) fn refused_virtual_server(&self) -> Option<VirtualServerKey> {
        match self.operation {
            Operation::AddVirtualServer(key, _) | Operation::SetVirtualServer(key, _) => Some(key),
            _ => None,
        }
    }

    /// The virtual server that it leaves without existence.
    pub(crate) fn missing_virtual_server(&self) -> Option<VirtualServerKey> {
        match self.operation {
            Operation::AddVirtualServer(key, _) => Some(key),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.operation, self.errno)?;
        match &self.message {
            Some(message) => write!(f, " ({message})"),
            None => Ok(()),
        }
    }
}
