//! Runs test executables, here or in the guest, and counts.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::libtest::{BEGIN, END, Event, Reader};
use super::report::Tier;
use crate::cargo::{self, Executable};
use crate::equipment::Equipment;
use crate::process;
use crate::progress::Progress;

/// A test executable that runs longer than this is stopped, in seconds.
const TIME_LIMIT: u32 = 1800;

/// Named in `crates/lab/src/need.rs`: where skipped tests are written to, and that none may be skipped.
const SKIPPED: &str = "KUBE_IPVS_SKIPPED";
const REQUIRE: &str = "KUBE_IPVS_REQUIRE_LAB";

/// Tests of the lab wait more than they compute, so more of them run at once than there are processors. Libtest reads
/// this.
const THREADS: (&str, &str) = ("RUST_TEST_THREADS", "4");

/// The convention: tests that count instructions, see `lab::count`, are in modules of this name.
const COST: &str = "cost::";

/// The tests that need no lab. Those that need root say so and are counted as skipped where it is missing.
pub(super) fn on_this_machine(name: &'static str, executables: &[Executable]) -> Result<Tier> {
    here(name, executables, &format!("--skip {COST}"))
}

/// The tests that count instructions, which say so and are counted as skipped where nothing can count.
pub(super) fn cost(executables: Vec<Executable>) -> Result<Tier> {
    let mut counting = Vec::new();
    for executable in executables {
        if !tests(&executable, &[COST])?.is_empty() {
            counting.push(executable);
        }
    }
    here("cost in instructions", &counting, COST)
}

fn here(name: &'static str, executables: &[Executable], arguments: &str) -> Result<Tier> {
    let folder = cargo::fresh_folder("host")?;
    let mut shell = process::command("sh");
    shell.args(["-c", &script(executables, arguments)]).env(SKIPPED, folder.join("skipped"));
    let tier = follow(Reader::new(name), &mut shell, executables)?;
    complete(tier, &folder)
}

/// The tests that need IPVS: there is no excuse, a need that is not met is a failure.
pub(super) fn in_lab(equipment: &Equipment, executables: &[Executable]) -> Result<Tier> {
    let folder = cargo::fresh_folder("lab")?;
    let script = script(executables, "");
    let share = folder.to_string_lossy();
    let limit = (TIME_LIMIT * u32::try_from(executables.len()).unwrap_or(1)).to_string();
    let options = ["--share", &share, "--time-limit", &limit, "--memory", "3072"];
    let mut command = equipment.command(&options, &["sh", "-c", &script]);
    command.env(SKIPPED, equipment.seen(&folder).join("skipped")).env(REQUIRE, "1").env(THREADS.0, THREADS.1);
    let tier = follow(Reader::new("lab"), &mut command, executables)?;
    complete(tier, &folder)
}

/// The examples in doc comments.
pub(super) fn documentation() -> Result<Tier> {
    let mut tests = cargo::command();
    tests.args(["test", "--workspace", "--doc"]);
    let mut reader = Reader::new("documentation");
    reader.line(&format!("{BEGIN}documentation"));
    let status = process::lines(&mut tests, |line| {
        reader.line(line);
    })?;
    let event = reader.line(&format!("{END}{}", status.code().unwrap_or(-1)));
    if let Some(Event::End { output: Some(output), .. }) = event {
        println!("{output}");
    }
    Ok(reader.finish(&[]).0)
}

/// Every test of the executables, skipped for one reason.
pub(super) fn skipped(name: &'static str, executables: &[Executable], reason: &str) -> Result<Tier> {
    let mut tier = Tier::new(name);
    for executable in executables {
        let tests = tests(executable, &[])?.into_iter();
        tier.skipped.extend(tests.map(|test| format!("{}::{test}: {reason}", executable.label())));
    }
    Ok(tier)
}

/// The names of the tests in an executable that the filter selects.
fn tests(executable: &Executable, filter: &[&str]) -> Result<Vec<String>> {
    let mut list = process::command(&executable.file);
    let mut tests = Vec::new();
    process::lines(list.args(["--list", "--format", "terse"]).args(filter), |line| {
        tests.extend(line.strip_suffix(": test").map(str::to_owned));
    })?;
    Ok(tests)
}

/// Runs the script and shows each executable's account when it ends, with its output if a test failed.
fn follow(mut reader: Reader, command: &mut Command, executables: &[Executable]) -> Result<Tier> {
    let progress = Progress::start("starting the first tests");
    let status = process::lines(command, |line| {
        if let Some(event) = reader.line(line) {
            show(&progress, event);
        }
    })?;
    let expected: Vec<_> = executables.iter().map(Executable::label).collect();
    let (mut tier, last) = reader.finish(&expected);
    if let Some(event) = last {
        show(&progress, event);
    }
    if !status.success() {
        tier.failed.push(format!("{}: the run itself failed ({status})", tier.name));
    }
    Ok(tier)
}

fn show(progress: &Progress, event: Event) {
    match event {
        Event::Begin(name) => progress.set(name),
        Event::Progress(text) => progress.update(text),
        Event::End { summary, output } => {
            if let Some(output) = output {
                progress.line(&output);
            }
            if let Some(summary) = summary {
                progress.line(&format!("    {summary}"));
            }
            progress.set("starting the next tests");
        }
    }
}

/// Moves tests that skipped themselves from passed to skipped; libtest knows no third outcome.
fn complete(mut tier: Tier, folder: &Path) -> Result<Tier> {
    let path = folder.join("skipped");
    if path.exists() {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for line in text.lines() {
            tier.passed = tier.passed.saturating_sub(1);
            tier.skipped.push(line.to_owned());
        }
    }
    Ok(tier)
}

/// A shell script that runs the executables one after another, each in its package's folder and told so, as cargo does.
fn script(executables: &[Executable], arguments: &str) -> String {
    let mut script = "exec 2>&1\n".to_owned();
    for executable in executables {
        let (folder, file) = (executable.package.display(), executable.file.display());
        script.push_str(&format!(
            "echo '{BEGIN}{}'; cd '{folder}' && CARGO_MANIFEST_DIR='{folder}' timeout {TIME_LIMIT} '{file}' {arguments}; echo \"{END}$?\"\n",
            executable.label()
        ));
    }
    script.push_str("exit 0\n");
    script
}
