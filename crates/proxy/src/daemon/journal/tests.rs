use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, OnceLock};

use dataplane::{Error, Foundation, Repaired};
use expect_test::{Expect, expect};
use tracing_subscriber::fmt;

use super::*;

/// What is written to it is kept.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[track_caller]
fn check(tell: impl FnOnce(&mut Journal), expected: Expect) {
    // As long as there is one subscriber only, what a thread without it says first is silenced for all.
    static ANOTHER: OnceLock<tracing::Dispatch> = OnceLock::new();
    ANOTHER.get_or_init(|| fmt().with_writer(io::sink).finish().into());
    let paper = Paper::default();
    let writer = paper.clone();
    let lines = fmt().with_writer(move || writer.clone()).with_ansi(false).with_target(false).without_time();
    tracing::subscriber::with_default(lines.finish(), || tell(&mut Journal::default()));
    let said = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let said: Vec<&str> =
        said.lines().map(|line| line.split(" took_ms=").next().unwrap_or(line).trim()).collect();
    expected.assert_eq(&said.join("\n"));
}

fn failed() -> Report {
    let errors = vec![Error::NoIpv6 { reason: "none" }, Error::NoDummy { name: "kube-ipvs0" }];
    Report { errors, sent: 7, ..Report::default() }
}

#[test]
fn the_first_sync_is_done_when_nothing_fails() {
    let state = State::default();
    check(
        |journal| {
            journal.first_sync(&Report { sent: 7, ..Report::default() }, Instant::now());
            journal.progress(&state, &Report::default());
            journal.progress(&state, &failed());
        },
        expect![[
            r#"INFO first sync done virtual_servers=0 real_servers=0 addresses=0 set_entries=0 changes=7 prepared=0"#
        ]],
    );
}

#[test]
fn a_first_sync_that_fails_says_so_until_it_is_done() {
    let state = State::default();
    check(
        |journal| {
            journal.first_sync(&failed(), Instant::now());
            journal.progress(&state, &failed());
            journal.progress(&state, &failed());
            journal.progress(&state, &Report::default());
        },
        expect![[r#"
            WARN first sync incomplete, not ready failures=2 first="no IPv6 here: none"
            INFO first sync done virtual_servers=0 real_servers=0 addresses=0 set_entries=0 changes=7 prepared=0"#]],
    );
}

#[test]
fn one_event_is_one_line() {
    let repaired =
        (0..12).map(|number| Repaired::new(Foundation::Set, format!("set {number} created"))).collect();
    let report = Report { repaired, ..Report::default() };
    check(
        |journal| journal.audit(&report, false),
        expect![[
            r#"WARN kernel differed from the plan; put right count=12 examples="set 0 created; set 1 created; set 2 created; set 3 created; set 4 created; set 5 created; set 6 created; set 7 created; set 8 created; set 9 created""#
        ]],
    );
}

#[test]
fn why_changes_were_missed_is_said_once() {
    let reasons = [ErrorKind::OutOfMemory, ErrorKind::OutOfMemory, ErrorKind::BrokenPipe];
    check(
        |journal| reasons.into_iter().for_each(|reason| journal.missed(&io::Error::from(reason))),
        expect![[r#"
            WARN changes of interfaces were missed; an audit looks at all of them, now and whenever that happens again error="out of memory"
            WARN changes of interfaces were missed; an audit looks at all of them, now and whenever that happens again error="broken pipe""#]],
    );
}

/// What there is to tell when these Services claim one address, the served one first.
fn contested(names: &[&str]) -> Update {
    let mut claimants = names.iter().map(|name| ObjectKey::new("shop", *name));
    let address = "192.0.2.1".parse().unwrap();
    let key = VirtualServerKey { address, port: 80, protocol: model::Protocol::Tcp };
    match (claimants.next(), claimants.collect::<Vec<_>>()) {
        (Some(winner), losers) if !losers.is_empty() => {
            Update { conflicts: vec![Conflict { key, winner, losers }], ..Update::default() }
        }
        _ => Update { resolved: vec![key], ..Update::default() },
    }
}

/// Who lost to the same Service before has heard of it.
#[test]
fn a_conflict_is_told_to_those_whom_it_is_news_for() {
    let mut journal = Journal::default();
    for (claimants, expected) in [
        (&["a", "b"][..], &["b"][..]),
        (&["a", "b", "c"], &["c"]),
        (&["a", "c"], &[]),
        (&["c", "d"], &["d"]),
        (&["c"], &[]),
        (&["c", "d"], &["d"]),
    ] {
        let told = journal.update(&contested(claimants));
        let told: Vec<&str> = told.iter().map(|complaint| &*complaint.service.name).collect();
        assert_eq!(told, expected, "{claimants:?}");
    }
}

/// Once each time that it is chosen.
#[test]
fn a_default_scheduler_that_the_kernel_lacks_is_news_once() {
    use Scheduler::{Lc, Rr};
    let mut journal = Journal::default();
    for (scheduler, expected) in [(Rr, None), (Lc, Some(Lc)), (Lc, None), (Rr, None), (Lc, Some(Lc))] {
        let options = Options { scheduler, unavailable: [Lc].into(), ..Options::default() };
        assert_eq!(journal.missing_scheduler(&options), expected);
    }
}
