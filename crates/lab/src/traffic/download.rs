//! A long connection that can be watched.

use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::Socket;

use super::{Answer, Client, Failure, Request};
use crate::Error;

/// A download that is running, on a thread of its own.
#[derive(Debug)]
pub struct Download {
    /// Who serves it.
    pub answer: Answer,
    received: Arc<AtomicU32>,
    lines: u32,
    thread: JoinHandle<Result<(), Failure>>,
}

// === impl Download ===

impl Download {
    /// Connects and asks for a number of lines, with a pause before each. It is under way when this returns. The
    /// client's protocol has to be one with connections.
    ///
    /// # Errors
    /// The outer error is the lab's, the inner one is what the client saw.
    pub fn start(
        client: Client<'_>,
        lines: u32,
        pause: Duration,
    ) -> Result<Result<Download, Failure>, Error> {
        let socket = match client.connect()? {
            Ok(socket) => socket,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(Download::start_on(socket, lines, pause))
    }

    fn start_on(socket: Socket, lines: u32, pause: Duration) -> Result<Download, Failure> {
        let failed = |error: std::io::Error| Failure::of(&error, true);
        let request =
            Request::Download { lines, pause: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX) };
        let mut writer = &socket;
        writer.write_all(format!("{request}\n").as_bytes()).map_err(failed)?;
        let mut reader = BufReader::new(socket);
        let mut line = String::new();
        reader.read_line(&mut line).map_err(failed)?;
        let answer = Answer::parse(&line)?;
        let received = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&received);
        let thread = thread::spawn(move || {
            while count.load(Ordering::Relaxed) < lines {
                line.clear();
                if reader.read_line(&mut line).map_err(|error| Failure::of(&error, true))? == 0 {
                    return Err(Failure::NoAnswer);
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Ok(Download { answer, received, lines, thread })
    }

    /// How many lines have arrived.
    pub fn received(&self) -> u32 {
        self.received.load(Ordering::Relaxed)
    }

    /// How many lines were asked for.
    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// How the connection ended before the last line had arrived.
    pub fn finish(self) -> Result<(), Failure> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
