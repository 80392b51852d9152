//! The task that sends Events.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use http::StatusCode;
use jiff::Timestamp;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use super::bucket::Bucket;
use super::series::{Series, Step};
use super::{Event, Told, message};
use crate::kubernetes::failure::Failure;
use crate::kubernetes::session::Session;
use crate::kubernetes::timing::Timing;

/// How often a request is sent again that was not answered.
const MOST_RETRIES: usize = 4;

/// How much longer each pause is than the one before. With the default timing all of them together are about
/// half a minute, which an API server needs for a restart.
const PAUSE_FACTOR: f32 = 4.0;

/// Why a namespace that is being deleted takes no Events.
const TERMINATING: &str = "NamespaceTerminating";

/// Sends one Event after the other.
pub(super) struct Writer {
    session: Session,
    series: Series,
    bucket: Bucket,
    /// Whether the last Event was lost because of the server.
    failing: bool,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It may be different next time.
    Temporary,
    /// The server takes no Events from us.
    Unwanted,
    /// It does not take this Event.
    Unfit,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(session: Session) -> Self {
        Writer { session, series: Series::default(), bucket: Bucket::full(), failing: false }
    }

    /// Runs until nobody can record anything any more and everything is sent.
    pub(super) async fn run(mut self, mut waiting: Receiver<Told>) {
        while let Some(told) = waiting.recv().await {
            let (event, time) = match told {
                Told::Event(event, time) => (*event, time),
                Told::Flush(done) => {
                    // Whoever asked may have gone.
                    let _ = done.send(());
                    continue;
                }
            };
            let outcome = match self.series.step(&event) {
                Step::Count => continue,
                Step::Create => self.create(event.clone(), time).await,
                Step::Renew { name, count } => self.renew(event.clone(), &name, count, time).await,
            };
            self.tell(&event, outcome);
        }
    }

    async fn create(&mut self, event: Event, time: Timestamp) -> Result<(), Failure> {
        let name = message::name(&event, time);
        let node = self.session.config().node_name.clone();
        match self.send(message::create(&event, &name, time, &node)?).await {
            // Another node has told the same, or an earlier request did arrive and its answer did not.
            Err(failure) if failure.code() == Some(StatusCode::CONFLICT) => {}
            outcome => outcome?,
        }
        self.series.created(event, name);
        Ok(())
    }

    async fn renew(&mut self, event: Event, name: &str, count: i32, time: Timestamp) -> Result<(), Failure> {
        match self.send(message::renew(&event, name, count, time)?).await {
            // Somebody has deleted it.
            Err(failure) if failure.code() == Some(StatusCode::NOT_FOUND) => self.create(event, time).await,
            outcome => outcome,
        }
    }

    /// Sends a request when its turn has come, again and again if it is worth it.
    async fn send(&mut self, request: http::Request<Vec<u8>>) -> Result<(), Failure> {
        self.bucket.take().await;
        let timing = self.session.config().timing;
        let mut pauses = pauses(&timing);
        loop {
            let Err(failure) = self.session.write(request.clone()).await else { return Ok(()) };
            if Verdict::of(&failure) != Verdict::Temporary {
                return Err(failure);
            }
            if failure.asks_for_reconnection() {
                self.session.reconnect().await;
            }
            let Some(pause) = pauses.next() else { return Err(failure) };
            sleep(pause.max(failure.retry_after()).min(timing.longest_pause)).await;
        }
    }

    /// Says when Events begin to be lost, and when they are recorded again.
    fn tell(&mut self, event: &Event, outcome: Result<(), Failure>) {
        let server = self.session.url();
        match outcome {
            Ok(()) if self.failing => {
                tracing::info!(server, "Events are recorded again");
                self.failing = false;
            }
            Ok(()) => {}
            Err(failure) if Verdict::of(&failure) == Verdict::Unfit => {
                tracing::debug!(server, %event, reason = %failure, "the API server does not take an Event");
            }
            Err(failure) => {
                if !self.failing {
                    tracing::warn!(server, reason = %failure, "Events cannot be recorded; they are dropped");
                }
                self.failing = true;
                tracing::debug!(server, %event, reason = %failure, "an Event is dropped");
            }
        }
    }
}

// === impl Verdict ===

impl Verdict {
    fn of(failure: &Failure) -> Self {
        let Failure::Refused(status) = failure else { return Verdict::Temporary };
        let causes = || status.details.iter().flat_map(|details| &details.causes);
        match failure.code() {
            None | Some(StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS) => Verdict::Temporary,
            Some(code) if code.is_server_error() => Verdict::Temporary,
            Some(StatusCode::FORBIDDEN) if !causes().any(|cause| cause.reason == TERMINATING) => {
                Verdict::Unwanted
            }
            Some(_) => Verdict::Unfit,
        }
    }
}

/// Growing pauses with a random part, as many as there are retries.
fn pauses(timing: &Timing) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(timing.shortest_pause)
        .with_factor(PAUSE_FACTOR)
        .with_max_delay(timing.longest_pause)
        .with_max_times(MOST_RETRIES)
        .build()
}
