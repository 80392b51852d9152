//! Test equipment: a kernel with IPVS, a cluster of network namespaces on it, and what tests need to use both.
//!
//! * [`guest`] boots Debian's kernel under QEMU and runs a program of this machine in it.
//! * [`need`] is how a test says that it needs root or IPVS, so that a skipped test is counted.
//! * [`cluster`] builds nodes, pods and hosts outside out of [network namespaces](namespace).
//! * [`traffic`] has servers that name themselves and clients that say who answered, over TCP, UDP and SCTP.
//! * [`program`] runs the program under test on a node.
//! * [`apiserver`] is a small API server in this process, with faults on demand.
//! * [`count`] counts the instructions that something takes.
//! * [`packages`] knows which Debian packages hold the programs that the lab calls.
//!
//! Nothing here is used by the proxy itself.

pub mod apiserver;
pub mod cluster;
pub mod count;
mod error;
pub mod guest;
pub mod namespace;
pub mod need;
pub mod packages;
mod process;
pub mod program;
pub mod protobuf;
pub mod traffic;
pub mod wait;

pub use error::Error;
pub use need::{Need, kernel_has_ipvs, require};
