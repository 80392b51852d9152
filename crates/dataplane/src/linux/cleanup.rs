//! Removing everything that Kubernetes proxies have put into a network namespace, ours and kube-proxy's of any mode
//! and of both families, whether or not all of it is still there; and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use model::Family;
use netlink::Errno;
use netlink::ipset::{self, Ipset};
use netlink::ipvs::{self, Ipvs};
use plan::ownership::{Claimed, claim_remains};
use plan::rules::leftovers;
use plan::{INTERFACE, Member, Operation, Options, SetId, State, VirtualServer, VirtualServerKey};

use crate::Error;

use super::interface::Interface;
use super::programs::{self, Variant};
use super::{convert, nftables, sets};

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
    options: &'a Options,
    acts: bool,
    tell: &'a mut dyn FnMut(Finding),
}

/// What of a proxy's the kernel holds besides rules.
struct Remains {
    claimed: Claimed,
    sets: BTreeSet<SetId>,
    has_interface: bool,
}

/// Looks for everything of a proxy's, tells of each thing, and removes it if it `acts`. Of `options`, the networks
/// whose virtual servers are never removed count. What fails does not stop the rest.
pub fn clean_up(options: &Options, acts: bool, tell: &mut dyn FnMut(Finding)) {
    let mut cleanup = Cleanup { options, acts, tell };
    // Looked at before anything goes, since each tells whose the others are.
    let remains = cleanup.look();
    for family in Family::ALL {
        cleanup.rules(family);
    }
    cleanup.tables();
    match remains {
        Ok((remains, mut interface)) => {
            cleanup.virtual_servers(&remains.claimed);
            cleanup.interface(&remains, &mut interface);
            cleanup.sets(&remains.sets);
        }
        Err(error) => cleanup.failed(&error),
    }
}

// === impl Cleanup ===

impl Cleanup<'_> {
    fn look(&mut self) -> Result<(Remains, Interface), Error> {
        let mut interface = Interface::open(0)?;
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
        if let Some(mut ipset) = open_ipset()? {
            sets = sets::headers(&mut ipset)?.into_keys().collect();
            for set in sets.iter().copied() {
                let entries = sets::entries(&mut ipset, set)?;
                state.members.extend(entries.into_iter().map(|entry| Member { set, entry }));
            }
        }
        state.virtual_servers = virtual_servers()?;
        let options = Options {
            exclude_cidrs: self.options.exclude_cidrs.clone(),
            host_addresses: interface.addresses_of_others()?,
            ..Options::default()
        };
        let claimed = claim_remains(state, &sets, &options);
        Ok((Remains { claimed, sets, has_interface }, interface))
    }

    /// The rules in both implementations of iptables, as far as they are installed.
    fn rules(&mut self, family: Family) {
        let mut seen: Vec<leftovers::Removal> = Vec::new();
        for variant in [Variant::Chosen, Variant::Legacy, Variant::Nft] {
            let saved = match programs::save_by(variant, family) {
                Ok(saved) => saved,
                Err(Error::Program { .. }) if variant != Variant::Chosen => continue,
                Err(_) if family == Family::V6 && !super::has_ipv6() => return,
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
        match if self.acts { programs::restore_by(variant, family, &removal.input) } else { Ok(()) } {
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
                    self.conclude(what, |acts| if acts { nftables::delete(family) } else { Ok(()) });
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn virtual_servers(&mut self, claimed: &Claimed) {
        for key in &claimed.foreign_virtual_servers {
            (self.tell)(Finding::Left(format!("virtual server {key}, which is not a Kubernetes proxy's")));
        }
        let keys: Vec<&VirtualServerKey> = claimed.state.virtual_servers.keys().collect();
        if !self.acts || keys.is_empty() {
            keys.iter().for_each(|key| (self.tell)(Finding::Removed(format!("virtual server {key}"))));
            return;
        }
        let requests: Vec<ipvs::Request> =
            keys.iter().map(|key| ipvs::Request::DeleteVirtualServer(convert::id(key))).collect();
        let outcomes = Ipvs::open().and_then(|mut ipvs| ipvs.apply(&requests));
        match outcomes.map_err(Error::netlink("removing virtual servers")) {
            Ok(outcomes) => {
                for (key, outcome) in keys.iter().zip(outcomes) {
                    let what = format!("virtual server {key}");
                    (self.tell)(match outcome {
                        Err(refused) if refused.errno != Errno::ESRCH => failed(&what, &refused),
                        _ => Finding::Removed(what),
                    });
                }
            }
            Err(error) => self.failed(&error),
        }
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
            return self.conclude(what, |acts| if acts { interface.delete() } else { Ok(()) });
        }
        let named: Vec<String> = foreign.iter().map(ToString::to_string).collect();
        let named = named.join(", ");
        (self.tell)(Finding::Left(format!("interface {INTERFACE}, since no proxy put {named} there")));
        let operations: Vec<Operation> = addresses.iter().copied().map(Operation::UnbindAddress).collect();
        let outcomes =
            if self.acts { interface.apply(&operations) } else { Ok(vec![Ok(()); operations.len()]) };
        match outcomes {
            Ok(outcomes) => {
                for (address, outcome) in addresses.iter().zip(outcomes) {
                    let what = format!("address {address} on {INTERFACE}");
                    (self.tell)(match outcome {
                        Ok(()) => Finding::Removed(what),
                        Err(refused) => failed(&what, &refused),
                    });
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn sets(&mut self, sets: &BTreeSet<SetId>) {
        let mut left: Vec<SetId> = sets.iter().copied().collect();
        for attempt in 1..=TRIES {
            let outcomes = if self.acts { destroy(&left) } else { Ok(vec![Ok(()); left.len()]) };
            let outcomes = match outcomes {
                Ok(outcomes) => outcomes,
                Err(error) => return self.failed(&error),
            };
            let mut busy = Vec::new();
            for (set, outcome) in left.iter().zip(outcomes) {
                let what = format!("set {set}");
                match outcome {
                    Err(refused) if refused.errno == Errno::IPSET_BUSY && attempt < TRIES => busy.push(*set),
                    Err(refused) if refused.errno != Errno::ENOENT => (self.tell)(failed(&what, &refused)),
                    _ => (self.tell)(Finding::Removed(what)),
                }
            }
            if busy.is_empty() {
                return;
            }
            left = busy;
            thread::sleep(PAUSE);
        }
    }

    fn conclude(&mut self, what: String, remove: impl FnOnce(bool) -> Result<(), Error>) {
        match remove(self.acts) {
            Ok(()) => (self.tell)(Finding::Removed(what)),
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &Error) {
        (self.tell)(Finding::Failed(error.to_string()));
    }
}

fn failed(what: &str, refused: &netlink::Refused) -> Finding {
    Finding::Failed(format!("{what} cannot be removed: {refused}"))
}

/// None if the kernel has no sets.
fn open_ipset() -> Result<Option<Ipset>, Error> {
    match Ipset::open() {
        Ok(ipset) => Ok(Some(ipset)),
        Err(netlink::Error::Kernel { errno: Errno::EINVAL, .. }) => Ok(None),
        Err(source) => Err(Error::Netlink { what: "opening ipset", source }),
    }
}

fn destroy(sets: &[SetId]) -> Result<Vec<netlink::Outcome>, Error> {
    let Some(mut ipset) = open_ipset()? else { return Ok(Vec::new()) };
    let requests: Vec<ipset::Request> =
        sets.iter().map(|set| ipset::Request::Destroy(set.to_string())).collect();
    ipset.apply(&requests).map_err(Error::netlink("removing sets"))
}

/// The virtual servers, without their real servers. Where IPVS is not loaded there are none, and it stays so.
fn virtual_servers() -> Result<BTreeMap<VirtualServerKey, Arc<VirtualServer>>, Error> {
    if !Path::new("/proc/thread-self/net/ip_vs").exists() {
        return Ok(BTreeMap::new());
    }
    let listed = Ipvs::open().and_then(|mut ipvs| ipvs.virtual_servers());
    let listed = listed.map_err(Error::netlink("listing virtual servers"))?;
    let known = listed.iter().filter_map(|server| Some((convert::key(&server.id)?, server)));
    let bare = known.map(|(key, server)| {
        let config = convert::observed_config(server);
        (key, Arc::new(VirtualServer { config, real_servers: Vec::new(), drain_timeout: None }))
    });
    Ok(bare.collect())
}
