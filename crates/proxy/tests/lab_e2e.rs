//! kube-ipvs on the nodes of a lab cluster: real packets, and what operators' tools find in the kernel.
//!
//! Each test has a cluster of its own, so they run side by side. Waiting has a limit, which is there to end a test that
//! would hang; no test measures time.
#![cfg(test)]

#[path = "lab_e2e/api_server.rs"]
mod api_server;
#[path = "lab_e2e/cleanup.rs"]
mod cleanup;
#[path = "lab_e2e/commands.rs"]
mod commands;
#[path = "lab_e2e/configuration.rs"]
mod configuration;
#[path = "lab_e2e/cost.rs"]
mod cost;
#[path = "lab_e2e/endpoints.rs"]
mod endpoints;
#[path = "lab_e2e/folder.rs"]
mod folder;
#[path = "lab_e2e/outside.rs"]
mod outside;
#[path = "lab_e2e/own_node.rs"]
mod own_node;
#[path = "lab_e2e/repair.rs"]
mod repair;
#[path = "lab_e2e/reports.rs"]
mod reports;
#[path = "lab_e2e/restart.rs"]
mod restart;
#[path = "lab_e2e/routed_addresses.rs"]
mod routed_addresses;
#[path = "lab_e2e/schedulers.rs"]
mod schedulers;
#[path = "lab_e2e/start.rs"]
mod start;
#[path = "support/support.rs"]
mod support;
#[path = "lab_e2e/takeover.rs"]
mod takeover;
#[path = "lab_e2e/traffic.rs"]
mod traffic;
