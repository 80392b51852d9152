//! `lab guest-run`: one program in a fresh guest.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lab::Error;
use lab::guest::{self, Guest};

/// Variables with these beginnings are handed to the program in the guest.
const HANDED_ON: [&str; 3] = ["KUBE_IPVS_", "RUST_", "CARGO_"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the kernel is kept [default: lab in cargo's target folder]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// A folder the guest may write to; there it is /run/lab
    #[arg(long, value_name = "FOLDER")]
    share: Option<PathBuf>,
    /// Memory of the guest in MiB, files that it writes included
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: u32,
    /// Number of processors
    #[arg(long, value_name = "N", default_value_t = 2)]
    processors: u32,
    /// Let the guest's clock count instructions, a nanosecond each, on one processor
    #[arg(long)]
    count_instructions: bool,
    /// Seconds until the guest is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    time_limit: u64,
    /// The program and its arguments. Besides PATH and HOME it gets the variables KUBE_IPVS_*, RUST_* and CARGO_*.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let cache = arguments.cache.clone().unwrap_or_else(guest::default_cache);
    if !cache.join("kernel").exists() {
        eprintln!("lab: fetching Debian's kernel into {} …", cache.display());
    }
    let guest = Guest::prepare(&cache)?;
    let (program, rest) =
        arguments.program.split_first().ok_or_else(|| Error::missing("a program to run"))?;
    let mut command = guest.command(program);
    command.args(rest).memory_mib(arguments.memory).processors(arguments.processors);
    command.time_limit(Duration::from_secs(arguments.time_limit));
    if arguments.count_instructions {
        command.counting_instructions();
    }
    if let Some(share) = &arguments.share {
        command.share(share);
    }
    for (name, value) in env::vars_os() {
        if HANDED_ON.iter().any(|beginning| name.to_string_lossy().starts_with(beginning)) {
            command.env(name, value);
        }
    }
    // If nobody reads on, as with `| head`, the program is still run to its end.
    let code = command.run(|line| drop(writeln!(io::stdout(), "{line}")))?;
    Ok(ExitCode::from(code.0))
}
