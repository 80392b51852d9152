//! Whether the API server is in contact, said once for every loss and every return.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Kind;

use super::failure::Failure;

/// Shared by the followers of all kinds.
#[derive(Debug)]
pub(super) struct Contact {
    url: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether anything was ever read.
    met: bool,
    /// The kinds that cannot be followed at present.
    lost: BTreeMap<Kind, Loss>,
    last_reason: Option<String>,
}

/// What is common to losses that deserve one line together.
#[derive(Debug, PartialEq, Eq)]
enum Loss {
    Unreachable,
    Other(String),
}

// === impl Contact ===

impl Contact {
    pub(super) fn new(url: String) -> Self {
        Contact { url, state: Mutex::default() }
    }

    /// `kind` cannot be followed. What another kind has said already is not repeated.
    pub(super) fn lost(&self, kind: Kind, failure: &Failure) {
        let reason = failure.to_string();
        let loss = match failure.is_unreachable() {
            true => Loss::Unreachable,
            false => Loss::Other(reason.clone()),
        };
        let mut state = self.state();
        if !state.lost.contains_key(&kind) {
            if !state.lost.values().any(|other| *other == loss) {
                let (server, advice) = (&self.url, failure.advice());
                match state.met {
                    true => tracing::warn!(
                        server, %kind, reason, advice,
                        "lost contact with the API server; the last known state stays in force"
                    ),
                    false => tracing::warn!(
                        server, %kind, reason, advice, "cannot read from the API server; it is asked again"
                    ),
                }
            }
            state.lost.insert(kind, loss);
        }
        state.last_reason = Some(reason);
    }

    /// `kind` is followed again.
    pub(super) fn back(&self, kind: Kind) {
        let mut state = self.state();
        let again = std::mem::replace(&mut state.met, true);
        if state.lost.remove(&kind).is_some() && state.lost.is_empty() {
            match again {
                true => tracing::info!(server = self.url, "in contact with the API server again"),
                false => tracing::info!(server = self.url, "in contact with the API server"),
            }
        }
    }

    /// What was wrong last.
    pub(super) fn last_reason(&self) -> String {
        let reason = self.state().last_reason.clone();
        reason.unwrap_or_else(|| "it has not answered yet".to_owned())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
