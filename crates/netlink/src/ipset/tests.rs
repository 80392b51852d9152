use std::net::IpAddr;

use crate::{
    Errno, Error, Outcome, Refused,
    attribute::Encoder,
    message::Message,
    replay::{Compare, exchanges, replay, replay_edited},
};

use super::{Entry, Family, Ipset, Request, SetHeader, SetSpec, SetType, encode, parse};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// Every conversation begins with the protocol version, as ours does.
fn ipset(capture: &str) -> Ipset {
    Ipset::over(replay(&format!("ipset/{capture}"), Compare::Bytes)).unwrap()
}

#[track_caller]
fn check(capture: &str, requests: &[Request], expected: &[Outcome]) {
    assert_eq!(ipset(capture).apply(requests).as_deref(), Ok(expected));
}

fn refused(errno: Errno) -> Outcome {
    Err(Refused { errno, message: None })
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn spec(name: &str, kind: SetType, family: Family) -> SetSpec {
    SetSpec { name: name.to_owned(), kind, family, hash_size: 1024, max_elements: 65536 }
}

fn add(set: &str, entry: Entry) -> Request {
    Request::Add { set: set.to_owned(), entry }
}

fn v6_dns() -> Entry {
    Entry::IpPort { address: ip("2001:db8::1"), protocol: UDP, port: 53 }
}

fn hairpin() -> Entry {
    Entry::IpPortIp { address: ip("10.0.0.1"), protocol: TCP, port: 80, address2: ip("10.0.0.2") }
}

fn network(net: &str, prefix: u8) -> Entry {
    Entry::IpPortNet { address: ip("10.0.0.1"), protocol: SCTP, port: 80, net: ip(net), prefix }
}

#[test]
fn creates_sets_as_ipset_does() {
    let check = |capture, spec| check(capture, &[Request::Create(spec)], &[Ok(())]);
    check("create-hash-ip", spec("A", SetType::HashIp, Family::Inet));
    check("create-hash-ip-port-ip", spec("C", SetType::HashIpPortIp, Family::Inet));
    check("create-hash-ip-port-net", spec("D", SetType::HashIpPortNet, Family::Inet));
    check("create-bitmap-port", spec("E", SetType::BitmapPort, Family::Unspecified));
}

/// `ipset` asks for the type's revision before it has read the family, and says IPv4.
#[test]
fn asks_for_the_revision_of_the_sets_family() {
    let family = |number| [5, 0, 5, 0, number, 0, 0, 0];
    let edits: [(&[u8], &[u8]); 1] = [(&family(2), &family(10))];
    let kernel = replay_edited("ipset/create-hash-ip-port", Compare::Bytes, &edits);
    let create = Request::Create(spec("B", SetType::HashIpPort, Family::Inet6));
    assert_eq!(Ipset::over(kernel).unwrap().apply(&[create]), Ok(vec![Ok(())]));
}

#[test]
fn adds_and_deletes_as_ipset_does() {
    let check_add = |capture, set, entry| check(capture, &[add(set, entry)], &[Ok(())]);
    check_add("add-hash-ip", "A", Entry::Ip(ip("10.96.0.1")));
    check_add("add-hash-ip-port", "B", v6_dns());
    check_add("add-hash-ip-port-ip", "C", hairpin());
    check_add("add-hash-ip-port-net", "D", network("10.1.0.0", 16));
    check_add("add-bitmap-port", "E", Entry::Port(30000));
    let delete = Request::Delete { set: "A".to_owned(), entry: Entry::Ip(ip("10.96.0.1")) };
    check("delete-hash-ip", &[delete], &[Ok(())]);
    check("flush", &[Request::Flush("A".to_owned())], &[Ok(())]);
    check("destroy", &[Request::Destroy("C".to_owned())], &[Ok(())]);
    check("destroy-in-use", &[Request::Destroy("B".to_owned())], &[refused(Errno::IPSET_BUSY)]);
}

/// In `ipset`'s messages the number of the first line stands once more before all entries; the kernel overwrites
/// that one with the line that failed, so ours is 0.
#[test]
fn many_entries_go_as_in_a_restore() {
    let conversation = exchanges("ipset/add-many");
    let theirs = &conversation[1].request;
    let entries = ["1.1.1.1", "1.1.1.2", "1.1.1.1"].map(|address| Entry::Ip(ip(address)));
    let mut ours = Vec::new();
    encode::many(&mut Encoder::new(&mut ours), 7, "A", entries.iter());
    let first_line = 20;
    assert_eq!(ours[..first_line], theirs[16..][..first_line]);
    assert_eq!(ours[first_line..][..8], [8, 0, 9, 0x40, 0, 0, 0, 0]);
    assert_eq!(theirs[16 + first_line..][..8], [8, 0, 9, 0x40, 0, 0, 0, 1]);
    assert_eq!(ours[first_line + 8..], theirs[16 + first_line + 8..]);
}

#[test]
fn the_failed_line_is_in_the_error_report() {
    let conversation = exchanges("ipset/add-many-full");
    let report = &conversation[1].replies[0];
    let message = crate::message::Messages::new(report).next().unwrap().unwrap();
    let failure = message.failure().unwrap().unwrap();
    assert_eq!(failure.refused.errno, Errno::IPSET_FULL);
    assert_eq!(parse::failed_line(&failure.request), Some(3));
}

#[test]
fn lists_headers() {
    let header = |name: &str, kind, family, revision, entries| SetHeader {
        name: name.to_owned(),
        kind,
        family,
        revision,
        hash_size: Some(1024),
        max_elements: Some(65536),
        port_range: None,
        references: 0,
        entries: Some(entries),
    };
    let bitmap = SetHeader {
        hash_size: None,
        max_elements: None,
        port_range: Some((0, 65535)),
        ..header("E", SetType::BitmapPort, Family::Unspecified, 3, 2)
    };
    let expected = vec![
        header("A", SetType::HashIp, Family::Inet, 6, 1),
        header("B", SetType::HashIpPort, Family::Inet6, 7, 1),
        header("C", SetType::HashIpPortIp, Family::Inet, 6, 1),
        header("D", SetType::HashIpPortNet, Family::Inet, 8, 2),
        bitmap,
    ];
    assert_eq!(ipset("headers").sets(), Ok(expected));
}

#[test]
fn lists_entries() {
    let check = |capture, set, mut expected: Vec<Entry>| {
        let mut found = ipset(capture).entries(set).unwrap();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    };
    check("entries-hash-ip", "A", vec![Entry::Ip(ip("10.96.0.1"))]);
    check("entries-hash-ip-port", "B", vec![v6_dns()]);
    check("entries-hash-ip-port-ip", "C", vec![hairpin()]);
    check("entries-hash-ip-port-net", "D", vec![network("10.1.0.0", 16), network("10.2.3.4", 32)]);
    check("entries-bitmap-port", "E", vec![Entry::Port(30000), Entry::Port(30001)]);
}

#[test]
fn a_network_without_a_prefix_is_one_address() {
    for (net, prefix) in [("10.1.0.0", 32), ("fd00::1", 128)] {
        let mut bytes = Vec::new();
        encode::many(&mut Encoder::new(&mut bytes), 7, "D", [network(net, prefix)].iter());
        // The attribute with the prefix becomes one that nobody knows.
        let prefix_at = bytes.windows(4).position(|window| window == [5, 0, 21, 0]).unwrap();
        bytes[prefix_at + 2] = 99;
        let message = Message { kind: 0, flags: 0, sequence: 0, payload: &bytes };
        let mut found = Vec::new();
        parse::entries(&message, &SetType::HashIpPortNet, &mut found).unwrap();
        assert_eq!(found, [network(net, prefix)]);
    }
}

#[test]
fn a_missing_set_is_an_error() {
    let error = ipset("entries-missing").entries("NONE").unwrap_err();
    let Error::Kernel { errno, .. } = error else { panic!("{error}") };
    assert_eq!(errno, Errno::ENOENT);
    assert_eq!(
        error.to_string(),
        "listing the entries of a set: the kernel refused: ENOENT (No such file or directory)"
    );
}

pub(crate) fn parse_as_anything(message: &Message<'_>) {
    let _ = (parse::protocol(message), parse::newest_revision(message), parse::type_and_family(message));
    let _ = (parse::type_name(message), parse::set_header(message), parse::failed_line(message.payload));
    for name in ["hash:ip", "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net", "bitmap:port", "other"] {
        let _ = parse::entries(message, &SetType::from(name), &mut Vec::new());
    }
}
