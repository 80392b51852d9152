//! What a start does to the process and the node before anything is watched, and `--init-only`, which ends there.

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use ::config::Configuration;
use anyhow::bail;
use dataplane::linux::{Linux, Machine, Tables, usability};
use dataplane::{Dataplane, Error, Kernel as _};
use model::Family;
use tracing::{error, info, warn};

use super::run::{families, wanted_options};
use crate::config;

/// Sees to it that the kernel can do what is needed here, as far as this process may.
///
/// # Errors
/// If it cannot.
pub(crate) fn prepare(configuration: &Configuration) -> anyhow::Result<()> {
    spare_from_oom_killer(configuration.oom_score_adj);
    usability::load_conntrack();
    usability::check(config::scheduler(configuration))?;
    Ok(())
}

/// Creates what everything else stands in, as far as it is missing. What is there in another form is no matter of the
/// start: it is told of like any other step that fails.
///
/// # Errors
/// If the kernel lacks the interface's or a set's kind.
pub(crate) fn lay_foundations(kernel: &mut Linux, families: &BTreeSet<Family>) -> anyhow::Result<()> {
    let families: Vec<Family> = families.iter().copied().collect();
    match kernel.shortfall(&families).and_then(|shortfall| kernel.create(&shortfall.missing)) {
        Err(error @ (Error::NoDummy { .. } | Error::SetCreation { .. })) => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Does everything that a later run with CAP_NET_ADMIN and CAP_NET_RAW alone could not: modules, the tables of
/// iptables, and settings of the kernel.
pub(crate) fn init_only(configuration: &Configuration) -> anyhow::Result<ExitCode> {
    prepare(configuration)?;
    // In the older implementation of iptables this loads the modules of the tables.
    let options = wanted_options(configuration, families(Tables::Needed)?.0);
    let mut kernel = Linux::open()?;
    lay_foundations(&mut kernel, &options.families)?;
    let settings = config::settings(configuration, &Machine::observe());
    let report = Dataplane::new(kernel, settings).initialise();
    for step in &report.repaired {
        info!(%step, "done");
    }
    for limitation in &report.limitations {
        warn!(%limitation, "left as it is");
    }
    for error in &report.errors {
        error!(%error, "step failed");
    }
    if !report.errors.is_empty() {
        bail!("the node is not initialised; see the lines before this one");
    }
    info!("the node is initialised; from now on CAP_NET_ADMIN and CAP_NET_RAW are enough");
    Ok(ExitCode::SUCCESS)
}

/// Sets the process's `oom_score_adj`, -1000 to 1000. Without it everything works until memory is short.
fn spare_from_oom_killer(score: i32) {
    const FILE: &str = "/proc/self/oom_score_adj";
    let found = fs::read_to_string(FILE).unwrap_or_default();
    if found.trim().parse() == Ok(score) {
        return;
    }
    if let Err(error) = fs::write(FILE, score.to_string()) {
        info!(%error, found = found.trim(), wanted = score, "oomScoreAdj is left as it is; to lower it takes CAP_SYS_RESOURCE");
    }
}
