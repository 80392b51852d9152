use super::*;

const PERIODS: Periods = Periods { audit: Duration::from_secs(30), changes: Duration::from_secs(2) };

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// A pacer that has done its first sync at the time that is returned.
fn settled() -> (Pacer, Instant) {
    let now = Instant::now();
    let mut pacer = Pacer::new(PERIODS);
    pacer.start(None);
    assert_eq!(pacer.due(now), Some(Work::FirstSync));
    pacer.done(Scope::Whole, true, false, now);
    (pacer, now)
}

#[test]
fn nothing_is_done_before_everything_is_listed() {
    let now = Instant::now();
    let mut pacer = Pacer::new(PERIODS);
    pacer.changed();
    assert_eq!((pacer.due(now), pacer.next(now)), (None, None));
    pacer.start(None);
    assert_eq!(pacer.next(now), Some(now));
    assert_eq!(pacer.due(now), Some(Work::FirstSync));
    assert_eq!(pacer.due(now), None);
}

#[test]
fn the_first_change_is_applied_at_once_and_the_next_after_the_period() {
    let (mut pacer, now) = settled();
    pacer.changed();
    assert_eq!(pacer.next(now), Some(now));
    assert_eq!(pacer.due(now), Some(Work::Changes));
    pacer.changed();
    assert_eq!(pacer.due(now + seconds(1)), None);
    assert_eq!(pacer.next(now + seconds(1)), Some(now + seconds(2)));
    assert_eq!(pacer.due(now + seconds(2)), Some(Work::Changes));
}

#[test]
fn audits_come_in_their_period() {
    let (mut pacer, now) = settled();
    assert_eq!(pacer.next(now), Some(now + seconds(30)));
    assert_eq!(pacer.due(now + seconds(29)), None);
    assert_eq!(pacer.due(now + seconds(30)), Some(Work::Audit));
    assert_eq!(pacer.next(now + seconds(30)), Some(now + seconds(60)));
}

#[test]
fn a_look_comes_after_everything_else() {
    let (mut pacer, now) = settled();
    pacer.look_again(now);
    pacer.changed();
    assert_eq!(pacer.next(now), Some(now));
    assert_eq!(pacer.due(now), Some(Work::Changes));
    assert_eq!(pacer.due(now), Some(Work::Look));
    assert_eq!(pacer.due(now), None);
}

#[test]
fn a_long_audit_is_followed_by_a_long_rest() {
    let (mut pacer, now) = settled();
    let next = |pacer: &mut Pacer, took| {
        assert_eq!(pacer.due(now + seconds(30)), Some(Work::Audit));
        pacer.audited(took, now + seconds(30));
        pacer.done(Scope::Whole, true, false, now + seconds(30));
        let next = pacer.next(now).unwrap() - now;
        pacer.audit_now();
        next
    };
    assert_eq!(next(&mut pacer, Duration::from_millis(99)), seconds(60));
    assert_eq!(next(&mut pacer, seconds(2)), seconds(630));
    assert_eq!(next(&mut pacer, seconds(20)), seconds(3630));
    // What goes wrong is not waited for.
    pacer.done(Scope::Part, false, false, now + seconds(31));
    pacer.audit_at_once = false;
    assert_eq!(pacer.next(now), Some(now + seconds(32)));

    let mut eager = Pacer::new(Periods { audit: seconds(10), ..PERIODS });
    eager.start(None);
    assert_eq!(eager.due(now), Some(Work::FirstSync));
    assert_eq!(eager.due(now + seconds(10)), Some(Work::Audit));
    eager.audited(seconds(2), now + seconds(10));
    assert_eq!(eager.next(now), Some(now + seconds(20)));
}

#[test]
fn a_failure_is_tried_again_soon_and_then_more_and_more_rarely() {
    let (mut pacer, mut now) = settled();
    pacer.done(Scope::Part, false, false, now);
    for wait in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(pacer.next(now), Some(now + seconds(wait)));
        now += seconds(wait);
        assert_eq!(pacer.due(now), Some(Work::Audit));
        pacer.done(Scope::Whole, false, false, now);
    }
    // A change that goes well says nothing about what failed before; an audit does.
    pacer.done(Scope::Part, true, false, now);
    assert_eq!(pacer.next(now), Some(now + seconds(30)));
    assert_eq!(pacer.due(now + seconds(30)), Some(Work::Audit));
    pacer.done(Scope::Whole, true, false, now + seconds(30));
    pacer.done(Scope::Part, false, false, now + seconds(31));
    assert_eq!(pacer.next(now + seconds(31)), Some(now + seconds(32)));
}

#[test]
fn sweeps_come_only_while_something_drains() {
    let (mut pacer, now) = settled();
    pacer.done(Scope::Part, true, true, now);
    assert_eq!(pacer.next(now), Some(now + seconds(5)));
    assert_eq!(pacer.due(now + seconds(5)), Some(Work::Sweep));
    pacer.done(Scope::Part, true, false, now + seconds(5));
    assert_eq!(pacer.next(now), Some(now + seconds(30)));
}

#[test]
fn an_audit_can_be_asked_for() {
    let (mut pacer, now) = settled();
    pacer.audit_now();
    assert_eq!(pacer.next(now), Some(now));
    assert_eq!(pacer.due(now), Some(Work::Audit));
    assert_eq!(pacer.due(now), None);
}

#[test]
fn drift_is_looked_at_at_once_but_not_more_than_once_a_second() {
    let (mut pacer, now) = settled();
    pacer.drifted(now);
    assert_eq!(pacer.due(now), Some(Work::Audit));
    pacer.drifted(now);
    assert_eq!(pacer.due(now), None);
    assert_eq!(pacer.next(now), Some(now + seconds(1)));
    assert_eq!(pacer.due(now + seconds(1)), Some(Work::Audit));
}

/// What is seen while an audit is under way may be wrong where it has looked already.
#[test]
fn what_drifts_or_fails_during_an_audit_is_not_put_off_by_its_end() {
    let half = Duration::from_millis(500);
    let at_end = |happens: fn(&mut Pacer, Instant)| {
        let (mut pacer, now) = settled();
        let began = now + seconds(30);
        assert_eq!(pacer.due(began), Some(Work::Audit));
        pacer.look_again(began);
        happens(&mut pacer, began);
        assert_eq!(pacer.due(began), Some(Work::Look));
        let scope = pacer.audited(seconds(12), began + half);
        pacer.done(scope, true, false, began + half);
        (scope, pacer.next(began).unwrap() - began, pacer.retry)
    };
    assert_eq!(at_end(|_, _| {}), (Scope::Whole, seconds(3600) + half, None));
    assert_eq!(at_end(Pacer::drifted), (Scope::Part, seconds(1), None));
    let fails = |pacer: &mut Pacer, now| pacer.done(Scope::Part, false, false, now);
    assert_eq!(at_end(fails), (Scope::Part, seconds(1), Some(FIRST_RETRY)));
}

/// The audit under way looks again at most of what it has seen, but not at everything.
#[test]
fn a_retry_that_falls_into_an_audit_is_repeated_after_it() {
    let (mut pacer, now) = settled();
    let began = now + seconds(30);
    assert_eq!(pacer.due(began), Some(Work::Audit));
    pacer.look_again(began + seconds(1));
    pacer.done(Scope::Part, false, false, began);
    assert_eq!(pacer.due(began + seconds(1)), Some(Work::Audit));
    assert_eq!(pacer.due(began + seconds(1)), Some(Work::Look));
    let ended = began + seconds(2);
    assert_eq!(pacer.audited(seconds(2), ended), Scope::Part);
    pacer.done(Scope::Part, true, false, ended);
    assert_eq!(pacer.due(ended + seconds(1)), Some(Work::Audit));
    assert_eq!(pacer.audited(seconds(2), ended + seconds(2)), Scope::Whole);
}

#[test]
fn an_audit_applies_the_changes_that_wait() {
    let (mut pacer, now) = settled();
    pacer.changed();
    assert_eq!(pacer.due(now), Some(Work::Changes));
    pacer.changed();
    pacer.audited(Duration::ZERO, now + seconds(1));
    assert_eq!(pacer.due(now + seconds(2)), None);
    pacer.changed();
    assert_eq!(pacer.next(now + seconds(2)), Some(now + seconds(3)));
}
