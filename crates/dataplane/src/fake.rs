//! A kernel in memory, with the real one's semantics: what it refuses, and with which error number.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Family, PerFamily};
use netlink::Errno;
use netlink::ipvs::Timeouts;
use plan::{
    Entry, Member, Operation, RealServer, RealServerKey, Scheduler, SetId, State, VirtualServer,
    VirtualServerKey,
};

use crate::Error;
use crate::flows::Stale;
use crate::kernel::{
    Applied, Failure, Kernel, Missing, Part, RealServerLoad, RulesReader, SentMessages, Shortfall,
    VirtualServers, timeouts_after,
};

use self::rules::SavedRules;

/// The kernel of one node.
#[derive(Debug, Default)]
pub struct FakeKernel {
    /// Whether `kube-ipvs0` exists.
    pub interface: bool,
    /// The sets that exist.
    pub sets: BTreeSet<SetId>,
    /// Sets of others by our names.
    pub foreign_sets: BTreeSet<SetId>,
    /// The IPVS table, the set entries, and the addresses of `kube-ipvs0`.
    pub state: State,
    /// Connections of real servers; none where nothing is said.
    pub connections: BTreeMap<(VirtualServerKey, RealServerKey), u64>,
    /// Schedulers whose module this kernel does not have.
    pub missing_schedulers: BTreeSet<Scheduler>,
    /// Operations to refuse, by their text, each as often as it stands here.
    pub refusals: Vec<(String, Errno)>,
    /// How many of the next calls of [`Kernel::apply`] lose their replies after they took effect.
    pub lost_replies: u32,
    /// The parts to which nothing can be sent, each for as many groups of operations as it stands here.
    pub unreachable: Vec<Part>,
    /// How many of the next reads of virtual servers, set entries and addresses of `kube-ipvs0` fail.
    pub failing_reads: u32,
    /// The addresses of other interfaces.
    pub host_addresses: BTreeSet<IpAddr>,
    /// The UDP flows that conntrack remembers: what each was sent to, and where it leads.
    pub flows: BTreeSet<(VirtualServerKey, RealServerKey)>,
    /// How the next calls of [`Kernel::forget_flows`] fail, first to last; empty if they do not.
    pub flow_errors: Vec<Error>,
    /// Whether the addresses of other interfaces cannot be read.
    pub unreadable_addresses: bool,
    /// Every operation that was carried out.
    pub log: Vec<String>,
    /// The sysctls that exist.
    pub sysctls: BTreeMap<String, String>,
    /// Whether sysctls can only be read.
    pub read_only_sysctls: bool,
    /// The IPVS timeouts.
    pub timeouts: Timeouts,
    /// A word of rules and how this kernel's `iptables-save` puts it.
    pub other_word: Option<(&'static str, &'static str)>,
    /// Inputs with rules to refuse, by their family and a part of their text, each as often as it stands here.
    pub refused_rules: Vec<(Family, &'static str)>,
    /// How often rules were written.
    pub restores: u32,
    /// The families of which nftables has a table of kube-proxy's.
    pub nftables: BTreeSet<Family>,
    rules: PerFamily<SavedRules>,
}

// === impl FakeKernel ===

impl FakeKernel {
    /// A kernel that nobody has used yet.
    pub fn new() -> Self {
        FakeKernel::default()
    }

    /// What was carried out since the last call, one operation a line.
    pub fn take_log(&mut self) -> String {
        std::mem::take(&mut self.log).iter().flat_map(|line| [line, "\n"]).collect()
    }

    /// Replaces the rules of `family` by what `iptables-save` would print.
    pub fn set_rules(&mut self, family: Family, saved: &str) {
        *self.rules.get_mut(family) = SavedRules::parse(saved);
    }

    fn read(&mut self, what: &'static str) -> Result<(), Error> {
        if self.failing_reads == 0 {
            return Ok(());
        }
        self.failing_reads -= 1;
        Err(lost_replies(what))
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<(), Errno> {
        if let Some(position) = self.refusals.iter().position(|(text, _)| *text == operation.to_string()) {
            return Err(self.refusals.remove(position).1);
        }
        match operation {
            Operation::AddMember(member) => self.with_set(member, |members| members.insert(*member)),
            Operation::RemoveMember(member) => self.with_set(member, |members| members.remove(member)),
            Operation::BindAddress(address) => self.with_interface(|addresses| addresses.insert(*address)),
            Operation::UnbindAddress(address) => self.with_interface(|addresses| addresses.remove(address)),
            Operation::AddVirtualServer(key, config) => {
                self.check_scheduler(config.scheduler)?;
                if self.state.virtual_servers.contains_key(key) {
                    return Err(Errno::EEXIST);
                }
                let server = VirtualServer { config: *config, real_servers: Vec::new(), drain_timeout: None };
                self.state.virtual_servers.insert(*key, Arc::new(server));
                Ok(())
            }
            Operation::SetVirtualServer(key, config) => {
                self.check_scheduler(config.scheduler)?;
                self.virtual_server(key)?.config = *config;
                Ok(())
            }
            Operation::RemoveVirtualServer(key) => {
                self.connections.retain(|(server, _), _| server != key);
                self.state.virtual_servers.remove(key).map(drop).ok_or(Errno::ESRCH)
            }
            Operation::AddRealServer(key, real) => add_real_server(self.virtual_server(key)?, *real),
            Operation::SetRealServer(key, real) => set_real_server(self.virtual_server(key)?, *real),
            Operation::RemoveRealServer(key, real, _) => {
                self.connections.remove(&(*key, real.key()));
                remove_real_server(self.virtual_server(key)?, real)
            }
        }
    }

    fn check_scheduler(&self, scheduler: Option<Scheduler>) -> Result<(), Errno> {
        match scheduler {
            Some(scheduler) if !self.missing_schedulers.contains(&scheduler) => Ok(()),
            _ => Err(Errno::ENOENT),
        }
    }

    fn virtual_server(&mut self, key: &VirtualServerKey) -> Result<&mut VirtualServer, Errno> {
        self.state.virtual_servers.get_mut(key).map(Arc::make_mut).ok_or(Errno::ESRCH)
    }

    fn with_set(
        &mut self,
        member: &Member,
        change: impl FnOnce(&mut BTreeSet<Member>) -> bool,
    ) -> Result<(), Errno> {
        if !self.sets.contains(&member.set) {
            return Err(Errno::ENOENT);
        }
        change(&mut self.state.members);
        Ok(())
    }

    fn with_interface(&mut self, change: impl FnOnce(&mut BTreeSet<IpAddr>) -> bool) -> Result<(), Errno> {
        if !self.interface {
            return Err(Errno::ENODEV);
        }
        change(&mut self.state.addresses);
        Ok(())
    }
}

impl Kernel for FakeKernel {
    fn shortfall(&mut self, families: &[Family]) -> Result<Shortfall, Error> {
        let sets = families.iter().copied().flat_map(SetId::all);
        let (misfits, fitting): (Vec<SetId>, Vec<SetId>) =
            sets.partition(|set| self.foreign_sets.contains(set));
        let missing = fitting.into_iter().filter(|set| !self.sets.contains(set)).map(Missing::Set);
        let interface = (!self.interface).then_some(Missing::Interface);
        let misfit = |set: SetId| Error::SetMismatch {
            name: set.to_string(),
            found: "hash:mac".to_owned(),
            wanted: set.name.set_type().to_string(),
        };
        Ok(Shortfall {
            missing: interface.into_iter().chain(missing).collect(),
            misfits: misfits.into_iter().map(misfit).collect(),
        })
    }

    fn create(&mut self, missing: &[Missing]) -> Result<(), Error> {
        for element in missing {
            match element {
                Missing::Interface => self.interface = true,
                Missing::Set(set) => {
                    self.sets.insert(*set);
                }
            }
            self.log.push(format!("create {element}"));
        }
        Ok(())
    }

    fn virtual_servers(&mut self) -> Result<VirtualServers, Error> {
        self.read("listing virtual servers")?;
        let servers = &self.state.virtual_servers;
        let configs = servers.iter().map(|(key, server)| (*key, server.config)).collect();
        Ok(VirtualServers { configs, firewall_marks: 0 })
    }

    fn set_entries(&mut self, set: SetId) -> Result<Vec<Entry>, Error> {
        self.read("listing a set")?;
        Ok(self.state.entries(set).copied().collect())
    }

    fn addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        self.read("listing addresses")?;
        Ok(self.state.addresses.clone())
    }

    fn apply(&mut self, operations: &[Operation]) -> Applied {
        let mut applied = Applied::default();
        for group in operations.chunk_by(|one, next| Part::of(one) == Part::of(next)) {
            let is_meant = |part: &Part| group.first().is_some_and(|first| Part::of(first) == *part);
            if let Some(position) = self.unreachable.iter().position(is_meant) {
                self.unreachable.remove(position);
                let source = netlink::Error::Send { what: "changing", errno: Errno::ENOBUFS };
                applied.unknown.push(Error::Netlink { what: "changing", source });
                continue;
            }
            for operation in group {
                match self.carry_out(operation) {
                    Ok(()) => self.log.push(operation.to_string()),
                    Err(errno) => {
                        let failure = Failure { operation: operation.clone(), errno, message: None };
                        applied.failures.push(failure);
                    }
                }
            }
        }
        if self.lost_replies > 0 {
            self.lost_replies -= 1;
            applied.unknown.push(lost_replies("changing IPVS"));
        }
        applied
    }

    fn real_servers(&mut self, key: &VirtualServerKey) -> Result<Vec<RealServerLoad>, Error> {
        let Some(server) = self.state.virtual_servers.get(key) else {
            return Ok(Vec::new());
        };
        let load = |real: &RealServer| {
            let connections = self.connections.get(&(*key, real.key())).copied().unwrap_or_default();
            RealServerLoad { server: *real, connections }
        };
        Ok(server.real_servers.iter().map(load).collect())
    }

    fn host_addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        if self.unreadable_addresses {
            return Err(lost_replies("listing addresses"));
        }
        Ok(self.host_addresses.clone())
    }

    fn forget_flows(&mut self, stale: &BTreeMap<VirtualServerKey, Stale>) -> Result<usize, Error> {
        if !self.flow_errors.is_empty() {
            return Err(self.flow_errors.remove(0));
        }
        let is_stale = |(key, place): &(VirtualServerKey, RealServerKey)| {
            stale.get(key).is_some_and(|stale| stale.matches(place))
        };
        let before = self.flows.len();
        self.flows.retain(|flow| !is_stale(flow));
        Ok(before - self.flows.len())
    }

    fn rules_reader(&mut self, family: Family) -> RulesReader {
        let saved = self.rules.get(family).to_string();
        let saved = match self.other_word {
            Some((word, other)) => saved.replace(word, other),
            None => saved,
        };
        Box::new(|| Ok(saved))
    }

    fn restore_rules(&mut self, family: Family, input: &str) -> Result<(), Error> {
        self.restores += 1;
        let is_refused = |(of, text): &(Family, &str)| *of == family && input.contains(text);
        let written = match self.refused_rules.iter().position(is_refused) {
            Some(position) => Err(format!("refused by a test: {}", self.refused_rules.remove(position).1)),
            None => self.rules.get_mut(family).restore(input),
        };
        written.map_err(|stderr| {
            let program = match family {
                Family::V4 => "iptables-restore",
                Family::V6 => "ip6tables-restore",
            };
            Error::ProgramFailed {
                program,
                restoring: Some(family),
                status: "exit status: 2".to_owned(),
                stderr,
            }
        })
    }

    fn nftables(&mut self) -> Result<Vec<Family>, Error> {
        Ok(self.nftables.iter().copied().collect())
    }

    fn delete_nftables(&mut self, family: Family) -> Result<(), Error> {
        self.nftables.remove(&family);
        self.log.push(format!("delete the {family} table of nftables"));
        Ok(())
    }

    fn sysctl(&mut self, name: &str) -> Option<String> {
        self.sysctls.get(name).cloned()
    }

    fn may_set_sysctl(&mut self, _name: &str) -> bool {
        !self.read_only_sysctls
    }

    fn set_sysctl(&mut self, name: &str, value: &str) -> Result<(), Error> {
        if self.read_only_sysctls {
            let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
            return Err(Error::Sysctl { path: name.into(), value: value.to_owned(), source });
        }
        self.sysctls.insert(name.to_owned(), value.to_owned());
        self.log.push(format!("set sysctl {name} to {value}"));
        Ok(())
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        Ok(self.timeouts)
    }

    fn sent_messages(&self) -> SentMessages {
        SentMessages::default()
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), Error> {
        self.timeouts = timeouts_after(timeouts, self.timeouts);
        let Timeouts { tcp, tcp_fin, udp } = timeouts;
        self.log.push(format!("set timeouts {tcp} {tcp_fin} {udp}"));
        Ok(())
    }
}

fn lost_replies(what: &'static str) -> Error {
    let source = netlink::Error::LostReplies { what, reason: "asked for by a test" };
    Error::Netlink { what, source }
}

fn add_real_server(server: &mut VirtualServer, real: RealServer) -> Result<(), Errno> {
    match server.real_servers.binary_search_by_key(&real.key(), RealServer::key) {
        Ok(_) => Err(Errno::EEXIST),
        Err(position) => {
            server.real_servers.insert(position, real);
            Ok(())
        }
    }
}

fn set_real_server(server: &mut VirtualServer, real: RealServer) -> Result<(), Errno> {
    let known = server.real_servers.iter_mut().find(|known| known.key() == real.key());
    known.map(|known| *known = real).ok_or(Errno::ENOENT)
}

fn remove_real_server(server: &mut VirtualServer, real: &RealServer) -> Result<(), Errno> {
    let before = server.real_servers.len();
    server.real_servers.retain(|known| known.key() != real.key());
    if server.real_servers.len() == before { Err(Errno::ENOENT) } else { Ok(()) }
}
