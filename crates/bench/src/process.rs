//! The one place where the benchmarks start programs.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::namespace::Namespace;

/// Runs a program in the machine's own namespace and gives what it wrote.
#[expect(clippy::disallowed_methods, reason = "benchmarks compare programs")]
pub(crate) fn run(words: &[&str]) -> Result<String> {
    let (program, arguments) = words.split_first().context("no program")?;
    let mut command = Command::new(program);
    finish(command.args(arguments), &words.join(" "))
}

/// Runs a program in a namespace, perhaps with a file as its input, and says how long it took.
pub(crate) fn time_in(namespace: &Namespace, words: &[&str], input: Option<&Path>) -> Result<Duration> {
    let (program, arguments) = words.split_first().context("no program")?;
    let mut command = namespace.command(program)?;
    command.args(arguments);
    if let Some(input) = input {
        command.stdin(File::open(input).with_context(|| format!("cannot open {}", input.display()))?);
    }
    let began = Instant::now();
    finish(&mut command, &words.join(" "))?;
    Ok(began.elapsed())
}

/// Runs this program again in a namespace, with these arguments, and gives what it wrote.
pub(crate) fn repeat_in(namespace: &Namespace, arguments: &[&str]) -> Result<String> {
    Ok(namespace.output(&std::env::current_exe()?.to_string_lossy(), arguments)?)
}

fn finish(command: &mut Command, shown: &str) -> Result<String> {
    let output = command.stderr(Stdio::piped()).output().with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} failed ({}): {}", output.status, complaint.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
