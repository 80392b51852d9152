//! A watch while it lasts.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::channel::Sender;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::answer::{Cut, gone};
use super::encoding::Encoding;
use super::fault::Fault;
use super::resource::Resource;
use super::selector::Selector;
use super::store::Event;
use super::{Command, Shared, lock};

/// [`Fault::CutStreamingLists`] lets as many objects through.
const OBJECTS_BEFORE_CUT: usize = 2;

/// The server's side of one watch.
pub(super) struct Watch {
    pub(super) encoding: Encoding,
    pub(super) resource: Resource,
    pub(super) selector: Selector,
    pub(super) start: Start,
    pub(super) timeout: Duration,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: Receiver<Command>,
    pub(super) sender: Sender<Bytes, Cut>,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// With everything there is; a bookmark may say where that ends.
    Everything { ends: bool },
    /// After this version.
    After(u64),
}

/// Why a watch is over.
enum End {
    /// In good order.
    Regular,
    /// With half an event.
    Cut,
}

// === impl Watch ===

impl Watch {
    /// Runs until the time is up, the client is gone, or something was made to go wrong.
    pub(super) async fn run(mut self) {
        let timeout = self.timeout;
        let end = tokio::time::timeout(timeout, self.tell()).await.unwrap_or(End::Regular);
        if let End::Cut = end {
            // The client may be gone; there is nobody else to tell.
            let _gone = self.sender.send_data(Bytes::from_static(self.encoding.half_an_event())).await;
            self.sender.abort(Cut);
        }
    }

    async fn tell(&mut self) -> End {
        if self.shared.has(Fault::EndWatchesAtOnce) {
            return End::Regular;
        }
        // Subscribed before the first look, so that no change is missed between the two.
        let mut changes = lock(&self.shared.store).changes();
        let mut version = match self.start {
            Start::After(version) if lock(&self.shared.store).remembers(version) => version,
            Start::After(_) => {
                // The client may be gone, which ends the watch too.
                let _gone = self.send("ERROR", gone()).await;
                return End::Regular;
            }
            Start::Everything { ends } => match self.tell_everything(ends).await {
                Ok(version) => version,
                Err(end) => return end,
            },
        };
        loop {
            version = match self.tell_since(version).await {
                Ok(version) => version,
                Err(end) => return end,
            };
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return End::Regular;
                    }
                }
                command = self.commands.recv() => {
                    if let Err(end) = self.obey(command, version).await {
                        return end;
                    }
                }
            }
        }
    }

    async fn tell_everything(&mut self, ends: bool) -> Result<u64, End> {
        let (version, objects) = {
            let store = lock(&self.shared.store);
            (store.version(), store.list(self.resource, &self.selector))
        };
        for (index, object) in objects.into_iter().enumerate() {
            if index == OBJECTS_BEFORE_CUT && self.shared.has(Fault::CutStreamingLists) {
                return Err(End::Cut);
            }
            self.send("ADDED", object).await?;
        }
        if ends {
            self.send_bookmark(version, json!({ "k8s.io/initial-events-end": "true" })).await?;
        }
        Ok(version)
    }

    /// Tells what happened after `version`, and returns how far that goes.
    async fn tell_since(&mut self, version: u64) -> Result<u64, End> {
        if self.shared.has(Fault::Mute) {
            return Ok(version);
        }
        let (current, events) = {
            let store = lock(&self.shared.store);
            (store.version(), store.since(self.resource, &self.selector, version))
        };
        for Event { what, object } in events {
            self.send(what, object).await?;
        }
        // A watch that is ahead of its server stays so.
        Ok(current.max(version))
    }

    /// Does what was asked of a watch that has come to `position`.
    async fn obey(&mut self, command: Result<Command, RecvError>, position: u64) -> Result<(), End> {
        match command {
            Ok(Command::Cut) => Err(End::Cut),
            Ok(Command::Say(bytes)) => self.send_data(bytes).await,
            Ok(Command::Bookmark) => {
                let version = lock(&self.shared.store).version();
                match version < position {
                    // A server never goes back in a watch. Until it has come as far it says nothing.
                    true => Ok(()),
                    false => self.send_bookmark(version, json!({})).await,
                }
            }
            Ok(Command::Forget) => {
                self.send("ERROR", gone()).await?;
                Err(End::Regular)
            }
            Err(RecvError::Lagged(_)) => Ok(()),
            Err(RecvError::Closed) => Err(End::Regular),
        }
    }

    async fn send_bookmark(&mut self, version: u64, annotations: Value) -> Result<(), End> {
        let object = json!({
            "kind": self.resource.kind(),
            "apiVersion": self.resource.api_version(),
            "metadata": {
                "resourceVersion": version.to_string(), "creationTimestamp": null, "annotations": annotations,
            },
        });
        self.send("BOOKMARK", object).await
    }

    async fn send(&mut self, what: &str, object: Value) -> Result<(), End> {
        let event = self.encoding.event(what, object).map_err(|_misfit| End::Cut)?;
        self.send_data(event).await
    }

    async fn send_data(&mut self, data: Vec<u8>) -> Result<(), End> {
        self.sender.send_data(Bytes::from(data)).await.map_err(|_| End::Regular)
    }
}
