//! What a process asks of the kernel, and when, as the kernel's own tracing tells it: it costs the process little and
//! knows nothing of how the process measures itself.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process;

const TRACING: &str = "/sys/kernel/tracing";

/// The thread of kube-ipvs that reads from the API server.
const READER: &str = "tokio-rt-worker";

/// Numbers of system calls on x86-64 that receive: `read`, `recvfrom`, `recvmsg`.
const RECEIVING: [u32; 3] = [0, 45, 47];

/// The tracing of one process.
pub(crate) struct Tracing {
    folder: PathBuf,
}

/// One change, from its event to the kernel's last acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    /// From the end of the call that received the event to the end of the one that received the acknowledgement.
    pub(crate) latency: Duration,
    /// System calls that ended in between, the two included.
    pub(crate) calls: usize,
}

/// The end of a system call.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Call<'a> {
    thread: &'a str,
    at: f64,
    number: u32,
    result: i64,
}

// === impl Tracing ===

impl Tracing {
    /// Begins to watch a process with all its threads.
    pub(crate) fn start(id: u32) -> Result<Tracing> {
        let folder = PathBuf::from(TRACING);
        if !folder.join("trace").exists() {
            process::run(&["mount", "-t", "tracefs", "tracefs", TRACING])?;
        }
        let tracing = Tracing { folder };
        let tasks = fs::read_dir(format!("/proc/{id}/task")).context("kube-ipvs has ended")?;
        let tasks: Vec<String> =
            tasks.flatten().map(|task| task.file_name().to_string_lossy().into_owned()).collect();
        tracing.write("trace_clock", "mono")?;
        tracing.write("buffer_size_kb", "4096")?;
        tracing.write("set_event_pid", &tasks.join(" "))?;
        tracing.write("events/raw_syscalls/sys_exit/enable", "1")?;
        tracing.write("tracing_on", "1")?;
        Ok(tracing)
    }

    /// Forgets what was seen so far.
    pub(crate) fn clear(&self) -> Result<()> {
        self.write("trace", "")
    }

    /// The change that was seen since the last clearing, if there was one.
    pub(crate) fn change(&self) -> Result<Option<Change>> {
        let path = self.folder.join("trace");
        let trace = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(change_in(&trace))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        // Nothing is left to be done if it fails.
        let _ = self.write("events/raw_syscalls/sys_exit/enable", "0");
    }
}

fn change_in(trace: &str) -> Option<Change> {
    let calls: Vec<Call<'_>> = trace.lines().filter_map(call).collect();
    let receives = |call: &Call<'_>| RECEIVING.contains(&call.number) && call.result > 0;
    let first = calls.iter().position(|call| call.thread == READER && receives(call))?;
    let last = calls.iter().rposition(|call| call.thread != READER && receives(call))?;
    let (event, acknowledgement) = (calls.get(first)?, calls.get(last)?);
    let latency = Duration::try_from_secs_f64(acknowledgement.at - event.at).ok()?;
    Some(Change { latency, calls: last + 1 - first })
}

/// Reads ` kube-ipvs-123     [001] .....   45.678901: sys_exit: NR 45 = 20`.
fn call(line: &str) -> Option<Call<'_>> {
    let (before, after) = line.split_once(": sys_exit: NR ")?;
    let (number, result) = after.split_once(" = ")?;
    let (task, _) = before.trim_start().split_once(|c: char| c.is_whitespace())?;
    let (thread, _) = task.rsplit_once('-')?;
    let at = before.rsplit(char::is_whitespace).next()?;
    Some(Call {
        thread,
        at: at.parse().ok()?,
        number: number.parse().ok()?,
        result: result.trim().parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_ends_with_the_last_acknowledgement() {
        let trace = "\
# tracer: nop
 tokio-rt-worker-12      [000] .....    10.000000: sys_exit: NR 232 = 1
 tokio-rt-worker-12      [000] .....    10.001000: sys_exit: NR 45 = 900
 tokio-rt-worker-12      [000] .....    10.001100: sys_exit: NR 45 = -11
 kube-ipvs-11      [001] .....    10.002000: sys_exit: NR 44 = 100
 kube-ipvs-11      [001] .....    10.003500: sys_exit: NR 45 = 36
 kube-ipvs-11      [001] .....    10.003600: sys_exit: NR 45 = -11
";
        let change = change_in(trace).unwrap();
        assert_eq!((change.latency.as_micros(), change.calls), (2500, 4));
        assert_eq!(change_in("# tracer: nop\n"), None);
    }
}
