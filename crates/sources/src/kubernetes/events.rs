//! The events of a watch, one JSON object per line.

use std::pin::Pin;

use futures::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use kube::core::WatchEvent;

use super::failure::Failure;
use crate::decode::{self, Field, Raw};

/// A longer line is not an event. The largest object that an API server stores is 1.5 MiB by default.
const LONGEST_LINE: usize = 64 << 20;

/// The answer to a watch request while it arrives.
pub(super) struct Events {
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    line: Vec<u8>,
}

// === impl Events ===

impl Events {
    pub(super) fn new(reader: impl AsyncBufRead + Send + 'static) -> Self {
        Events { reader: Box::pin(reader), line: Vec::new() }
    }

    /// The next event. An object of the wrong shape is an event all the same, but text that is no event at all
    /// is a [`Failure::Garbage`]: what it said is lost.
    pub(super) async fn next<R: Raw>(&mut self) -> Result<WatchEvent<Field<R>>, Failure> {
        loop {
            self.line.clear();
            let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
            let mut reader = (&mut self.reader).take(limit);
            let length = reader
                .read_until(b'\n', &mut self.line)
                .await
                .map_err(|error| Failure::from_broken_stream(&error))?;
            if length >= LONGEST_LINE {
                return Err(Failure::Garbage(format!("a line of more than {LONGEST_LINE} bytes")));
            }
            let complete = self.line.ends_with(b"\n");
            let line = self.line.trim_ascii();
            if line.is_empty() && complete {
                continue;
            }
            return match decode::parse(line) {
                Ok(event) => Ok(event),
                // The connection was cut within a line.
                Err(_) if !complete => Err(Failure::Ended),
                Err(error) => Err(Failure::Garbage(error.to_string())),
            };
        }
    }
}
