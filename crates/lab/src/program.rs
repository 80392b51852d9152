//! A program under test that runs in a namespace and writes a log.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::namespace::Namespace;
use crate::{Error, process, wait};

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

/// Runs a program to its end in this process' own namespace and terminal, with more environment variables.
///
/// # Errors
/// If it cannot be started.
pub fn run_visibly(
    program: &OsStr,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
) -> Result<ExitStatus, Error> {
    let mut command = process::command(program);
    command.args(arguments).envs(environment.iter().cloned());
    command.status().map_err(|source| Error::Start { program: process::show(&command), source })
}

// === impl Program ===

impl Program {
    /// Starts a program in a namespace; what it writes to standard output and standard error goes to the file `log`.
    ///
    /// # Errors
    /// If the log cannot be written or the program cannot be started.
    pub fn start(
        namespace: &Namespace,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        log: &Path,
    ) -> Result<Program, Error> {
        let failed = || format!("write {}", log.display());
        let output = File::create(log).map_err(Error::io(failed))?;
        let complaints = output.try_clone().map_err(Error::io(failed))?;
        let mut command = namespace.command(program)?;
        command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(complaints);
        let child = command
            .spawn()
            .map_err(|source| Error::Start { program: program.display().to_string(), source })?;
        Ok(Program { child, log: log.to_owned() })
    }

    /// The process' number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until a line of the log contains a text; false if that does not happen in time or the program ends.
    pub fn wait_for_log(&mut self, text: &str, limit: Duration) -> bool {
        wait::until(limit, || self.log().contains(text) || !self.is_running()) && self.log().contains(text)
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal and waits for the end.
    ///
    /// # Errors
    /// If it has been waited for already.
    pub fn stop(mut self, signal: Signal) -> Result<ExitStatus, Error> {
        let id = i32::try_from(self.child.id()).unwrap_or(i32::MAX);
        signal::kill(Pid::from_raw(id), signal)
            .map_err(|errno| Error::Io { doing: format!("send {signal} to {id}"), source: errno.into() })?;
        self.child.wait().map_err(Error::io(|| format!("wait for {id}")))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
