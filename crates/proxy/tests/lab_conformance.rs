//! What Kubernetes' own end-to-end tests ask of a service proxy, with the same steps and the same expectations, on a
//! cluster of three nodes.
//!
//! `docs/conformance.md` lists the upstream tests and which test here stands for each of them. The names here are
//! upstream's. Services have addresses of both families, and what is expected is expected of both.
#![cfg(test)]

#[path = "lab_conformance/scene.rs"]
mod scene;
#[path = "lab_conformance/services.rs"]
mod services;
#[path = "support/support.rs"]
#[allow(dead_code, reason = "other tests share it")]
mod support;
