//! `cargo xtask demo`: builds everything, gets a kernel with IPVS, and shows kube-ipvs at work.

use std::process::ExitCode;

use anyhow::Result;

use crate::equipment::{Equipment, Place};
use crate::progress::{self, Progress};
use crate::{cargo, process};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where it runs [default: here if this kernel has IPVS and the user is root, else in a guest]
    #[arg(long, value_enum)]
    place: Option<Place>,
}

/// What the demo writes at the beginning of a line that says what is done now.
const HEADLINE: &str = "== ";

/// Where the guest sees the folder it shares with this machine.
const GUEST_SHARE: &str = "/run/lab";

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    progress::step("build kube-ipvs");
    let kube_ipvs = cargo::build_binary("proxy", "kube-ipvs")?;
    let equipment = Equipment::prepare(arguments.place)?;
    let logs = cargo::fresh_folder("demo")?;
    let seen_logs = match equipment.place {
        Place::Here => logs.clone(),
        Place::Guest => GUEST_SHARE.into(),
    };

    let lab = equipment.lab.to_string_lossy();
    let examples = cargo::workspace().join("examples");
    let program = [
        lab.as_ref(),
        "demo",
        "--kube-ipvs",
        &kube_ipvs.to_string_lossy(),
        "--manifests",
        &examples.to_string_lossy(),
        "--logs",
        &seen_logs.to_string_lossy(),
    ];
    let mut command = equipment.command(&["--share", &logs.to_string_lossy()], &program);

    progress::step(match equipment.place {
        Place::Here => "this kernel has IPVS: the demo runs on it, in network namespaces",
        Place::Guest => "this kernel has no IPVS for you: the demo runs on Debian's kernel, under QEMU",
    });
    let progress = Progress::start(match equipment.place {
        Place::Here => "starting",
        Place::Guest => "booting",
    });
    let status = process::lines(&mut command, |line| {
        progress.line(line);
        if let Some(headline) = line.strip_prefix(HEADLINE) {
            progress.set(headline);
        }
    })?;
    drop(progress);
    println!("The logs of kube-ipvs are in {}.", logs.display());
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
