//! The daemon `kube-ipvs`: a drop-in for kube-proxy in IPVS mode.
//!
//! Without a subcommand it takes kube-proxy's flags and runs. This crate wires the others together; nothing
//! depends on it.

mod commands;
mod config;
mod daemon;
mod flags;
mod health_checks;
mod http;
mod inquiry;
mod logging;
mod metrics;
mod node;
mod reload;
mod reporting;

use std::process::ExitCode;

use crate::flags::{Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(message) => return commands::print_message(&message),
    };
    let outcome = match cli.command {
        None if cli.run.version => commands::print_version(),
        None => commands::run::run(&cli.run),
        Some(Command::Plan(flags)) => commands::plan::plan(&flags),
        Some(Command::Diff(flags)) => commands::diff::diff(&flags),
        Some(Command::Cleanup(flags)) => commands::cleanup::cleanup(&flags),
    };
    outcome.unwrap_or_else(|error| {
        commands::complain(&error);
        ExitCode::FAILURE
    })
}
