//! What the tests against a real kernel share.

use std::{process::Command, thread};

use nix::sched::{CloneFlags, unshare};

/// Runs a test in a network namespace of its own, which goes when the test ends.
pub(crate) fn in_new_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(thread::current().name().unwrap_or_default().to_owned());
        let running = thread.spawn_scoped(scope, || {
            unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
            test()
        });
        running.unwrap().join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs a program in the calling thread's namespace, and returns what it prints.
#[track_caller]
pub(crate) fn run(line: &str) -> String {
    let mut words = line.split(' ');
    #[expect(clippy::disallowed_methods, reason = "the tools are what the tests compare with")]
    let mut command = Command::new(words.next().unwrap());
    let output = command.args(words).output().expect(line);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines, sorted.
pub(crate) fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
