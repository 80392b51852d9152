//! Lists: how they end, and what interrupts them.

use super::*;

#[test]
fn a_dump_goes_on_to_its_end() {
    let mut kernel = connection(|sent| {
        assert_eq!(sent[0].flags & DUMP, DUMP);
        let sequence = sent[0].sequence;
        let first = [data(sequence, 2, 1), data(sequence - 1, 2, 99), data(sequence, 2, 2)].concat();
        vec![Datagram(first), Datagram([data(sequence, 2, 3), done(sequence, 2, 0)].concat())]
    });
    assert_eq!(list(&mut kernel), Ok(vec![1, 2, 3]));
}

/// The flag can stand on any message, the last included.
#[test]
fn an_inconsistent_dump_is_tried_again() {
    for flagged_message in 0..2 {
        let mut attempts = 0;
        let mut kernel = connection(move |sent| {
            attempts += 1;
            let sequence = sent[0].sequence;
            let flag = |place| if attempts < 3 && place == flagged_message { DUMP_INTR } else { 0 };
            vec![Datagram([data(sequence, flag(0), attempts), done(sequence, flag(1), 0)].concat())]
        });
        assert_eq!(list(&mut kernel), Ok(vec![3]));
        assert_eq!(kernel.traffic().sends, 3);
    }
}

#[test]
fn a_dump_that_is_never_consistent_is_an_error() {
    let mut kernel = connection(|sent| vec![Datagram(done(sent[0].sequence, DUMP_INTR, 0))]);
    assert_eq!(list(&mut kernel), Err(Error::Interrupted { what: "asking", attempts: 10 }));
    assert_eq!(kernel.traffic().sends, 10);
}

#[test]
fn a_lenient_dump_that_is_never_consistent_gives_the_last_attempt() {
    let mut attempts = 0;
    let mut kernel = connection(move |sent| {
        attempts += 1;
        let sequence = sent[0].sequence;
        vec![Datagram([data(sequence, DUMP_INTR, attempts), done(sequence, 0, 0)].concat())]
    });
    let listed = kernel.dump_leniently(5, &QUESTION, |message, found| {
        found.push(number(message)?);
        Ok(())
    });
    assert_eq!(listed, Ok(vec![5]));
    assert_eq!(kernel.traffic().sends, 5);
}

#[test]
fn a_dump_can_fail_at_any_point() {
    let check = |answer: fn(u32) -> Vec<Received>, expected: Error| {
        assert_eq!(list(&mut connection(move |sent| answer(sent[0].sequence))), Err(expected));
    };
    let what = "asking";
    let refused = Error::Kernel { what, errno: Errno::EPERM, message: None };
    check(|sequence| vec![Datagram(report(sequence, -1))], refused.clone());
    check(|sequence| vec![Datagram(data(sequence, 2, 1)), Datagram(done(sequence, 2, -1))], refused);
    check(|sequence| vec![Datagram(data(sequence, 2, 1))], Error::Timeout { what });
    let full = Error::LostReplies { what, reason: "the receive buffer was full" };
    check(|sequence| vec![Datagram(data(sequence, 2, 1)), Failure(Errno::ENOBUFS)], full);
    let cut_off = Error::LostReplies { what, reason: "a reply was cut off" };
    check(|sequence| vec![Truncated(data(sequence, 2, 1))], cut_off);
    let overrun = Error::LostReplies { what, reason: "the kernel reports an overrun" };
    check(|sequence| vec![Datagram(message(NLMSG_OVERRUN, 0, sequence, &[]))], overrun);
    let acknowledged = Error::Malformed { what, problem: "an acknowledgement instead of an answer" };
    check(|sequence| vec![Datagram(report(sequence, 0))], acknowledged);
    let malformed = Error::Malformed { what, problem: "no number" };
    check(|sequence| vec![Datagram(message(KIND, 2, sequence, &[]))], malformed);
}

/// The rest of a dump that could not be read would be taken for the next answer, and keep the next dump out.
#[test]
fn after_a_malformed_dump_the_rest_is_dropped() {
    let (mut kernel, discards) =
        connection_and_discards(|sent| vec![Datagram(message(KIND, 2, sent[0].sequence, &[]))]);
    assert!(list(&mut kernel).is_err());
    assert!(list(&mut kernel).is_err());
    assert_eq!(discards.load(Ordering::Relaxed), 1);
}
