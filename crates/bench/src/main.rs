//! Benchmarks of kube-ipvs in the lab: what `cargo xtask bench` starts.
//!
//! `serve` is an API server that makes up as many Services and endpoints as it is told to; `run` measures kube-ipvs
//! in network namespaces against it, beside other programs that bring the same state into the same kernel.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program talks to its user")]

mod api;
mod loaders;
mod node;
mod objects;
mod process;
mod recording;
mod server;
mod syscalls;
mod table;
mod workloads;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "bench", about = "Benchmarks of kube-ipvs")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve made-up objects on a free port of the loopback interface; the first line printed is the address.
    Serve,
    /// Measure; needs root and a kernel with IPVS.
    Run(workloads::Arguments),
    /// Read all Services and EndpointSlices from an API server and throw them away.
    Discard {
        /// The API server.
        server: SocketAddr,
    },
    /// Send recorded netlink messages, each batch when the one before has been acknowledged.
    Replay(recording::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve => server::run(),
        Command::Run(arguments) => workloads::run(&arguments),
        Command::Discard { server } => api::discard(server),
        Command::Replay(arguments) => recording::replay(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
