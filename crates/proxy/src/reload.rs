//! A changed configuration file takes effect without a restart where it can.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use ::config::{Configuration, Difference, Error, difference};
use anyhow::Context as _;
use dataplane::linux::Machine;
use model::Family;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::commands::run::wanted;
use crate::daemon::Reconfiguration;
use crate::flags::ConfigurationFlags;
use crate::logging::Verbosity;

/// Reads the file again when it changes.
pub(crate) struct Reload {
    pub(crate) flags: ConfigurationFlags,
    /// The families that this node serves.
    pub(crate) families: BTreeSet<Family>,
    pub(crate) machine: Machine,
    pub(crate) verbosity: Verbosity,
    /// What is in force.
    pub(crate) current: watch::Sender<Configuration>,
    /// What is to be done because of a change.
    pub(crate) outcomes: Outcomes,
    /// What the operator was told of the file; none before it is read for the first time, when the start has told
    /// everything.
    pub(crate) told: Option<BTreeSet<String>>,
}

/// Who acts upon a change.
pub(crate) struct Outcomes {
    pub(crate) apply: mpsc::Sender<Reconfiguration>,
    /// Ends the process, for its supervisor to start it again.
    pub(crate) restart: mpsc::Sender<()>,
}

// === impl Reload ===

impl Reload {
    /// Follows the file on a thread of its own.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn follow(mut self, path: &Path) -> anyhow::Result<()> {
        ::config::follow(path, move || self.changed()).context("cannot start a thread")
    }

    fn changed(&mut self) -> ControlFlow<()> {
        let mut warnings = Vec::new();
        let new = match self.load(&mut warnings) {
            Ok(new) => new,
            Err(error) => {
                warn!(%error, "the changed configuration file is not usable; what it held stays in force");
                return ControlFlow::Continue(());
            }
        };
        let difference = Difference::between(&self.current.borrow(), &new);
        if !difference.restart.is_empty() {
            let fields = difference::names(&difference.restart);
            info!(
                fields,
                "the configuration file changed in what takes a restart; ending, to be started again"
            );
            // Fails only if the process ends already.
            let _ = self.outcomes.restart.blocking_send(());
            return ControlFlow::Break(());
        }
        self.tell(warnings, difference.is_empty());
        if difference.is_empty() {
            // What has no effect is shown all the same.
            self.current.send_replace(new);
            return ControlFlow::Continue(());
        }
        info!(fields = difference::names(&difference.live), "the configuration file changed; applying it");
        self.verbosity.set(new.verbosity);
        let reconfiguration = wanted(&new, self.families.clone(), &self.machine);
        self.current.send_replace(new);
        match self.outcomes.apply.blocking_send(reconfiguration) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Tells what was not told before.
    fn tell(&mut self, warnings: Vec<String>, same: bool) {
        let told = self.told.take();
        let silent = told.is_none() && same;
        let told = told.unwrap_or_default();
        for warning in warnings.iter().filter(|warning| !silent && !told.contains(*warning)) {
            warn!(%warning, "configuration");
        }
        self.told = Some(warnings.into_iter().collect());
    }

    /// The file as it is now, if it fits this node.
    fn load(&self, warnings: &mut Vec<String>) -> Result<Configuration, Error> {
        let new = self.flags.load(warnings)?;
        warnings.extend(::config::families::check(&new, &self.families, self.flags.naming())?);
        Ok(new)
    }
}

#[cfg(test)]
mod tests;
