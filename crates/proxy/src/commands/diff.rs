//! `kube-ipvs diff`: what a run would do to this kernel.

use std::fmt::Write as _;
use std::process::ExitCode;

use dataplane::linux::{Linux, Machine, Tables, usability};
use dataplane::{Comparison, Dataplane, Kernel as _, Target};
use plan::print::{operations_json, operations_text};
use tracing::warn;

use super::gather::gather;
use super::print;
use super::run::{families, wanted_options};
use crate::flags::{OutputFormat, PlanFlags};
use crate::{config, logging};

/// The exit code when a run would change something.
const DIFFERENT: u8 = 2;

pub(crate) fn diff(flags: &PlanFlags) -> anyhow::Result<ExitCode> {
    logging::start_quiet();
    let configuration = super::configuration(&flags.configuration)?;
    usability::check_privileges()?;
    let kernel = Linux::open()?;
    let (families, rules) = families(Tables::Found)?;
    // What it warns of, a run says.
    ::config::families::check(&configuration, &families, flags.configuration.naming())?;
    let mut kernel = kernel.knowing_rules(rules);
    let mut options = wanted_options(&configuration, families);
    if flags.host_address.is_empty() {
        options.host_addresses = kernel.host_addresses()?;
    }
    let gathered = gather(flags, &configuration, options)?;
    for complaint in &gathered.complaints {
        warn!("{complaint}");
    }
    let settings = config::settings(&configuration, &Machine::observe());
    let target = Target {
        desired: gathered.planner.desired().state(),
        urgent: &plan::State::default(),
        options: gathered.planner.options(),
    };
    let comparison = Dataplane::new(kernel, settings).compare(target)?;
    match flags.output {
        OutputFormat::Text => print(&text(&comparison))?,
        OutputFormat::Json => print(&format!("{:#}\n", json(&comparison)))?,
    }
    Ok(if comparison.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    for preparation in &comparison.preparations {
        let _ = writeln!(text, "+ {preparation}");
    }
    text.push_str(&operations_text(&comparison.operations));
    let foreign = &comparison.foreign;
    for key in &foreign.virtual_servers {
        let _ = writeln!(text, "# left alone: virtual server {key}, which is not a Kubernetes proxy's");
    }
    for address in &foreign.addresses {
        let _ = writeln!(text, "# left alone: address {address} on {}", plan::INTERFACE);
    }
    if foreign.firewall_marks > 0 {
        let _ = writeln!(text, "# left alone: {} virtual servers by firewall mark", foreign.firewall_marks);
    }
    text
}

fn json(comparison: &Comparison) -> serde_json::Value {
    let foreign = &comparison.foreign;
    serde_json::json!({
        "preparations": comparison.preparations,
        "operations": operations_json(&comparison.operations),
        "foreign": {
            "virtualServers": foreign.virtual_servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "firewallMarks": foreign.firewall_marks,
            "addresses": foreign.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
    })
}
