//! `lab ask`: requests from a namespace to a server address, and who answered.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use lab::Error;
use lab::namespace::Namespace;
use lab::traffic::{Client, Protocol};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The namespace of the client, such as pod-1
    #[arg(long, value_name = "NAMESPACE")]
    from: String,
    /// tcp, udp or sctp
    #[arg(long, value_name = "PROTOCOL", default_value = "tcp")]
    protocol: Protocol,
    /// Number of requests, each over a connection of its own; with more than one the answers are counted
    #[arg(long, value_name = "N", default_value_t = 1)]
    requests: usize,
    /// How many of them are under way at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    at_once: usize,
    /// Seconds to wait for each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    patience: u64,
    /// Whom to ask, such as 10.96.0.10:80 or [fd00:96::10]:80
    address: SocketAddr,
}

/// The exit code says whether every request was answered.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let namespace = Namespace::open(&arguments.from)?;
    let patience = Duration::from_secs(arguments.patience);
    let client = Client::new(&namespace, arguments.protocol, arguments.address).patience(patience);
    let is_answered = if arguments.requests == 1 {
        match client.ask()? {
            Ok(answer) => {
                println!("{} sees {}", answer.server, answer.seen_source);
                true
            }
            Err(failure) => {
                println!("{failure}");
                false
            }
        }
    } else {
        let spread = client.ask_many(arguments.requests, arguments.at_once)?;
        println!("{spread}");
        spread.failures.is_empty()
    };
    Ok(if is_answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
