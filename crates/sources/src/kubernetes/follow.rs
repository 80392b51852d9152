//! Following one kind of object.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use model::Change;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Timing;
use super::contact::Contact;
use super::events::{Event, Events};
use super::failure::Failure;
use super::page::{End, Next, Page};
use super::query::{Age, Query};
use super::session::Session;
use crate::decode::{self, Field, Raw};
use crate::pool::Pool;
use crate::told::Told;

/// A watch that has lived this long ended for a good reason and is renewed without a pause.
const GOOD_LIFE: Duration = Duration::from_secs(10);

/// The whole of a streaming list may take this many times as long as one object of it.
const INITIAL_FACTOR: u32 = 5;

/// Follows the objects of a query and tells of them.
pub(super) struct Follower<R> {
    query: Query,
    session: Session,
    timing: Timing,
    changes: Sender<Change>,
    contact: Arc<Contact>,
    told: Told,
    pool: Pool,
    position: Position,
    /// Whether the server may have gone back before the position.
    doubtful: bool,
    /// Whether the server is believed to have streaming lists.
    streaming: bool,
    /// Whether lists are read page by page. Not after a page came too late for its list.
    paged: bool,
    /// Whether all objects have been told of once.
    synced: bool,
    pauses: ExponentialBackoff,
    kind: PhantomData<fn() -> R>,
}

/// How far the reader's state is that of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Position {
    /// Not at all: everything has to be read, as new as this.
    Unknown(Age),
    /// Up to this version.
    Version(String),
}

// === impl Follower ===

impl<R: Raw + Sync> Follower<R> {
    pub(super) fn new(
        query: Query,
        session: Session,
        changes: Sender<Change>,
        contact: Arc<Contact>,
    ) -> Self {
        let timing = session.config().timing;
        Follower {
            query,
            session,
            timing,
            changes,
            contact,
            told: Told::new(R::KIND),
            pool: Pool::default(),
            position: Position::Unknown(Age::Any),
            doubtful: false,
            streaming: true,
            paged: true,
            synced: false,
            pauses: pauses(&timing),
            kind: PhantomData,
        }
    }

    /// Runs until nobody reads the changes any more.
    pub(super) async fn run(mut self) {
        loop {
            let started = Instant::now();
            let Err(failure) = self.step().await else { continue };
            if matches!(failure, Failure::ReaderGone) {
                return;
            }
            if started.elapsed() >= GOOD_LIFE {
                self.pauses = pauses(&self.timing);
            }
            let pause = self.recover(&failure, started.elapsed()).await;
            tracing::debug!(kind = %R::KIND, %failure, ?pause, "following stopped");
            sleep(pause).await;
        }
    }

    /// Goes on from where the reader is: a complete reading if that is nowhere, else a watch.
    async fn step(&mut self) -> Result<(), Failure> {
        match (self.position.clone(), self.streaming) {
            (Position::Unknown(age), false) => self.list(&age).await,
            (Position::Unknown(_), true) => {
                let request = self.query.stream(&self.timing)?;
                let mut events = Events::new(self.session.stream(request).await?);
                self.stream_list(&mut events).await?;
                self.watch(&mut events).await
            }
            (Position::Version(version), _) => {
                if self.doubtful {
                    self.verify(&version).await?;
                }
                let request = self.query.watch(&self.timing, &version)?;
                let mut events = Events::new(self.session.stream(request).await?);
                self.watch(&mut events).await
            }
        }
    }

    /// Asks how far the server is. A watch from a version that it has not reached tells nothing until then, and is no
    /// error.
    async fn verify(&mut self, position: &str) -> Result<(), Failure> {
        let mut page = self.open_page(self.query.version()?).await?;
        while self.next_of(&mut page).await?.is_some() {}
        let End { version, .. } = page.end()?;
        self.doubtful = false;
        if is_before(&version, position) { Err(Failure::WentBack) } else { Ok(()) }
    }

    /// Reads everything, page by page where the server has pages.
    async fn list(&mut self, age: &Age) -> Result<(), Failure> {
        self.told.begin_listing();
        let mut token = None;
        loop {
            let request = self.query.list(age, self.paged, token.clone())?;
            let mut page = match self.open_page(request).await {
                Err(Failure::Expired) if token.is_some() => {
                    self.paged = false;
                    return Err(Failure::Expired);
                }
                page => page?,
            };
            while let Some(object) = self.next_of(&mut page).await? {
                self.tell(object).await?;
            }
            match page.end()?.next {
                Next::Page { token: next } => token = Some(next),
                Next::Watch { version } => {
                    self.paged = true;
                    return self.end_listing(version).await;
                }
            }
        }
    }

    async fn open_page(&mut self, request: http::Request<Vec<u8>>) -> Result<Page, Failure> {
        let answer = self.session.stream(request).await?;
        self.session.limited(Page::open(answer, self.query.list_kind)).await
    }

    async fn next_of(&self, page: &mut Page) -> Result<Option<Field<R>>, Failure> {
        self.session.limited(page.next()).await
    }

    /// Reads everything from the initial part of a streaming list. Only new objects count as progress: an old
    /// server takes the request for an ordinary watch, whose events would go on for ever.
    async fn stream_list(&mut self, events: &mut Events) -> Result<(), Failure> {
        self.told.begin_listing();
        let end = Instant::now() + self.timing.initial * INITIAL_FACTOR;
        let mut limit = Instant::now() + self.timing.initial;
        loop {
            let event = timeout_at(limit.min(end), events.next::<R>()).await;
            match event.map_err(|_elapsed| Failure::EndlessList)?? {
                Event::Added(object) => {
                    self.tell(object).await?;
                    limit = Instant::now() + self.timing.initial;
                }
                Event::Modified(object) => self.tell(object).await?,
                Event::Deleted(object) => self.remove(object).await?,
                Event::Bookmark { version, ends_initial: true } => return self.end_listing(version).await,
                Event::Bookmark { .. } => {}
                Event::Error(status) => return Err(Failure::from_event(status)),
            }
        }
    }

    async fn end_listing(&mut self, version: String) -> Result<(), Failure> {
        let changes = self.told.end_listing();
        self.send(changes).await?;
        if !self.synced {
            self.send(vec![Change::Synced(R::KIND)]).await?;
            self.synced = true;
        }
        self.position = Position::Version(version);
        self.doubtful = false;
        Ok(())
    }

    /// Tells of events until the watch ends, which it always does as a failure.
    async fn watch(&mut self, events: &mut Events) -> Result<(), Failure> {
        self.contact.back(R::KIND);
        let silence = self.timing.silence;
        loop {
            let event = timeout(silence, events.next::<R>()).await;
            let event = event.map_err(|_elapsed| Failure::Silent(silence))??;
            let version = match event {
                Event::Added(object) | Event::Modified(object) => {
                    let version = version(&object);
                    self.tell(object).await?;
                    version
                }
                Event::Deleted(object) => {
                    let version = version(&object);
                    self.remove(object).await?;
                    version
                }
                Event::Bookmark { version, .. } => Some(version),
                Event::Error(status) => return Err(Failure::from_event(status)),
            };
            self.advance(version)?;
            self.pauses = pauses(&self.timing);
        }
    }

    /// Notes how far the watch has come.
    fn advance(&mut self, version: Option<String>) -> Result<(), Failure> {
        let Some(version) = version.filter(|version| !version.is_empty()) else { return Ok(()) };
        if let Position::Version(before) = &self.position
            && is_before(&version, before)
        {
            return Err(Failure::WentBack);
        }
        self.position = Position::Version(version);
        Ok(())
    }

    /// Prepares the next attempt, and says how long to wait for it.
    async fn recover(&mut self, failure: &Failure, life: Duration) -> Duration {
        let listing = matches!(self.position, Position::Unknown(_));
        if failure.is_unknown_field() && self.query.drop_field_selector() {
            tracing::info!(kind = %R::KIND, "the API server cannot select by this field; selecting here");
            self.read_again();
            return Duration::ZERO;
        }
        let no_streaming = failure.is_bad_request() || matches!(failure, Failure::EndlessList);
        if listing && self.streaming && no_streaming {
            tracing::info!(kind = %R::KIND, reason = %failure, "no streaming list; reading a plain one");
            self.streaming = false;
            return Duration::ZERO;
        }
        if failure.asks_for_reconnection() {
            self.session.reconnect().await;
        }
        match failure {
            // The usual end of a watch, or one that was cut: only the next request shows what it means.
            Failure::Ended if !listing => {
                if life >= GOOD_LIFE {
                    return Duration::ZERO;
                }
            }
            Failure::Silent(_) if !listing => {
                self.doubtful = true;
                if life >= GOOD_LIFE {
                    return Duration::ZERO;
                }
            }
            Failure::Expired => self.read_again(),
            Failure::WentBack => {
                tracing::warn!(
                    server = self.session.url(), kind = %R::KIND, "{failure}; everything is read again"
                );
                self.position = Position::Unknown(Age::Newest);
            }
            // An event was lost.
            Failure::Garbage(_) | Failure::Aborted(_) => {
                self.contact.lost(R::KIND, failure);
                self.read_again();
            }
            _ => {
                self.contact.lost(R::KIND, failure);
                self.doubtful = true;
            }
        }
        if listing
            && failure.is_out_of_reach()
            && matches!(self.position, Position::Unknown(Age::NotOlderThan(_)))
        {
            self.position = Position::Unknown(Age::Newest);
        }
        let pause = self.pauses.next().unwrap_or(self.timing.longest_pause);
        pause.max(failure.retry_after()).min(self.timing.longest_pause)
    }

    /// Everything is read again, at least as new as it was known.
    fn read_again(&mut self) {
        if let Position::Version(version) = &self.position {
            self.position = Position::Unknown(Age::NotOlderThan(version.clone()));
        }
    }

    async fn tell(&mut self, object: Field<R>) -> Result<(), Failure> {
        let changes = self.told.tell(decode::decode(object, None, &mut self.pool));
        self.send(changes).await
    }

    /// An object that cannot be told from others cannot be removed, so then everything is read again.
    async fn remove(&mut self, object: Field<R>) -> Result<(), Failure> {
        let key = object.as_ref().and_then(|object| object.key());
        let key = key.ok_or_else(|| Failure::Garbage("an unnamed object was deleted".to_owned()))?;
        let change = self.told.remove(key);
        self.send(change.into_iter().collect()).await
    }

    async fn send(&mut self, changes: Vec<Change>) -> Result<(), Failure> {
        for change in changes {
            self.changes.send(change).await.map_err(|_| Failure::ReaderGone)?;
        }
        Ok(())
    }
}

/// Growing pauses, each with a random part, so that not all nodes of a cluster come back at once.
fn pauses(timing: &Timing) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(timing.shortest_pause)
        .with_max_delay(timing.longest_pause / 2)
        .without_max_times()
        .build()
}

/// Whether one version is before another, as far as they are numbers.
fn is_before(version: &str, other: &str) -> bool {
    matches!((version.parse::<u64>(), other.parse::<u64>()), (Ok(version), Ok(other)) if version < other)
}

fn version<R: Raw>(object: &Field<R>) -> Option<String> {
    object.as_ref()?.metadata()?.resource_version.as_ref().map(ToString::to_string)
}
