//! One file: reading it, and what it holds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use model::{Kind, ObjectKey, Problem};
use serde_json::Value;

use super::document;
use crate::decode::{Object, Outcome};
use crate::pool::Pool;

/// A larger file is not read.
const LARGEST_FILE: u64 = 64 << 20;

/// What a file holds that is of use.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) objects: BTreeMap<(Kind, ObjectKey), Object>,
    pub(super) problems: Vec<Problem>,
}

/// Why a file says nothing at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("larger than {} MiB", LARGEST_FILE >> 20)]
    TooLarge,
    #[error("not UTF-8 text")]
    NotText { line: usize },
    #[error("{reason}")]
    Syntax { line: Option<u64>, reason: String },
}

/// Reads a file. Objects that are unusable now are taken over from `before`, which is what the same file held
/// when it was read last.
pub(super) fn read(path: &Path, before: &Contents, pool: &mut Pool) -> Result<Contents, Unreadable> {
    let text = read_text(path)?;
    let documents = match path.extension().is_some_and(|ending| ending == "json") {
        true => parse_json(&text)?,
        false => parse_yaml(&text)?,
    };
    let mut contents = Contents::default();
    for (index, value) in documents.into_iter().enumerate() {
        for (place, decoded) in document::decode(value, &format!("document {}", index + 1), pool) {
            contents.problems.extend(decoded.problems);
            contents.add(&place, decoded.outcome, before);
        }
    }
    Ok(contents)
}

fn read_text(path: &Path) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_FILE) {
        return Err(Unreadable::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        Unreadable::NotText { line: 1 + good.filter(|byte| **byte == b'\n').count() }
    })
}

/// Several JSON values may follow each other.
fn parse_json(text: &str) -> Result<Vec<Value>, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, serde_json::Error>>().map_err(
        |error| Unreadable::Syntax { line: u64::try_from(error.line()).ok(), reason: error.to_string() },
    )
}

/// YAML as `kubectl` reads it: 1.2, with the habits of 1.1 for booleans (`yes`) and octal numbers (`0755`).
/// A key that stands twice in a mapping is an error.
fn parse_yaml(text: &str) -> Result<Vec<Value>, Unreadable> {
    // Every node takes at least a byte of the file, unless it comes out of an alias.
    let most_nodes = text.len().saturating_add(100_000);
    let options = serde_saphyr::options! {
        with_snippet: false,
        legacy_octal_numbers: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        budget: serde_saphyr::budget! {
            max_events: most_nodes.saturating_mul(2),
            max_nodes: most_nodes,
            max_documents: most_nodes,
        },
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| Unreadable::Syntax {
        line: error.location().map(|location| location.line()),
        reason: error.render_with_formatter(&serde_saphyr::UserMessageFormatter),
    })
}

// === impl Contents ===

impl Contents {
    fn add(&mut self, place: &str, outcome: Outcome, before: &Contents) {
        let object = match outcome {
            Outcome::Object(object) => *object,
            Outcome::NotSelected(_) | Outcome::Unusable(None) => return,
            Outcome::Unusable(Some(id)) => {
                if let Some(object) = before.objects.get(&id) {
                    self.objects.entry(id).or_insert_with(|| object.clone());
                }
                return;
            }
        };
        match self.objects.entry((object.kind(), object.key())) {
            Entry::Vacant(entry) => {
                entry.insert(object);
            }
            Entry::Occupied(_) => self.problems.push(Problem::new(
                object.subject(),
                format_args!("stands in the file more than once; the one in {place} is ignored"),
            )),
        }
    }
}

// === impl Unreadable ===

impl Unreadable {
    /// The line to look at, where there is one.
    pub(super) fn line(&self) -> Option<u64> {
        match self {
            Unreadable::Io(_) | Unreadable::TooLarge => None,
            Unreadable::NotText { line } => u64::try_from(*line).ok(),
            Unreadable::Syntax { line, .. } => *line,
        }
    }
}
