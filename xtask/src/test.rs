//! `cargo xtask test`: every check, from the cheapest to the lab, and an account of what did not run.

mod delivery;
mod libtest;
mod report;
mod scoreboard;
mod tier;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cargo::{self, Executable};
use crate::equipment::{self, Equipment, Place};
use crate::{process, progress};
use report::{Report, Tier};
use scoreboard::Scoreboard;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where tests that need IPVS run [default: here if this kernel has IPVS and the user is root, else in the guest]
    #[arg(long, value_enum)]
    place: Option<Place>,
    /// Only test executables whose name contains this, and neither format nor lints; "delivery": only manifests,
    /// packages and the image
    #[arg(value_name = "NAME")]
    only: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut report = Report::default();
    if arguments.only.is_none() {
        report.add(check("format", &["fmt", "--all", "--check"])?);
        let lints = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
        report.add(check("lints", &lints)?);
    }

    progress::step("build the tests");
    let mut executables = cargo::build(&["test", "--workspace", "--no-run"])?;
    let program = executables.iter().find(|built| built.name == "kube-ipvs" && !built.is_test);
    let program = program.map(|built| built.file.clone()).context("cargo built no program kube-ipvs")?;
    executables.retain(|built| built.is_test && is_wanted(built, arguments.only.as_deref()));
    let (lab, host): (Vec<_>, Vec<_>) = executables.into_iter().partition(needs_lab);

    progress::step("run the tests that need no lab");
    report.add(tier::on_this_machine("unit and golden", &host)?);
    if !host.is_empty() {
        progress::step("count instructions");
        equipment::install_counter();
        report.add(tier::cost(host)?);
    }
    if arguments.only.as_deref().is_none_or(|only| only == "delivery") {
        progress::step("check what is delivered besides the program");
        report.add(delivery::run(&program)?);
    }
    if arguments.only.is_none() {
        progress::step("run the examples in the documentation");
        report.add(tier::documentation()?);
    }
    if !lab.is_empty() {
        report.add(lab_tier(&lab, arguments.place)?);
    }

    print!("\n{report}");
    if let Some(scoreboard) = Scoreboard::of(report.tiers())? {
        print!("\n{scoreboard}");
    }
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the lab's tests; if the lab cannot be had, each of them is skipped with the reason.
fn lab_tier(executables: &[Executable], place: Option<Place>) -> Result<Tier> {
    match Equipment::prepare(place) {
        Ok(equipment) => {
            progress::step(match equipment.place {
                Place::Here => "run the lab's tests on this kernel",
                Place::Guest => "boot a kernel with IPVS and run the lab's tests in it",
            });
            tier::in_lab(&equipment, executables)
        }
        Err(error) => tier::skipped("lab", executables, &format!("{error:#}")),
    }
}

/// A check of cargo's that passes or fails as one.
fn check(name: &'static str, arguments: &[&str]) -> Result<Tier> {
    progress::step(&format!("cargo {}", arguments.join(" ")));
    let mut tier = Tier::new(name);
    if process::status(cargo::command().args(arguments))?.success() {
        tier.passed = 1;
    } else {
        tier.failed.push(format!("cargo {}", arguments.join(" ")));
    }
    Ok(tier)
}

/// The convention: an integration test whose file is `lab_*.rs` or `*_kernel.rs` needs a kernel with IPVS.
fn needs_lab(executable: &Executable) -> bool {
    let in_tests = executable.source.parent().is_some_and(|folder| folder.ends_with("tests"));
    in_tests && (executable.name.starts_with("lab_") || executable.name.ends_with("_kernel"))
}

fn is_wanted(executable: &Executable, only: Option<&str>) -> bool {
    only.is_none_or(|part| executable.label().contains(part))
}
