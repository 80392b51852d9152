//! The only programs that are ever started: `iptables-save`, `iptables-restore` and their IPv6 twins.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use model::Family;

use crate::Error;

/// How long a restore waits for another program that holds the lock of iptables, in seconds.
const LOCK_WAIT: &str = "5";

pub(super) fn save(family: Family) -> Result<String, Error> {
    let program = plan::rules::save_command(family);
    let output = command(program).stdin(Stdio::null()).output();
    let output = output.map_err(|source| Error::Program { program, source })?;
    check(program, output)
}

pub(super) fn restore(family: Family, input: &str) -> Result<(), Error> {
    let program = match family {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    };
    let failed = |source| Error::Program { program, source };
    let mut child = command(program)
        .args(["--noflush", "--wait", LOCK_WAIT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // A program that ends before it has read everything says why on its standard error.
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(failed)?;
    check(program, output)?;
    written.map_err(failed)
}

#[expect(
    clippy::disallowed_methods,
    reason = "rules are left to the iptables programs, which other software uses as well"
)]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn check(program: &'static str, output: Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::ProgramFailed { program, status: output.status.to_string(), stderr })
}
