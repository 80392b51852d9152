//! What can go wrong with the equipment.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// An error of the test equipment, never of what is tested.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that the lab calls is not installed.
    #[error(
        "{program} is missing: install the Debian package {package} (cargo xtask test and cargo xtask demo do so when they run as root)"
    )]
    MissingProgram {
        /// The program's file name.
        program: String,
        /// The Debian package that holds it.
        package: String,
    },

    /// A file, folder, pipe or thread could not be used.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, such as `create /x/y`.
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },

    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program and its arguments.
        program: String,
        /// The kernel's answer.
        source: io::Error,
    },

    /// A program ended with an error.
    #[error("{program} failed ({status}): {output}")]
    Program {
        /// The program and its arguments.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said, standard error first.
        output: String,
    },

    /// The guest runs programs of this machine, so both have to be of the same kind.
    #[error("the guest runs on x86_64 machines only, and this one is {found}")]
    Architecture {
        /// This machine's architecture, as Rust names it.
        found: &'static str,
    },

    /// A downloaded or generated file is not what it should be.
    #[error("{path}: {reason}; delete the folder {cache} to fetch everything again")]
    BadCache {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// The cache folder.
        cache: PathBuf,
    },

    /// The guest ended before the program in it did.
    #[error("the guest ended before the program in it; its last words:\n{console}")]
    GuestDied {
        /// The end of the guest's console and of QEMU's own messages.
        console: String,
    },

    /// The program in the guest ran longer than allowed. The guest has been killed.
    #[error("the guest was stopped after {}s, its time limit; its last words:\n{console}", limit.as_secs())]
    GuestTimeout {
        /// The limit.
        limit: Duration,
        /// The end of the guest's console and of QEMU's own messages.
        console: String,
    },
}

// === impl Error ===

impl Error {
    /// Wraps an I/O error with what was tried: `.map_err(Error::io(|| format!("read {path}")))`.
    pub fn io<D: Into<String>>(doing: impl FnOnce() -> D) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { doing: doing().into(), source }
    }

    /// Something that a caller counts on is not there, such as a node of a cluster.
    pub fn missing(what: &str) -> Error {
        Error::Io { doing: format!("find {what}"), source: io::ErrorKind::NotFound.into() }
    }
}
