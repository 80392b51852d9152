//! Lists in pages. The pages after the first are kept as they were when the list was begun.

use std::collections::HashMap;

use serde_json::Value;

/// The pages that clients have not asked for yet.
#[derive(Debug, Default)]
pub(super) struct Pages {
    next: u64,
    waiting: HashMap<String, Page>,
}

/// A list from some point on.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) version: u64,
    pub(super) items: Vec<Value>,
}

// === impl Pages ===

impl Pages {
    /// Cuts a list after `limit` items; the rest waits under the returned token.
    pub(super) fn cut(&mut self, page: &mut Page, limit: usize) -> Option<String> {
        if limit == 0 || page.items.len() <= limit {
            return None;
        }
        let rest = Page { version: page.version, items: page.items.split_off(limit) };
        self.next += 1;
        let token = format!("page-{}", self.next);
        self.waiting.insert(token.clone(), rest);
        Some(token)
    }

    pub(super) fn take(&mut self, token: &str) -> Option<Page> {
        self.waiting.remove(token)
    }
}
