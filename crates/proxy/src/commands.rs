//! One file for each thing that the program can be told to do.

pub(crate) mod cleanup;
pub(crate) mod diff;
pub(crate) mod gather;
pub(crate) mod init;
pub(crate) mod plan;
pub(crate) mod run;

use std::io::{self, Write as _};
use std::process::ExitCode;

use config::Configuration;
use tracing::warn;

use crate::flags::ConfigurationFlags;

/// Says on standard error why the program ends.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "kube-ipvs: {}", reason(error));
}

/// An error with its causes. Those that it names itself are not named again.
fn reason(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Prints help, or what is wrong with the command line.
pub(crate) fn print_message(message: &clap::Error) -> ExitCode {
    // Nobody is left to tell of a failure.
    let _ = message.print();
    exit_code(message)
}

/// That of a wrong command line is kube-proxy's; another one would be a result of `diff`.
fn exit_code(message: &clap::Error) -> ExitCode {
    if message.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints the version, as kube-proxy does on `--version`.
pub(crate) fn print_version() -> anyhow::Result<ExitCode> {
    print(concat!("kube-ipvs ", env!("CARGO_PKG_VERSION"), "\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration for a command that only looks.
fn configuration(flags: &ConfigurationFlags) -> anyhow::Result<Configuration> {
    let mut warnings = Vec::new();
    let configuration = flags.load(&mut warnings);
    for warning in warnings {
        warn!(%warning, "configuration");
    }
    Ok(configuration?)
}

/// Prints a result. A reader that closed the pipe has read what it wanted.
fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("the result cannot be written to standard output"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_wrong_command_line_fails_and_help_does_not() {
        let code = |argument: &str| {
            let arguments = ["kube-ipvs", argument].map(std::ffi::OsString::from);
            format!("{:?}", exit_code(&crate::flags::Cli::read(arguments).unwrap_err()))
        };
        assert_eq!(code("--no-such-flag"), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(code("--help"), format!("{:?}", ExitCode::SUCCESS));
    }

    #[test]
    fn every_cause_is_named_once() {
        let error = io::Error::other("no such file");
        let error = Err::<(), _>(error).context("cannot read x: no such file").context("cannot start");
        assert_eq!(reason(&error.unwrap_err()), "cannot start: cannot read x: no such file");
    }
}
