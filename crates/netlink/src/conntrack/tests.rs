use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use expect_test::{Expect, expect};

use crate::{
    Errno, Error,
    attribute::{Encoder, Malformed},
    connection::Connection,
    message::{Batch, Message},
    replay::{Compare, exchanges, hex, renumbered, replay},
    socket::Transport,
};

use super::{Conntrack, Family, Filter, Flow, Tuple, encode, parse};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// What one flow is, as `conntrack` prints it: both tuples, zone, number.
fn shown(flows: &[Flow]) -> String {
    let tuple = |tuple: &Tuple| {
        let Tuple { source, source_port, destination, destination_port } = tuple;
        format!("src={source} dst={destination} sport={source_port} dport={destination_port}")
    };
    let line = |flow: &Flow| {
        let Flow { protocol, original, reply, id, zone } = flow;
        let zone = zone.map(|zone| format!(" zone={zone}")).unwrap_or_default();
        format!("{protocol} {} {}{zone} id={}\n", tuple(original), tuple(reply), id.unwrap())
    };
    flows.iter().map(line).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn tuple(source: &str, source_port: u16, destination: &str, destination_port: u16) -> Tuple {
    Tuple { source: ip(source), source_port, destination: ip(destination), destination_port }
}

/// The flow that `delete-v4` and `list-v4` have in common.
fn masqueraded() -> Flow {
    Flow {
        protocol: UDP,
        original: tuple("10.0.0.1", 4002, "10.96.0.11", 53),
        reply: tuple("10.1.0.6", 5353, "10.0.0.254", 61000),
        id: None,
        zone: None,
    }
}

fn of_zone() -> Flow {
    Flow {
        protocol: UDP,
        original: tuple("10.0.0.1", 4003, "10.96.0.10", 54),
        reply: tuple("10.1.0.5", 5454, "10.0.0.1", 4003),
        id: None,
        zone: Some(7),
    }
}

fn masqueraded_v6() -> Flow {
    Flow {
        protocol: UDP,
        original: tuple("fd00::1", 4002, "fd00:10:96::b", 53),
        reply: tuple("fd01::6", 5353, "fd00::fe", 61000),
        id: None,
        zone: None,
    }
}

/// What `conntrack` asks: all flows of a family.
fn listed_as_conntrack_does(capture: &str, filter: &Filter) -> Result<Vec<Flow>, Error> {
    let connection = replay(&format!("conntrack/{capture}"), Compare::Bytes);
    Conntrack { filters: false, ..Conntrack::over(connection) }.flows(filter)
}

#[test]
fn lists_flows() {
    let flows = listed_as_conntrack_does("list-v4", &Filter::new(Family::Inet, UDP)).unwrap();
    expect![[r#"
        17 src=10.0.0.1 dst=10.96.0.10 sport=4001 dport=53 src=10.1.0.5 dst=10.0.0.1 sport=5353 dport=4001 id=3921965003
        17 src=10.0.0.1 dst=10.96.0.11 sport=4002 dport=53 src=10.1.0.6 dst=10.0.0.254 sport=5353 dport=61000 id=243495119
        17 src=10.0.0.1 dst=10.96.0.10 sport=4003 dport=54 src=10.1.0.5 dst=10.0.0.1 sport=5454 dport=4003 zone=7 id=2202749547
        17 src=10.0.0.1 dst=10.9.0.1 sport=4004 dport=53 src=10.9.0.1 dst=10.0.0.1 sport=53 dport=4004 id=3574246531
        17 src=10.0.0.1 dst=10.9.0.1 sport=4005 dport=53 src=10.9.0.1 dst=10.0.0.1 sport=53 dport=4005 zone=9 id=2297909346
    "#]].assert_eq(&shown(&flows));
    let flows = listed_as_conntrack_does("list-v6", &Filter::new(Family::Inet6, UDP)).unwrap();
    expect![[r#"
        17 src=fd00::1 dst=fd00:10:96::a sport=4001 dport=53 src=fd01::5 dst=fd00::1 sport=5353 dport=4001 id=2411093649
        17 src=fd00::1 dst=fd00:10:96::b sport=4002 dport=53 src=fd01::6 dst=fd00::fe sport=5353 dport=61000 id=888097108
    "#]].assert_eq(&shown(&flows));
}

/// A kernel before 5.8 sends all flows of the family, whatever it is asked.
#[test]
fn filters_what_the_kernel_does_not() {
    let check = |filter: Filter, source_ports: &[u16]| {
        let mut kernel = Conntrack::over(replay("conntrack/list-v4", Compare::Type));
        let flows = kernel.flows(&filter).unwrap();
        let found: Vec<u16> = flows.iter().map(|flow| flow.original.source_port).collect();
        assert_eq!(found, source_ports, "{filter:?}");
    };
    let all = Filter::new(Family::Inet, UDP);
    let destination = Some(ip("10.96.0.10"));
    check(all, &[4001, 4002, 4003, 4004, 4005]);
    check(Filter { original_destination: destination, ..all }, &[4001, 4003]);
    check(Filter { original_destination_port: Some(54), ..all }, &[4003]);
    check(Filter { original_destination: destination, original_destination_port: Some(53), ..all }, &[4001]);
    check(Filter { original_destination: Some(ip("fd00::1")), ..all }, &[]);
    check(Filter::new(Family::Inet, TCP), &[4001]);
    check(Filter::new(Family::Inet6, UDP), &[]);
    // The capture has a ping, too.
    check(Filter::new(Family::Inet, 1), &[]);
}

#[test]
fn deletes_flows_as_conntrack_does() {
    for (capture, flow) in
        [("delete-v4", masqueraded()), ("delete-v6", masqueraded_v6()), ("delete-zone", of_zone())]
    {
        let mut kernel =
            Conntrack::over(replay(&format!("conntrack/{capture}"), Compare::Some { header: 4 }));
        assert_eq!(kernel.delete(&[flow]), Ok(vec![Ok(())]), "{capture}");
    }
}

#[track_caller]
fn check_body(write: impl FnOnce(&mut Encoder<'_>), expected: &Expect) {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes));
    expected.assert_eq(&lines(&bytes));
}

/// Bytes as the captures show them, in lines of their length.
fn lines(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| hex(line) + "\n").collect()
}

/// `conntrack` 1.4.7 sends neither a filter nor `CTA_ID`.
#[test]
fn a_filter_names_the_parts_of_the_tuple_that_count() {
    let check = |filter: Filter, expected: Expect| {
        check_body(|encoder| encode::list(encoder, &filter, true), &expected);
    };
    let all = Filter::new(Family::Inet, UDP);
    check(
        all,
        expect![[r#"
        02000000 10000180 0c000280 05000100 11000000 0c001980 08000100 08000000
    "#]],
    );
    let v4 =
        Filter { original_destination: Some(ip("10.96.0.10")), original_destination_port: Some(53), ..all };
    check(
        v4,
        expect![[r#"
        02000000 24000180 0c000180 08000200 0a60000a 14000280 05000100 11000000
        06000300 00350000 0c001980 08000100 2a000000
    "#]],
    );
    // Kernels compare IPv6 addresses the wrong way round.
    let v6 = Filter {
        original_destination: Some(ip("fd00::a")),
        original_destination_port: Some(53),
        ..Filter::new(Family::Inet6, UDP)
    };
    check(
        v6,
        expect![[r#"
        0a000000 18000180 14000280 05000100 11000000 06000300 00350000 0c001980
        08000100 28000000
    "#]],
    );
}

#[test]
fn a_deletion_carries_the_number_and_the_zone() {
    let mut batch = Batch::new();
    encode::delete(&mut batch, 0, &Flow { id: Some(0x0102_0304), ..of_zone() }).unwrap();
    expect![[r#"
        58000000 02010500 01000000 00000000 02000000 34000280 14000180 08000100
        0a010005 08000200 0a000001 1c000280 05000100 11000000 06000200 154e0000
        06000300 0fa30000 08000c00 01020304 06001200 00070000
    "#]]
    .assert_eq(&lines(batch.finish(1, true)));
}

/// What the kernel answers to one question.
#[derive(Clone, Copy)]
enum Answer {
    Refusal(Errno),
    /// The datagrams of `list-v6`, each so many times.
    Flows {
        times: usize,
    },
}

/// A kernel with prepared answers. It notes how long the questions are.
struct Prepared {
    answers: VecDeque<Answer>,
    lengths: Arc<Mutex<Vec<usize>>>,
    waiting: VecDeque<Vec<u8>>,
}

/// The length of a question for a family and a protocol.
const FILTERED: usize = 48;
/// The length of a question for a family.
const PLAIN: usize = 20;
const FLOWS: Answer = Answer::Flows { times: 1 };

// === impl Prepared ===

impl Prepared {
    fn conntrack(answers: &[Answer]) -> (Conntrack, Arc<Mutex<Vec<usize>>>) {
        let lengths = Arc::default();
        let kernel = Self {
            answers: answers.iter().copied().collect(),
            lengths: Arc::clone(&lengths),
            waiting: VecDeque::new(),
        };
        (Conntrack::over(Connection::over(Box::new(kernel))), lengths)
    }
}

impl Transport for Prepared {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.lengths.lock().unwrap().push(bytes.len());
        let (header, sequence) = (&bytes[..16], &bytes[8..12]);
        let datagrams = match self.answers.pop_front().unwrap() {
            Answer::Refusal(errno) => {
                let number = (-errno.raw()).to_ne_bytes();
                vec![[&[36, 0, 0, 0, 2, 0, 0, 1], sequence, &[0; 4], &number, header].concat()]
            }
            Answer::Flows { times } => {
                let replies = exchanges("conntrack/list-v6").remove(0).replies;
                let repeated = replies.into_iter().flat_map(|reply| vec![reply; times]);
                repeated.map(|reply| renumbered(reply, sequence)).collect()
            }
        };
        self.waiting.extend(datagrams);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        *buffer = self.waiting.pop_front().ok_or(Errno::EAGAIN)?;
        Ok(buffer.len())
    }

    fn discard(&mut self) {
        self.waiting.clear();
    }
}

#[test]
fn a_kernel_that_refuses_the_filter_is_asked_without_one_from_then_on() {
    for errno in [Errno::EINVAL, Errno::EOPNOTSUPP] {
        let (mut conntrack, lengths) = Prepared::conntrack(&[Answer::Refusal(errno), FLOWS, FLOWS]);
        let filter = Filter::new(Family::Inet6, UDP);
        assert_eq!(conntrack.flows(&filter).unwrap().len(), 2);
        assert_eq!(conntrack.flows(&filter).unwrap().len(), 2);
        assert_eq!(*lengths.lock().unwrap(), [FILTERED, PLAIN, PLAIN]);
    }
}

#[test]
fn a_kernel_that_refuses_to_list_says_so() {
    let filter = Filter::new(Family::Inet6, UDP);
    let what = "listing flows";
    let (mut conntrack, _) = Prepared::conntrack(&[Answer::Refusal(Errno::EPERM)]);
    let denied = Error::Kernel { what, errno: Errno::EPERM, message: None };
    assert_eq!(conntrack.flows(&filter), Err(denied));
    let refusal = Answer::Refusal(Errno::EINVAL);
    let (mut conntrack, lengths) = Prepared::conntrack(&[refusal, refusal, FLOWS]);
    let missing = Error::Kernel { what, errno: Errno::EINVAL, message: None };
    assert_eq!(conntrack.flows(&filter), Err(missing));
    // It was not the filter that the kernel refused.
    assert_eq!(conntrack.flows(&filter).unwrap().len(), 2);
    assert_eq!(*lengths.lock().unwrap(), [FILTERED, PLAIN, FILTERED]);
}

#[test]
fn a_flow_that_is_sent_twice_is_listed_once() {
    let (mut conntrack, _) = Prepared::conntrack(&[Answer::Flows { times: 2 }]);
    assert_eq!(conntrack.flows(&Filter::new(Family::Inet6, UDP)).unwrap().len(), 2);
}

#[test]
fn a_flow_without_addresses_or_protocol_is_malformed() {
    let check = |payload: &[u8], problem| {
        let message = Message { kind: 0, flags: 0, sequence: 0, payload };
        assert_eq!(parse::flow(&message), Err(Malformed(problem)));
    };
    check(&[2, 0], "an nfnetlink header is cut off");
    check(&[2, 0, 0, 0], "a flow has no protocol");
    let protocol_only = [2, 0, 0, 0, 16, 0, 1, 0x80, 12, 0, 2, 0x80, 5, 0, 1, 0, 17, 0, 0, 0];
    check(&protocol_only, "a flow has no addresses");
}

pub(crate) fn parse_as_anything(message: &Message<'_>) {
    let _ = parse::flow(message);
}
