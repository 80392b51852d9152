//! Netlink as kube-ipvs needs it: virtual servers (IPVS), sets (ipset), tracked flows (ctnetlink), links and
//! addresses (rtnetlink), and tables of nftables to be deleted.
//!
//! Every handle is one blocking socket. **It belongs to the network namespace that the calling thread is in
//! when it opens the handle**, and stays there when the thread moves on; namespaces belong to threads.
//!
//! Changes go through `apply`, and deletions of flows through `delete`: many requests in one send, one [`Outcome`]
//! for each. A request that the kernel refuses concerns that request alone. An [`Error`] concerns the call: after
//! one from such a call it is unknown which requests took effect, and the state has to be read again; the handle
//! itself stays usable.
//!
//! Names of attributes and commands in the code are the kernel's (`include/uapi/linux`).

mod attribute;
mod connection;
pub mod conntrack;
mod errno;
mod error;
mod generic;
pub mod ipset;
pub mod ipvs;
mod message;
mod netfilter;
pub mod nftables;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod robustness_tests;
pub mod route;
mod socket;

pub use self::{
    errno::Errno,
    error::{Error, Outcome, Refused, Traffic},
};
