//! The balancing algorithms of IPVS and their flags.

use std::fmt;
use std::str::FromStr;

/// A scheduler module of the kernel, by the name that it registers (`ip_vs_<name>`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheduler {
    /// Round robin.
    #[default]
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections.
    Wlc,
    /// Locality-based least connections.
    Lblc,
    /// Locality-based least connections with replication.
    Lblcr,
    /// Destination hashing.
    Dh,
    /// Source hashing.
    Sh,
    /// Maglev hashing.
    Mh,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// Weighted fail-over: the heaviest available server.
    Fo,
    /// Weighted overflow.
    Ovf,
    /// The less loaded of two that are drawn by weight (Linux 5.13).
    Twos,
}

/// A name that is no scheduler of IPVS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownScheduler(String);

/// A flag of a scheduler: its name as `ipvsadm` writes it, the scheduler it belongs to, and its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerFlag {
    /// `sh-port`, `sh-fallback`, `mh-port` or `mh-fallback`.
    pub name: &'static str,
    /// The only scheduler that knows the flag.
    pub scheduler: Scheduler,
    /// The bit in the virtual server's flags.
    pub bit: u32,
}

/// `IP_VS_SVC_F_SCHED1`: fall back to another server when the chosen one is unavailable.
const FALLBACK: u32 = 0x08;
/// `IP_VS_SVC_F_SCHED2`: include the source port in the hash.
const PORT: u32 = 0x10;

/// Every bit that belongs to schedulers.
pub const SCHEDULER_FLAG_BITS: u32 = 0x38;

// === impl Scheduler ===

impl Scheduler {
    /// Every scheduler.
    pub const ALL: [Scheduler; 14] = [
        Scheduler::Rr,
        Scheduler::Wrr,
        Scheduler::Lc,
        Scheduler::Wlc,
        Scheduler::Lblc,
        Scheduler::Lblcr,
        Scheduler::Dh,
        Scheduler::Sh,
        Scheduler::Mh,
        Scheduler::Sed,
        Scheduler::Nq,
        Scheduler::Fo,
        Scheduler::Ovf,
        Scheduler::Twos,
    ];

    /// The name that IPVS and its tools use.
    pub fn name(self) -> &'static str {
        match self {
            Scheduler::Rr => "rr",
            Scheduler::Wrr => "wrr",
            Scheduler::Lc => "lc",
            Scheduler::Wlc => "wlc",
            Scheduler::Lblc => "lblc",
            Scheduler::Lblcr => "lblcr",
            Scheduler::Dh => "dh",
            Scheduler::Sh => "sh",
            Scheduler::Mh => "mh",
            Scheduler::Sed => "sed",
            Scheduler::Nq => "nq",
            Scheduler::Fo => "fo",
            Scheduler::Ovf => "ovf",
            Scheduler::Twos => "twos",
        }
    }

    /// The flags of a Service that asks for none. As in kube-proxy, `mh` hashes the source port as well, so
    /// that the connections of one client spread.
    pub fn default_flags(self) -> u32 {
        if self == Scheduler::Mh { PORT } else { 0 }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scheduler {
    type Err = UnknownScheduler;

    fn from_str(name: &str) -> Result<Self, UnknownScheduler> {
        let known = Scheduler::ALL.into_iter().find(|known| known.name() == name);
        known.ok_or_else(|| UnknownScheduler(name.to_owned()))
    }
}

// === impl UnknownScheduler ===

impl fmt::Display for UnknownScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Scheduler::ALL.map(Scheduler::name);
        write!(f, "{:?} is no scheduler of IPVS; use one of {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownScheduler {}

// === impl SchedulerFlag ===

impl SchedulerFlag {
    /// Every flag that a scheduler knows.
    pub const ALL: [SchedulerFlag; 4] = [
        SchedulerFlag { name: "sh-fallback", scheduler: Scheduler::Sh, bit: FALLBACK },
        SchedulerFlag { name: "sh-port", scheduler: Scheduler::Sh, bit: PORT },
        SchedulerFlag { name: "mh-fallback", scheduler: Scheduler::Mh, bit: FALLBACK },
        SchedulerFlag { name: "mh-port", scheduler: Scheduler::Mh, bit: PORT },
    ];

    /// The flag called `name`.
    pub fn by_name(name: &str) -> Option<SchedulerFlag> {
        SchedulerFlag::ALL.into_iter().find(|flag| flag.name == name)
    }
}
