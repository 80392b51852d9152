//! The steps of the demo.

mod balancing;
mod changes;
mod outside;
mod programmed;
mod sources;

pub(super) use balancing::{
    least_connections, maglev_hashing, other_protocols, round_robin, source_hashing, weighted,
};
pub(super) use changes::{pod_goes_away, scale_up};
pub(super) use outside::outside;
pub(super) use programmed::programmed;
pub(super) use sources::sources;

/// How many requests a step sends.
const REQUESTS: usize = 300;

/// How many of them are under way at once, where that does not matter.
const AT_ONCE: usize = 4;
