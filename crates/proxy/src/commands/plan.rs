//! `kube-ipvs plan`: what would be in the kernel of a node.

use std::process::ExitCode;

use model::Family;
use tracing::warn;

use super::gather::gather;
use super::print;
use crate::flags::{OutputFormat, PlanFlags};
use crate::{config, logging};

pub(crate) fn plan(flags: &PlanFlags) -> anyhow::Result<ExitCode> {
    logging::start_quiet();
    let configuration = super::configuration(&flags.configuration)?;
    let options = config::planning_options(&configuration, Family::ALL.into_iter().collect(), true);
    let gathered = gather(flags, &configuration, options)?;
    for complaint in &gathered.complaints {
        warn!("{complaint}");
    }
    let state = gathered.planner.desired().state();
    match flags.output {
        OutputFormat::Text => print(&plan::print::text(state, gathered.planner.options()))?,
        OutputFormat::Json => {
            let json = plan::print::json(state, gathered.planner.options());
            print(&format!("{json:#}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
