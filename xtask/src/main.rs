//! `cargo xtask`: the chores of this repository as one command each.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program talks to its user")]

mod bench;
mod cargo;
mod demo;
mod equipment;
mod package;
mod process;
mod progress;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of kube-ipvs")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show kube-ipvs at work: two nodes, six pods, real traffic.
    Demo(demo::DemoArguments),
    /// Run kube-ipvs in the demo's cluster with manifests of your own, and look at it with commands of your own.
    Lab(demo::LabArguments),
    /// Check format and lints, run every test, and say what was skipped and why.
    Test(test::Arguments),
    /// Measure kube-ipvs in the lab's guest, beside other programs, and print tables; takes an hour or more.
    Bench(bench::Arguments),
    /// Build the Debian package or the container image.
    Package(package::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Lab(arguments) => demo::lab(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Package(arguments) => package::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
