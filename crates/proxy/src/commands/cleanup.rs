//! `--cleanup` and `kube-ipvs cleanup`: the node as it was before any Kubernetes proxy.

use std::fs;
use std::process::ExitCode;

use config::Configuration;
use dataplane::linux::cleanup::{Finding, clean_up};
use dataplane::linux::usability;
use tracing::warn;

use super::print;
use crate::flags::CleanupFlags;
use crate::logging;

/// What the processes of proxies are called.
const PROXIES: [&str; 2] = ["kube-ipvs", "kube-proxy"];

/// Runs the command.
pub(crate) fn cleanup(flags: &CleanupFlags) -> anyhow::Result<ExitCode> {
    logging::start_quiet();
    // What has no effect does not matter here.
    let configuration = flags.configuration.load_for_cleanup(&mut Vec::new())?;
    remove(&configuration, !flags.dry_run)
}

/// Removes everything of a proxy's, or only looks for it, and says so line by line. Fails if something could not be
/// removed or looked at, after all the rest is done.
pub(crate) fn remove(configuration: &Configuration, acts: bool) -> anyhow::Result<ExitCode> {
    usability::check_privileges()?;
    let running = running_proxies();
    if !running.is_empty() {
        warn!(
            proxies = running.join(", "),
            "a proxy runs on this node: Services stop until it has put back what is removed; stop it first"
        );
    }
    let mut printed = Ok(());
    let (mut removed, mut failed) = (0_usize, 0_usize);
    clean_up(&configuration.exclude_cidrs, acts, &mut |finding| {
        let line = match finding {
            Finding::Removed(what) => {
                removed += 1;
                format!("{}: {what}\n", if acts { "removed" } else { "would remove" })
            }
            Finding::Left(what) => format!("left alone: {what}\n"),
            Finding::Failed(why) => {
                failed += 1;
                format!("failed: {why}\n")
            }
        };
        if printed.is_ok() {
            printed = print(&line);
        }
    });
    printed?;
    if removed == 0 && failed == 0 {
        print("nothing to remove\n")?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The other proxies of this network namespace, by name and process.
fn running_proxies() -> Vec<String> {
    let own = fs::read_link("/proc/self/ns/net").ok();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let proxies = processes.filter_map(|process| {
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        let is_here = id != std::process::id() && fs::read_link(process.path().join("ns/net")).ok() == own;
        let is_proxy = PROXIES.contains(&name.trim());
        (is_proxy && is_here).then(|| format!("{} ({id})", name.trim()))
    });
    proxies.collect()
}
