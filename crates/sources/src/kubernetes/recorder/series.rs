//! What was told before, so that repetitions are not sent each time.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Event;

/// How long repetitions are only counted after the server has heard of an Event.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// How long API servers keep an Event that is not renewed, unless told otherwise (`--event-ttl`).
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How many different Events are remembered.
const MOST: usize = 512;

/// The Events that the server has heard of.
#[derive(Debug, Default)]
pub(super) struct Series {
    known: HashMap<Event, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The name of the object at the server.
    name: String,
    /// How often it was told.
    count: i32,
    /// When the server heard of it.
    heard: Instant,
}

/// What has to be done about an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is new.
    Create,
    /// The object `name` is to say that it was told this often.
    Renew { name: String, count: i32 },
    /// Nothing yet.
    Count,
}

// === impl Series ===

impl Series {
    /// Counts an Event that was told again, and says what to do about it.
    pub(super) fn step(&mut self, event: &Event) -> Step {
        let now = Instant::now();
        let Some(entry) = self.known.get_mut(event) else { return Step::Create };
        let age = now.duration_since(entry.heard);
        if age >= LIFETIME {
            return Step::Create;
        }
        entry.count = entry.count.saturating_add(1);
        if age < WINDOW {
            return Step::Count;
        }
        entry.heard = now;
        Step::Renew { name: entry.name.clone(), count: entry.count }
    }

    /// The server has the Event now, by this name. Forgets the one that was heard of longest ago if there are
    /// too many.
    pub(super) fn created(&mut self, event: Event, name: String) {
        if self.known.len() >= MOST && !self.known.contains_key(&event) {
            let oldest = self.known.iter().min_by_key(|(_, entry)| entry.heard);
            if let Some(oldest) = oldest.map(|(event, _)| event.clone()) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(event, Entry { name, count: 1, heard: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::kubernetes::recorder::{EventKind, Reference};

    fn event(note: &str) -> Event {
        Event {
            regarding: Reference::node("n1"),
            kind: EventKind::Normal,
            reason: "Starting",
            action: "StartKubeProxy",
            shared: false,
            note: note.to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn repetitions_are_counted_and_told_when_the_window_has_passed() {
        let mut series = Series::default();
        assert_eq!(series.step(&event("a")), Step::Create);
        series.created(event("a"), "n1.1".to_owned());
        assert_eq!(series.step(&event("a")), Step::Count);
        assert_eq!(series.step(&event("b")), Step::Create, "another note is another Event");
        advance(WINDOW).await;
        assert_eq!(series.step(&event("a")), Step::Renew { name: "n1.1".to_owned(), count: 3 });
        assert_eq!(series.step(&event("a")), Step::Count);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_has_forgotten_is_new() {
        let mut series = Series::default();
        series.created(event("a"), "n1.1".to_owned());
        advance(LIFETIME).await;
        assert_eq!(series.step(&event("a")), Step::Create);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_are_forgotten_when_there_are_too_many() {
        let mut series = Series::default();
        for number in 0..=MOST {
            series.created(event(&number.to_string()), String::new());
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(series.known.len(), MOST);
        assert_eq!(series.step(&event("0")), Step::Create);
        assert_eq!(series.step(&event("1")), Step::Count);
    }
}
