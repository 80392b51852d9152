//! `--cleanup` and `kube-ipvs cleanup`: the node as it was before any Kubernetes proxy.

use std::process::ExitCode;

use config::Configuration;
use dataplane::linux::cleanup::{Finding, clean_up};
use dataplane::linux::usability;

use super::print;
use crate::flags::CleanupFlags;
use crate::logging;

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
