//! One file for each thing that the program can be told to do.

pub(crate) mod diff;
pub(crate) mod gather;
pub(crate) mod plan;
pub(crate) mod run;

use std::io::{self, Write as _};

/// Says on standard error why the program ends.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "kube-ipvs: {error:#}");
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
