//! What can be wrong with a configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("the configuration cannot be written to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is neither YAML nor JSON, or something in it has a wrong type.
    #[error("the configuration file {} is not usable: {mistake}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        mistake: Mistake,
    },
    /// Values make no sense.
    #[error("the configuration is not usable: {}", list(.0))]
    Invalid(Vec<Invalid>),
}

/// Something in a file that cannot be read as what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, counted from 1, if it is known.
    pub line: Option<u64>,
    /// The path of the field; empty for the file as a whole.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

/// A value that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field, or the flag if the value came from there.
    pub subject: String,
    /// What was found and what would be right.
    pub reason: String,
}

// === impl Mistake ===

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.reason)
    }
}

// === impl Invalid ===

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.reason)
    }
}

fn list(errors: &[Invalid]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
