//! What Kubernetes' own end-to-end tests ask of a service proxy, with the same steps and the same expectations, on a
//! cluster of three nodes.
//!
//! `docs/conformance.md` lists the upstream tests and which test here stands for each of them. The names here are
//! upstream's. Services have addresses of both families, and what is expected is expected of both.
#![cfg(test)]

#[path = "lab_conformance/caller.rs"]
mod caller;
#[path = "lab_conformance/conntrack.rs"]
mod conntrack;
#[path = "lab_conformance/distribution.rs"]
mod distribution;
#[path = "lab_conformance/dual_stack.rs"]
mod dual_stack;
#[path = "lab_conformance/load.rs"]
mod load;
#[path = "lab_conformance/load_balancers.rs"]
mod load_balancers;
#[path = "lab_conformance/manifests.rs"]
mod manifests;
#[path = "lab_conformance/networking.rs"]
mod networking;
#[path = "lab_conformance/policies.rs"]
mod policies;
#[path = "lab_conformance/rolling_update.rs"]
mod rolling_update;
#[path = "lab_conformance/scene.rs"]
mod scene;
#[path = "lab_conformance/services.rs"]
mod services;
#[path = "support/support.rs"]
#[allow(dead_code, reason = "lab_e2e uses the rest, and is compiled without this")]
mod support;
