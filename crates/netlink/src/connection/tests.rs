mod dumps;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use proptest::{collection::btree_set, prelude::*};

use super::{Connection, Duration, Question};
use crate::{
    Errno, Error, Outcome, Refused,
    attribute::{Encoder, Malformed},
    message::{ACK, Batch, DUMP, DUMP_INTR, Message, Messages, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN},
    socket::Transport,
};

const KIND: u16 = 0x100;
const QUESTION: Question<'_> = Question { what: "asking", kind: KIND, flags: 0, body: &|_| {} };

/// A message that was sent.
#[derive(Debug, Clone)]
struct Sent {
    flags: u16,
    sequence: u32,
    /// What the test's encoder wrote.
    number: u32,
}

/// What a receive gives.
#[derive(Debug, Clone)]
enum Received {
    Datagram(Vec<u8>),
    /// A datagram of which the end is missing.
    Truncated(Vec<u8>),
    Failure(Errno),
}

use Received::{Datagram, Failure, Truncated};

/// A kernel that answers each send by a function.
struct Scripted<F> {
    answer: F,
    waiting: VecDeque<Received>,
    discards: Arc<AtomicU32>,
}

// === impl Scripted ===

impl<F: FnMut(&[Sent]) -> Vec<Received> + Send> Transport for Scripted<F> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let sent: Vec<Sent> = Messages::new(bytes).map(|message| Sent::from(message.unwrap())).collect();
        self.waiting.extend((self.answer)(&sent));
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        buffer.clear();
        match self.waiting.pop_front().unwrap_or(Failure(Errno::EAGAIN)) {
            Datagram(bytes) => {
                buffer.extend_from_slice(&bytes);
                Ok(bytes.len())
            }
            Truncated(bytes) => {
                buffer.extend_from_slice(&bytes);
                Ok(bytes.len() + 1)
            }
            Failure(errno) => Err(errno),
        }
    }

    fn discard(&mut self) {
        self.discards.fetch_add(1, Ordering::Relaxed);
    }
}

impl From<Message<'_>> for Sent {
    fn from(message: Message<'_>) -> Self {
        assert_eq!(message.kind, KIND);
        let number = message.payload.first_chunk().copied().unwrap_or_default();
        Self { flags: message.flags, sequence: message.sequence, number: u32::from_ne_bytes(number) }
    }
}

fn connection(answer: impl FnMut(&[Sent]) -> Vec<Received> + Send + 'static) -> Connection {
    connection_and_discards(answer).0
}

fn connection_and_discards(
    answer: impl FnMut(&[Sent]) -> Vec<Received> + Send + 'static,
) -> (Connection, Arc<AtomicU32>) {
    let discards = Arc::new(AtomicU32::new(0));
    let kernel = Scripted { answer, waiting: VecDeque::new(), discards: Arc::clone(&discards) };
    (Connection::over(Box::new(kernel)), discards)
}

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An error report as the kernel makes it with `NETLINK_CAP_ACK`; an acknowledgement if the error is 0.
fn report(sequence: u32, error: i32) -> Vec<u8> {
    let mut payload = error.to_ne_bytes().to_vec();
    payload.extend(message(KIND, 0, sequence, &[]));
    message(NLMSG_ERROR, 0x100, sequence, &payload)
}

fn data(sequence: u32, flags: u16, number: u32) -> Vec<u8> {
    message(KIND, flags, sequence, &number.to_ne_bytes())
}

fn done(sequence: u32, flags: u16, error: i32) -> Vec<u8> {
    message(NLMSG_DONE, flags, sequence, &error.to_ne_bytes())
}

/// What the kernel answers to a batch in which it refuses some.
fn reports(sent: &[Sent], refuses: impl Fn(u32) -> bool) -> Vec<Vec<u8>> {
    let answer = |sent: &Sent| {
        if refuses(sent.number) {
            Some(report(sent.sequence, -Errno::EEXIST.raw()))
        } else {
            (sent.flags & ACK != 0).then(|| report(sent.sequence, 0))
        }
    };
    sent.iter().filter_map(answer).collect()
}

fn numbered(batch: &mut Batch<usize>, index: usize, number: &u32) -> Result<(), Errno> {
    batch.push(index, KIND, 0, |encoder| encoder.raw(&number.to_ne_bytes()))
}

fn apply(connection: &mut Connection, count: u32) -> Result<Vec<Outcome>, Error> {
    connection.apply("changing", &(0..count).collect::<Vec<_>>(), numbered)
}

fn exists() -> Outcome {
    Err(Refused { errno: Errno::EEXIST, message: None })
}

fn lost(reason: &'static str) -> Error {
    Error::LostReplies { what: "changing", reason }
}

fn number(message: &Message<'_>) -> Result<u32, Malformed> {
    message.payload.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)).ok_or(Malformed("no number"))
}

fn list(connection: &mut Connection) -> Result<Vec<u32>, Error> {
    connection.dump(&QUESTION, |message, found| {
        found.push(number(message)?);
        Ok(())
    })
}

/// Each outcome is that of its request, whatever the number of requests and whichever are refused; each send has
/// at most 64 messages in a row of which the last alone asks for an acknowledgement.
#[track_caller]
fn check_outcomes(count: u32, refused: &std::collections::BTreeSet<u32>, joined: bool) {
    let refuses = refused.clone();
    let mut next = None;
    let mut kernel = connection(move |sent| {
        assert!(sent.len() <= 64);
        for (place, message) in (1..).zip(sent) {
            assert_eq!(message.flags & ACK != 0, place == sent.len());
            assert_eq!(message.sequence, *next.get_or_insert(message.sequence));
            next = Some(message.sequence.wrapping_add(1));
        }
        let reports = reports(sent, |number| refuses.contains(&number));
        if joined { vec![Datagram(reports.concat())] } else { reports.into_iter().map(Datagram).collect() }
    });
    // The sequence numbers start again on the way.
    kernel.sequence = u32::MAX - 70;
    let expected: Vec<Outcome> =
        (0..count).map(|number| if refused.contains(&number) { exists() } else { Ok(()) }).collect();
    assert_eq!(apply(&mut kernel, count), Ok(expected));
    let traffic = kernel.traffic();
    assert_eq!(traffic.messages, u64::from(count));
    assert_eq!(traffic.sends, u64::from(count.div_ceil(64)));
}

#[test]
fn outcomes_are_right_around_multiples_of_the_batch_size() {
    for count in [0_u32, 1, 2, 62, 63, 64, 65, 66, 127, 128, 129, 192, 640] {
        for refused in
            [vec![], vec![0], vec![count.saturating_sub(1)], vec![63], vec![64], (0..count).collect()]
        {
            for joined in [false, true] {
                check_outcomes(
                    count,
                    &refused.iter().copied().filter(|number| *number < count).collect(),
                    joined,
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn outcomes_are_right_for_any_refusals(
        count in 0_u32..300,
        refused in btree_set(0_u32..300, 0..40),
        joined: bool,
    ) {
        check_outcomes(count, &refused.into_iter().filter(|number| *number < count).collect(), joined);
    }

    #[test]
    fn garbage_is_an_error(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
        let answer = move |_: &[Sent]| vec![Datagram(bytes.clone())];
        prop_assert!(apply(&mut connection(answer.clone()), 3).is_err());
        prop_assert!(list(&mut connection(answer.clone())).is_err());
        prop_assert!(connection(answer).ask(&QUESTION, number).is_err());
    }

    /// One byte of the acknowledgement is different: it may still be good, but must not be taken for a refusal
    /// of another request, nor panic.
    #[test]
    fn a_damaged_acknowledgement_never_blames_the_wrong_request(place in 0_usize..40, value: u8) {
        let mut kernel = connection(move |sent| {
            let mut reports = reports(sent, |number| number == 1).concat();
            if let Some(byte) = reports.get_mut(36 + place) {
                *byte = value;
            }
            vec![Datagram(reports)]
        });
        if let Ok(outcomes) = apply(&mut kernel, 3) {
            prop_assert_eq!(&outcomes[..1], &[Ok(())]);
            prop_assert!(outcomes[1].is_err());
        }
    }
}

#[test]
fn large_messages_fill_fewer_to_a_send() {
    let sizes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&sizes);
    let mut kernel = connection(move |sent| {
        seen.lock().unwrap().push(sent.len());
        reports(sent, |_| false).into_iter().map(Datagram).collect()
    });
    let requests = vec![(); 70];
    let outcomes = kernel.apply("changing", &requests, |batch, index, ()| {
        batch.push(index, KIND, 0, |encoder| encoder.raw(&[0; 1008]))
    });
    assert_eq!(outcomes, Ok(vec![Ok(()); 70]));
    assert_eq!(*sizes.lock().unwrap(), [32, 32, 6]);
}

#[test]
fn what_cannot_be_encoded_is_refused_and_not_sent() {
    let mut kernel = connection(|sent| reports(sent, |_| false).into_iter().map(Datagram).collect());
    let texts = ["short".to_owned(), "long".repeat(20_000), "ze\0ro".to_owned(), "short".to_owned()];
    let outcomes = kernel.apply("changing", &texts, |batch, index, text| {
        batch.push(index, KIND, 0, |encoder| encoder.put_string(1, text))
    });
    let refused = |errno| Err(Refused { errno, message: None });
    assert_eq!(outcomes, Ok(vec![Ok(()), refused(Errno::EMSGSIZE), refused(Errno::EINVAL), Ok(())]));
    assert_eq!(kernel.traffic().messages, 2);
}

#[test]
fn lost_replies_leave_the_state_unknown() {
    let check = |answer: fn(&[Sent]) -> Vec<Received>, expected: &'static str| {
        assert_eq!(apply(&mut connection(answer), 65), Err(lost(expected)));
    };
    check(|_| vec![], "no acknowledgement within the time limit");
    check(|_| vec![Failure(Errno::ENOBUFS)], "the receive buffer was full");
    check(|sent| vec![Truncated(report(sent[0].sequence, 0))], "a reply was cut off");
    let overrun = |sent: &[Sent]| vec![Datagram(message(NLMSG_OVERRUN, 0, sent[0].sequence, &[]))];
    check(overrun, "the kernel reports an overrun");
    // The refusals are there, but not the acknowledgement of the last message.
    check(
        |sent| sent[..sent.len() - 1].iter().map(|sent| Datagram(report(sent.sequence, -17))).collect(),
        "no acknowledgement within the time limit",
    );
}

#[test]
fn replies_to_earlier_calls_are_passed_over() {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let (mut kernel, discards) = connection_and_discards(move |sent| {
        if counter.fetch_add(1, Ordering::Relaxed) == 0 {
            return vec![Failure(Errno::ENOBUFS)];
        }
        let first = sent[0].sequence;
        let mut answers: Vec<Received> = (1..=5).map(|back| Datagram(report(first - back, -17))).collect();
        answers.push(Datagram(message(KIND, 0, 0, b"from a group")));
        answers.extend(reports(sent, |number| number == 2).into_iter().map(Datagram));
        answers
    });
    assert_eq!(apply(&mut kernel, 5), Err(lost("the receive buffer was full")));
    assert_eq!(discards.load(Ordering::Relaxed), 0);
    assert_eq!(apply(&mut kernel, 4), Ok(vec![Ok(()), Ok(()), exists(), Ok(())]));
    // Before the second call the leftovers of the first were dropped; before the third there are none.
    assert_eq!(discards.load(Ordering::Relaxed), 1);
    assert_eq!(apply(&mut kernel, 1), Ok(vec![Ok(())]));
    assert_eq!(discards.load(Ordering::Relaxed), 1);
}

#[test]
fn strange_messages_without_end_do_not_hold_the_call() {
    struct Chatty;
    impl Transport for Chatty {
        fn send(&mut self, _: &[u8]) -> Result<(), Errno> {
            Ok(())
        }
        fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
            *buffer = report(4711, 0);
            Ok(buffer.len())
        }
        fn discard(&mut self) {}
    }
    let mut kernel = Connection::over(Box::new(Chatty));
    kernel.answer_timeout = Duration::from_millis(5);
    assert_eq!(apply(&mut kernel, 1), Err(lost("no acknowledgement within the time limit")));
    assert_eq!(list(&mut kernel), Err(Error::Timeout { what: "asking" }));
    assert_eq!(kernel.ask(&QUESTION, number), Err(Error::Timeout { what: "asking" }));
}

/// Whoever runs this was stopped meanwhile, as a virtual machine is that moves.
#[test]
fn an_answer_that_waits_already_is_never_too_late() {
    let mut kernel = connection(|sent| reports(sent, |_| false).into_iter().map(Datagram).collect());
    kernel.answer_timeout = Duration::ZERO;
    assert_eq!(apply(&mut kernel, 3), Ok(vec![Ok(()); 3]));
}

#[test]
fn a_signal_does_not_end_a_call() {
    let mut kernel = connection(|sent| {
        let mut answers = vec![Failure(Errno::EINTR), Failure(Errno::EINTR)];
        answers.extend(reports(sent, |_| false).into_iter().map(Datagram));
        answers
    });
    assert_eq!(apply(&mut kernel, 2), Ok(vec![Ok(()), Ok(())]));
}

#[test]
fn a_question_has_one_answer() {
    let mut kernel = connection(|sent| vec![Datagram(data(sent[0].sequence, 0, 7))]);
    assert_eq!(kernel.ask(&QUESTION, number), Ok(7));
    let mut kernel = connection(|sent| vec![Datagram(report(sent[0].sequence, -2))]);
    let missing = Error::Kernel { what: "asking", errno: Errno::ENOENT, message: None };
    assert_eq!(kernel.ask(&QUESTION, number), Err(missing));
}

#[test]
fn a_question_that_cannot_be_encoded_is_not_sent() {
    let body = |encoder: &mut Encoder<'_>| encoder.put_string(1, "a\0b");
    let question = Question { body: &body, ..QUESTION };
    let mut kernel = connection(|_| panic!("it was sent"));
    assert_eq!(kernel.ask(&question, number), Err(Error::Send { what: "asking", errno: Errno::EINVAL }));
}
