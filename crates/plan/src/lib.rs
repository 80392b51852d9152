//! What should be in the kernel: from one Service, its endpoints, the node and the options to virtual
//! servers, set entries, addresses and rules; from two states to ordered operations; and from a state to
//! the text that `ipvsadm -Sn`, `ipset save`, `ip addr` and `iptables-save` print.
//!
//! Everything here is a pure function. Nothing fails: what a Service asks for and cannot have becomes a
//! warning, and the rest is planned.

pub mod desired;
pub mod difference;
pub mod node_ports;
pub mod options;
pub mod ownership;
pub mod planner;
pub mod print;
pub mod rules;
pub mod scheduler;
pub mod scheduling;
pub mod service_plan;
pub mod set;
pub mod state;
pub mod virtual_server;

pub use desired::{Conflict, Contribution, Counts, Desired, Replaced, Step};
pub use difference::{Difference, Element, Operation, Phase, difference};
pub use options::{LocalDetector, LocalPolicy, NodePortAddresses, Options};
pub use planner::{Planner, Update};
pub use scheduler::{SCHEDULER_FLAG_BITS, Scheduler, SchedulerFlag};
pub use service_plan::{HealthCheck, Policy, Reason, ServicePlan, Warning, plan_service};
pub use set::{Entry, HASH_SIZE, Member, SetId, SetName, SetType};
pub use state::State;
pub use virtual_server::{RealServer, RealServerKey, VirtualServer, VirtualServerConfig, VirtualServerKey};

/// The dummy interface that carries the service addresses.
pub const INTERFACE: &str = "kube-ipvs0";

#[cfg(test)]
mod testing;
