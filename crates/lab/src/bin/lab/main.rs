//! The lab's command line: what `cargo xtask` and people start.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program talks to its user")]

mod ask;
mod cluster;
mod demo;
mod guest_run;
mod proxies;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "lab", about = "Test equipment of kube-ipvs", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Boot a kernel with IPVS under QEMU and run a program of this machine in it.
    GuestRun(guest_run::Arguments),
    /// Show kube-ipvs at work in a cluster of namespaces; needs root and a kernel with IPVS.
    Demo(demo::Arguments),
    /// Build the demo's cluster with kube-ipvs and manifests of your own, and run a command beside it.
    Cluster(cluster::Arguments),
    /// Send requests from a namespace and say who answered.
    Ask(ask::Arguments),
    /// Say whether this kernel and this user can do without a guest: exit code 0 if so, 1 if not.
    KernelHasIpvs,
    /// Print the Debian packages that have to be installed first, one per line.
    MissingPackages {
        /// Those for namespaces on this kernel only, without what a guest needs.
        #[arg(long)]
        namespaces_only: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::GuestRun(arguments) => guest_run::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Cluster(arguments) => cluster::run(&arguments),
        Command::Ask(arguments) => ask::run(&arguments),
        Command::KernelHasIpvs => Ok(kernel_has_ipvs()),
        Command::MissingPackages { namespaces_only } => {
            let place =
                if namespaces_only { lab::packages::Place::Namespaces } else { lab::packages::Place::Guest };
            lab::packages::missing(place).iter().for_each(|package| println!("{package}"));
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("lab: {error}");
        ExitCode::from(125)
    })
}

fn kernel_has_ipvs() -> ExitCode {
    match lab::Need::Ipvs.unmet() {
        None => {
            println!("yes");
            ExitCode::SUCCESS
        }
        Some(reason) => {
            println!("no: {reason}");
            ExitCode::FAILURE
        }
    }
}
