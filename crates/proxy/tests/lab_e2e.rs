//! kube-ipvs on the nodes of a lab cluster: real packets, and what operators' tools find in the kernel.
//!
//! Each test has a cluster of its own, so they run side by side. Waiting has a limit, which is there to end a test that
//! would hang; no test measures time.

#[cfg(test)]
mod support {
    pub(crate) mod kernel;
    pub(crate) mod manifests;
    pub(crate) mod testbed;
    pub(crate) mod trace;
}

#[cfg(test)]
mod lab_e2e {
    mod commands;
    mod cost;
    mod endpoints;
    mod folder;
    mod repair;
    mod restart;
    mod schedulers;
    mod takeover;
    mod traffic;
}
