//! Removing everything that Kubernetes proxies have put into a network namespace, ours and kube-proxy's of any mode
//! and of both families, whether or not all of it is still there; and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ipnet::IpNet;
use model::Family;
use netlink::ipset::{self, Ipset};
use netlink::ipvs::{self, Ipvs};
use netlink::{Errno, Outcome};
use plan::ownership::{Claimed, claim_remains};
use plan::rules::leftovers;
use plan::{INTERFACE, Member, Operation, Options, SetId, State, VirtualServer, VirtualServerKey};

use crate::Error;

use super::interface::Interface;
use super::programs::{self, Variant};
use super::{convert, nftables, sets, usability};

/// How often the removal of sets is tried that are still in use, and how long it waits in between: the kernel frees
/// the rules of nftables some time after they are gone.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// What became of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is a proxy's, and was removed; or would be, if asked only to look.
    Removed(String),
    /// It stays, since it is not a proxy's or somebody else needs it.
    Left(String),
    /// It could not be looked at or removed.
    Failed(String),
}

/// A clean-up on its way.
struct Cleanup<'a> {
    acts: bool,
    tell: &'a mut dyn FnMut(Finding),
}

/// Handles on what is reached without a program.
struct Handles {
    interface: Interface,
    /// None if the kernel has no sets.
    ipset: Option<Ipset>,
    /// None where IPVS is not loaded, and it stays so.
    ipvs: Option<Ipvs>,
}

/// What of a proxy's the kernel holds besides rules.
struct Remains {
    claimed: Claimed,
    sets: BTreeSet<SetId>,
    has_interface: bool,
}

/// Looks for everything of a proxy's, tells of each thing, and removes it if it `acts`; virtual servers in
/// `exclude_cidrs` are never removed. What fails does not stop the rest.
pub fn clean_up(exclude_cidrs: &[IpNet], acts: bool, tell: &mut dyn FnMut(Finding)) {
    let mut cleanup = Cleanup { acts, tell };
    // Looked at before anything goes, since each tells whose the others are.
    let found = Handles::open().and_then(|mut handles| {
        let remains = cleanup.look(&mut handles, exclude_cidrs)?;
        Ok((remains, handles))
    });
    for family in Family::ALL {
        cleanup.rules(family);
    }
    cleanup.tables();
    match found {
        Ok((remains, Handles { mut interface, ipset, ipvs })) => {
            if let Some(mut ipvs) = ipvs {
                cleanup.virtual_servers(&remains.claimed, &mut ipvs);
            }
            cleanup.interface(&remains, &mut interface);
            if let Some(mut ipset) = ipset {
                cleanup.sets(remains.sets.into_iter().collect(), &mut ipset);
            }
        }
        Err(error) => cleanup.failed(&error),
    }
}

// === impl Cleanup ===

impl Cleanup<'_> {
    fn look(&mut self, handles: &mut Handles, exclude_cidrs: &[IpNet]) -> Result<Remains, Error> {
        let Handles { interface, ipset, ipvs } = handles;
        let mut state = State::default();
        let has_interface = match interface.find() {
            Ok(found) => found,
            Err(error @ Error::ForeignInterface { .. }) => {
                (self.tell)(Finding::Left(error.to_string()));
                false
            }
            Err(error) => return Err(error),
        };
        if has_interface {
            state.addresses = interface.addresses()?;
        }
        let mut sets = BTreeSet::new();
        if let Some(ipset) = ipset {
            sets = sets::headers(ipset)?.into_keys().collect();
            for set in sets.iter().copied() {
                let entries = sets::entries(ipset, set)?;
                state.members.extend(entries.into_iter().map(|entry| Member { set, entry }));
            }
        }
        if let Some(ipvs) = ipvs {
            state.virtual_servers = virtual_servers(ipvs)?;
        }
        let options = Options {
            exclude_cidrs: exclude_cidrs.to_vec(),
            host_addresses: interface.addresses_of_others()?,
            ..Options::default()
        };
        let claimed = claim_remains(state, &sets, &options);
        Ok(Remains { claimed, sets, has_interface })
    }

    /// The rules in both implementations of iptables, as far as they are installed.
    fn rules(&mut self, family: Family) {
        let mut seen: Vec<leftovers::Removal> = Vec::new();
        for variant in [Variant::Chosen, Variant::Legacy, Variant::Nft] {
            let saved = match programs::save_by(variant, family) {
                Ok(saved) => saved,
                Err(Error::Program { .. }) if variant != Variant::Chosen => continue,
                Err(error) if variant == Variant::Nft && programs::lacks_nf_tables(&error) => continue,
                Err(_) if family == Family::V6 && !super::machine::has_ipv6() => return,
                Err(error) => {
                    self.failed(&error);
                    continue;
                }
            };
            let Some(mut removal) = leftovers::everything(&saved) else { continue };
            // The chosen one is one of the others.
            removal.kept.retain(|kept| !seen.iter().any(|before| before.kept.contains(kept)));
            if seen.iter().any(|before| before.input == removal.input) {
                continue;
            }
            self.remove_rules(variant, family, &removal);
            seen.push(removal);
        }
    }

    fn remove_rules(&mut self, variant: Variant, family: Family, removal: &leftovers::Removal) {
        for kept in &removal.kept {
            (self.tell)(Finding::Left(format!("{family}: {kept}")));
        }
        if removal.input.is_empty() {
            return;
        }
        match self.act((), || programs::restore_by(variant, family, &removal.input)) {
            Ok(()) => {
                for leftover in &removal.removed {
                    (self.tell)(Finding::Removed(format!("{family}: {leftover}")));
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn tables(&mut self) {
        match nftables::families() {
            Ok(families) => {
                for family in families {
                    let what = format!("{family}: nftables table {}", leftovers::NFTABLES_TABLE);
                    self.remove(what, || nftables::delete(family));
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn virtual_servers(&mut self, claimed: &Claimed, ipvs: &mut Ipvs) {
        for key in &claimed.foreign_virtual_servers {
            (self.tell)(Finding::Left(format!("virtual server {key}, which is not a Kubernetes proxy's")));
        }
        let keys: Vec<&VirtualServerKey> = claimed.state.virtual_servers.keys().collect();
        let requests: Vec<ipvs::Request> =
            keys.iter().map(|key| ipvs::Request::DeleteVirtualServer(convert::id(key))).collect();
        let names = keys.iter().map(|key| format!("virtual server {key}"));
        self.remove_each(names, || ipvs.apply(&requests).map_err(Error::netlink("removing virtual servers")));
    }

    /// The interface, or our addresses on it if there are others.
    fn interface(&mut self, remains: &Remains, interface: &mut Interface) {
        let addresses = &remains.claimed.state.addresses;
        let foreign = &remains.claimed.foreign_addresses;
        if !remains.has_interface {
            return;
        }
        if foreign.is_empty() {
            let what = format!("interface {INTERFACE} with {} service addresses", addresses.len());
            return self.remove(what, || interface.delete());
        }
        let named: Vec<String> = foreign.iter().map(ToString::to_string).collect();
        let named = named.join(", ");
        (self.tell)(Finding::Left(format!("interface {INTERFACE}, since no proxy put {named} there")));
        let operations: Vec<Operation> = addresses.iter().copied().map(Operation::UnbindAddress).collect();
        let names = addresses.iter().map(|address| format!("address {address} on {INTERFACE}"));
        self.remove_each(names, || interface.apply(&operations));
    }

    fn sets(&mut self, mut left: Vec<SetId>, ipset: &mut Ipset) {
        for attempt in 1..=TRIES {
            let outcomes = match self.act(vec![Ok(()); left.len()], || destroy(&left, ipset)) {
                Ok(outcomes) => outcomes,
                Err(error) => return self.failed(&error),
            };
            let mut busy = Vec::new();
            for (set, outcome) in left.iter().zip(outcomes) {
                match outcome {
                    Err(refused) if refused.errno == Errno::IPSET_BUSY && attempt < TRIES => busy.push(*set),
                    outcome => self.conclude(format!("set {set}"), outcome),
                }
            }
            if busy.is_empty() {
                return;
            }
            left = busy;
            thread::sleep(PAUSE);
        }
    }

    /// Removes one thing and tells of it.
    fn remove(&mut self, what: String, action: impl FnOnce() -> Result<(), Error>) {
        match self.act((), action) {
            Ok(()) => (self.tell)(Finding::Removed(what)),
            Err(error) => self.failed(&error),
        }
    }

    /// Removes several things, for each of which there is an outcome, and tells of each.
    fn remove_each(
        &mut self,
        names: impl ExactSizeIterator<Item = String>,
        action: impl FnOnce() -> Result<Vec<Outcome>, Error>,
    ) {
        match self.act(vec![Ok(()); names.len()], action) {
            Ok(outcomes) => names.zip(outcomes).for_each(|(what, outcome)| self.conclude(what, outcome)),
            Err(error) => self.failed(&error),
        }
    }

    /// Does it, or takes it for `done` if asked only to look.
    fn act<T>(&self, done: T, action: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if self.acts { action() } else { Ok(done) }
    }

    /// Tells what became of one thing. What somebody else has removed in the meantime is removed.
    fn conclude(&mut self, what: String, outcome: Outcome) {
        (self.tell)(match outcome {
            Err(refused) if ![Errno::ENOENT, Errno::ESRCH].contains(&refused.errno) => {
                Finding::Failed(format!("{what} cannot be removed: {refused}"))
            }
            _ => Finding::Removed(what),
        });
    }

    fn failed(&mut self, error: &Error) {
        (self.tell)(Finding::Failed(error.to_string()));
    }
}

// === impl Handles ===

impl Handles {
    fn open() -> Result<Self, Error> {
        let interface = Interface::open(0)?;
        let ipset = match Ipset::open() {
            Err(error) if usability::is_missing(&error) => None,
            opened => Some(opened.map_err(Error::netlink("opening ipset"))?),
        };
        let has_ipvs = Path::new("/proc/thread-self/net/ip_vs").exists();
        let ipvs = has_ipvs.then(Ipvs::open).transpose().map_err(Error::netlink("opening IPVS"))?;
        Ok(Handles { interface, ipset, ipvs })
    }
}

fn destroy(sets: &[SetId], ipset: &mut Ipset) -> Result<Vec<Outcome>, Error> {
    let requests: Vec<ipset::Request> =
        sets.iter().map(|set| ipset::Request::Destroy(set.to_string())).collect();
    ipset.apply(&requests).map_err(Error::netlink("removing sets"))
}

/// The virtual servers, without their real servers.
fn virtual_servers(ipvs: &mut Ipvs) -> Result<BTreeMap<VirtualServerKey, Arc<VirtualServer>>, Error> {
    let listed = ipvs.virtual_servers().map_err(Error::netlink("listing virtual servers"))?;
    let known = listed.iter().filter_map(|server| Some((convert::key(&server.id)?, server)));
    let bare = known.map(|(key, server)| {
        let config = convert::observed_config(server);
        (key, Arc::new(VirtualServer { config, real_servers: Vec::new(), drain_timeout: None }))
    });
    Ok(bare.collect())
}
