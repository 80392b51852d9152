//! From a plan to the kernel: what is observed, what is sent and in which order, what is drained, retried
//! and repaired.
//!
//! [`Kernel`] is the one door: [`linux::Linux`] is the real one, [`fake::FakeKernel`] has its semantics in
//! memory. [`Dataplane`] does everything that does not depend on which of them it is.

mod drain;
mod engine;
mod error;
pub mod fake;
pub mod flows;
mod kernel;
pub mod leftovers;
pub mod linux;
mod meter;
mod report;
pub mod sysctl;

pub use engine::{Dataplane, Progress, Settings, Target};
pub use error::{Error, ErrorKind, ModuleError};
pub use kernel::{
    Applied, Failure, Kernel, Missing, Observed, Part, RealServerLoad, RulesReader, SentMessages, Shortfall,
    Sighting, VirtualServers,
};
pub use meter::{Meter, Traffic};
pub use report::{Comparison, ConntrackLook, Differences, Foreign, Foundation, Repaired, Report, Tally};

pub use netlink::Errno;
pub use netlink::ipvs::Timeouts;
