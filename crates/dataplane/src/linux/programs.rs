//! The only programs that are ever started: `iptables-save`, `iptables-restore` and their IPv6 twins, and at start
//! `modprobe`.

mod choice;

use std::fmt;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use model::Family;

use crate::error::{Error, ModuleError};

/// How long a restore waits for another program that holds the lock of iptables, in seconds.
const LOCK_WAIT: &str = "5";

/// Which of the two implementations of iptables is meant. The rules of one are not seen by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The one that the machine's administrator has chosen; in an image that leaves it open, the one that the rest of
    /// the node uses.
    Chosen,
    /// The one over the older interface of the kernel.
    Legacy,
    /// The one over nftables.
    Nft,
}

// === impl Variant ===

impl Variant {
    /// What is started for it: still the chosen one where the plain names are installed.
    pub fn resolved(self) -> Variant {
        match self {
            Variant::Chosen => choice::chosen(),
            variant => variant,
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Variant::Chosen => "as installed",
            Variant::Legacy => "legacy",
            Variant::Nft => "nft",
        })
    }
}

pub(super) fn save(family: Family) -> Result<String, Error> {
    save_by(Variant::Chosen, family)
}

pub(super) fn save_by(variant: Variant, family: Family) -> Result<String, Error> {
    let program = match (variant.resolved(), family) {
        (Variant::Chosen, family) => plan::rules::save_command(family),
        (Variant::Legacy, Family::V4) => "iptables-legacy-save",
        (Variant::Legacy, Family::V6) => "ip6tables-legacy-save",
        (Variant::Nft, Family::V4) => "iptables-nft-save",
        (Variant::Nft, Family::V6) => "ip6tables-nft-save",
    };
    let output = command(program).stdin(Stdio::null()).output();
    let output = output.map_err(|source| Error::Program { program, restoring: None, source })?;
    check(program, None, output)
}

pub(super) fn restore(family: Family, input: &str) -> Result<(), Error> {
    restore_by(Variant::Chosen, family, input)
}

pub(super) fn restore_by(variant: Variant, family: Family, input: &str) -> Result<(), Error> {
    let program = match (variant.resolved(), family) {
        (Variant::Chosen, Family::V4) => "iptables-restore",
        (Variant::Chosen, Family::V6) => "ip6tables-restore",
        (Variant::Legacy, Family::V4) => "iptables-legacy-restore",
        (Variant::Legacy, Family::V6) => "ip6tables-legacy-restore",
        (Variant::Nft, Family::V4) => "iptables-nft-restore",
        (Variant::Nft, Family::V6) => "ip6tables-nft-restore",
    };
    let failed = |source| Error::Program { program, restoring: Some(family), source };
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
    check(program, Some(family), output)?;
    written.map_err(failed)
}

/// Whether a program of the variant over nftables failed because the kernel has none: EINVAL for its first question.
pub(super) fn lacks_nf_tables(error: &Error) -> bool {
    const SAID: &str = "Could not fetch rule set generation id: Invalid argument";
    matches!(error, Error::ProgramFailed { stderr, .. } if stderr.contains(SAID))
}

/// Loads a kernel module, and says why that failed.
pub(super) fn load_module(module: &str) -> Result<(), ModuleError> {
    let output = command("modprobe").arg(module).stdin(Stdio::null()).output();
    let output = output.map_err(ModuleError::NotRun)?;
    match output.status.success() {
        true => Ok(()),
        // What comes before the last line is about modprobe itself.
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("modprobe failed without a word");
            Err(ModuleError::Failed { said: last.trim().to_owned() })
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "rules and modules are left to the programs for them, which other software uses as well"
)]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn check(program: &'static str, restoring: Option<Family>, output: Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = on_one_line(&String::from_utf8_lossy(&output.stderr));
    Err(Error::ProgramFailed { program, restoring, status: output.status.to_string(), stderr })
}

/// What a program has said, each thing once, without the hint at its help.
fn on_one_line(said: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in said.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with("Try `") && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("; ")
}
