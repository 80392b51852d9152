//! The one place where xtask starts programs.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// A command that has yet to be started.
#[expect(clippy::disallowed_methods, reason = "xtask is a script: it starts programs and nothing else")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Runs a program with this terminal as its own.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot start {}", show(command)))
}

/// Runs a program that must succeed, with this terminal as its own.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("{} failed ({status})", show(command));
    }
    Ok(())
}

/// Runs a program and hands on each line of its standard output while it runs; its complaints go to this terminal.
pub(crate) fn lines(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", show(command)))?;
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut bytes = Vec::new();
        while output
            .read_until(b'\n', &mut bytes)
            .with_context(|| format!("cannot read from {}", show(command)))?
            > 0
        {
            on_line(String::from_utf8_lossy(&bytes).trim_end_matches('\n'));
            bytes.clear();
        }
    }
    child.wait().with_context(|| format!("cannot wait for {}", show(command)))
}

/// Runs a program that must succeed and returns its standard output; all that it said is in the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    Ok(both_outputs(command)?.0)
}

/// Runs a program that must succeed and returns its standard output and its complaints.
pub(crate) fn everything_said(command: &mut Command) -> Result<String> {
    let (said, complaint) = both_outputs(command)?;
    Ok(said + &complaint)
}

fn both_outputs(command: &mut Command) -> Result<(String, String)> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", show(command)))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{} failed ({})\n{said}{complaint}", show(command), output.status);
    }
    Ok((said, complaint))
}

/// The command as one would type it, without quoting.
pub(crate) fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}
