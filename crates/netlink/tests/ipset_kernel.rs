//! Sets in the running kernel, in a network namespace of each test's own, against `ipset`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

#[path = "support/namespace.rs"]
mod namespace;

use std::net::{IpAddr, Ipv4Addr};

use lab::{Need, require};
use namespace::{in_new_namespace, run, sorted};
use netlink::{
    Errno, Error, Outcome, Refused,
    ipset::{Entry, Family, Ipset, Request, SetSpec, SetType},
};
use proptest::{prelude::*, sample};

const TCP: u8 = 6;
const SCTP: u8 = 132;

fn spec(name: &str, kind: SetType, family: Family) -> SetSpec {
    SetSpec { name: name.to_owned(), kind, family, hash_size: 1024, max_elements: 65536 }
}

fn create(name: &str, kind: SetType, family: Family) -> Request {
    Request::Create(spec(name, kind, family))
}

fn add(set: &str, entry: Entry) -> Request {
    Request::Add { set: set.to_owned(), entry }
}

fn delete(set: &str, entry: Entry) -> Request {
    Request::Delete { set: set.to_owned(), entry }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn numbered(number: u32) -> Entry {
    Entry::Ip(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)))
}

fn refused(errno: Errno) -> Outcome {
    Err(Refused { errno, message: None })
}

/// What `ipset save` says, without the values that differ from run to run and from kernel to kernel.
fn saved() -> Vec<String> {
    let lines = sorted(&run("ipset save"));
    lines.into_iter().map(|line| line.split(" bucketsize").next().unwrap_or_default().to_owned()).collect()
}

fn all_kinds() -> Vec<Request> {
    let entry = |address: &str| Entry::IpPort { address: ip(address), protocol: TCP, port: 443 };
    let hairpin =
        Entry::IpPortIp { address: ip("10.0.0.1"), protocol: TCP, port: 80, address2: ip("10.0.0.1") };
    let net = |net: &str, prefix| Entry::IpPortNet {
        address: ip("10.0.0.1"),
        protocol: SCTP,
        port: 80,
        net: ip(net),
        prefix,
    };
    let v6_net =
        Entry::IpPortNet { address: ip("fd00::1"), protocol: TCP, port: 80, net: ip("fd01::5"), prefix: 128 };
    vec![
        create("IPS", SetType::HashIp, Family::Inet),
        create("IPS-6", SetType::HashIp, Family::Inet6),
        create("SERVICES", SetType::HashIpPort, Family::Inet),
        create("SERVICES-6", SetType::HashIpPort, Family::Inet6),
        create("HAIRPIN", SetType::HashIpPortIp, Family::Inet),
        create("SOURCES", SetType::HashIpPortNet, Family::Inet),
        create("SOURCES-6", SetType::HashIpPortNet, Family::Inet6),
        create("PORTS", SetType::BitmapPort, Family::Unspecified),
        add("IPS", Entry::Ip(ip("10.96.0.1"))),
        add("IPS-6", Entry::Ip(ip("fd00::1"))),
        add("SERVICES", entry("10.96.0.1")),
        add("SERVICES-6", entry("fd00::1")),
        add("HAIRPIN", hairpin),
        add("SOURCES", net("10.1.0.0", 16)),
        add("SOURCES", net("10.2.3.4", 32)),
        add("SOURCES-6", v6_net),
        add("PORTS", Entry::Port(0)),
        add("PORTS", Entry::Port(30000)),
        add("PORTS", Entry::Port(65535)),
    ]
}

#[test]
fn every_kind_of_set_is_as_ipset_shows_it() {
    if !require(Need::Root) || !require(Need::Program("ipset")) {
        return;
    }
    in_new_namespace(|| {
        let requests = all_kinds();
        let mut ipset = Ipset::open().unwrap();
        assert_eq!(ipset.apply(&requests), Ok(vec![Ok(()); requests.len()]));
        let expected = "\
add HAIRPIN 10.0.0.1,tcp:80,10.0.0.1
add IPS 10.96.0.1
add IPS-6 fd00::1
add PORTS 0
add PORTS 30000
add PORTS 65535
add SERVICES 10.96.0.1,tcp:443
add SERVICES-6 fd00::1,tcp:443
add SOURCES 10.0.0.1,sctp:80,10.1.0.0/16
add SOURCES 10.0.0.1,sctp:80,10.2.3.4
add SOURCES-6 fd00::1,tcp:80,fd01::5
create HAIRPIN hash:ip,port,ip family inet hashsize 1024 maxelem 65536
create IPS hash:ip family inet hashsize 1024 maxelem 65536
create IPS-6 hash:ip family inet6 hashsize 1024 maxelem 65536
create PORTS bitmap:port range 0-65535
create SERVICES hash:ip,port family inet hashsize 1024 maxelem 65536
create SERVICES-6 hash:ip,port family inet6 hashsize 1024 maxelem 65536
create SOURCES hash:ip,port,net family inet hashsize 1024 maxelem 65536
create SOURCES-6 hash:ip,port,net family inet6 hashsize 1024 maxelem 65536";
        assert_eq!(saved(), sorted(expected));
    });
}

#[test]
fn what_is_added_is_listed_and_can_be_removed() {
    if !require(Need::Root) || !require(Need::Program("ipset")) {
        return;
    }
    in_new_namespace(|| {
        let requests = all_kinds();
        let mut ipset = Ipset::open().unwrap();
        ipset.apply(&requests).unwrap();

        let headers = ipset.sets().unwrap();
        let mut listed = Vec::new();
        for header in &headers {
            let entries = ipset.entries(&header.name).unwrap();
            assert_eq!(header.entries, u32::try_from(entries.len()).ok());
            listed.extend(entries.into_iter().map(|entry| (header.name.clone(), entry)));
        }
        let mut added: Vec<(String, Entry)> = Vec::new();
        for request in &requests {
            match request {
                Request::Create(spec) => assert!(headers.iter().any(|header| {
                    (&header.name, &header.kind, header.family) == (&spec.name, &spec.kind, spec.family)
                })),
                Request::Add { set, entry } => added.push((set.clone(), *entry)),
                other => panic!("{other:?}"),
            }
        }
        listed.sort();
        added.sort();
        assert_eq!(listed, added);

        let mut removal: Vec<Request> = added.iter().map(|(set, entry)| delete(set, *entry)).collect();
        removal.extend(headers.iter().map(|header| Request::Destroy(header.name.clone())));
        assert_eq!(ipset.apply(&removal), Ok(vec![Ok(()); removal.len()]));
        assert_eq!(run("ipset save"), "");
    });
}

#[test]
fn doing_it_again_changes_nothing() {
    if !require(Need::Root) || !require(Need::Program("ipset")) {
        return;
    }
    in_new_namespace(|| {
        let requests = all_kinds();
        let mut ipset = Ipset::open().unwrap();
        ipset.apply(&requests).unwrap();
        let before = saved();
        assert_eq!(ipset.apply(&requests), Ok(vec![Ok(()); requests.len()]));
        assert_eq!(saved(), before);
        let missing = delete("IPS", Entry::Ip(ip("192.0.2.1")));
        assert_eq!(ipset.apply(&[missing.clone(), missing]), Ok(vec![Ok(()), Ok(())]));
    });
}

#[test]
fn a_set_that_differs_is_refused() {
    if !require(Need::Root) {
        return;
    }
    in_new_namespace(|| {
        let mut ipset = Ipset::open().unwrap();
        let original = spec("A", SetType::HashIp, Family::Inet);
        let larger = SetSpec { max_elements: 5, ..original.clone() };
        let v6 = SetSpec { family: Family::Inet6, ..original.clone() };
        let ports = SetSpec { kind: SetType::HashIpPort, ..original.clone() };
        let unknown = SetSpec { kind: SetType::Other("hash:nosuch".to_owned()), ..original.clone() };
        let requests = [original.clone(), larger, v6, ports, original, unknown].map(Request::Create);
        let outcomes = ipset.apply(&requests).unwrap();
        let exists = refused(Errno::EEXIST);
        assert_eq!(outcomes[..5], [Ok(()), exists.clone(), exists.clone(), exists, Ok(())]);
        assert!(outcomes[5].is_err());
    });
}

/// Around the number of entries in one message, and around the number of messages in one send.
#[test]
fn any_number_of_entries_arrives() {
    if !require(Need::Root) {
        return;
    }
    in_new_namespace(|| {
        let mut ipset = Ipset::open().unwrap();
        ipset.apply(&[create("A", SetType::HashIp, Family::Inet)]).unwrap();
        for count in [1, 2, 199, 200, 201, 400, 12_800, 12_801] {
            let requests: Vec<Request> = (0..count).map(|number| add("A", numbered(number))).collect();
            assert_eq!(ipset.apply(&requests), Ok(vec![Ok(()); requests.len()]), "{count}");
            let mut entries = ipset.entries("A").unwrap();
            entries.sort();
            assert_eq!(entries, (0..count).map(numbered).collect::<Vec<_>>(), "{count}");
            let requests: Vec<Request> = (0..count).map(|number| delete("A", numbered(number))).collect();
            assert_eq!(ipset.apply(&requests), Ok(vec![Ok(()); requests.len()]), "{count}");
            assert_eq!(ipset.entries("A"), Ok(Vec::new()), "{count}");
        }
    });
}

#[test]
fn ten_thousand_entries_take_few_calls() {
    if !require(Need::Root) {
        return;
    }
    in_new_namespace(|| {
        let mut ipset = Ipset::open().unwrap();
        let before = ipset.traffic();
        let mut requests = vec![create("A", SetType::HashIp, Family::Inet)];
        requests.extend((0..10_000).map(|number| add("A", numbered(number))));
        ipset.apply(&requests).unwrap();
        let after = ipset.traffic();
        // One to ask for the revision, 51 messages in sends of at most 32 KiB and a message.
        assert_eq!((after.messages - before.messages, after.sends - before.sends), (52, 9));
    });
}

/// A mistake at any place of a message concerns that entry alone.
#[test]
fn a_bad_entry_does_not_harm_the_others() {
    if !require(Need::Root) {
        return;
    }
    in_new_namespace(|| {
        let mut ipset = Ipset::open().unwrap();
        ipset.apply(&[create("A", SetType::HashIp, Family::Inet)]).unwrap();
        let bad = add("A", Entry::Ip(ip("fd00::1")));
        for place in [0, 1, 100, 198, 199] {
            ipset.apply(&[Request::Flush("A".to_owned())]).unwrap();
            let mut requests: Vec<Request> = (0..199).map(|number| add("A", numbered(number))).collect();
            requests.insert(place, bad.clone());
            let mut expected = vec![Ok(()); 199];
            expected.insert(place, refused(Errno::IPSET_PROTOCOL));
            let before = ipset.traffic().messages;
            assert_eq!(ipset.apply(&requests), Ok(expected), "{place}");
            // All in one message, and those behind the bad one again.
            let behind = u64::try_from(199 - place).unwrap();
            assert_eq!(ipset.traffic().messages - before, 1 + behind, "{place}");
            assert_eq!(ipset.entries("A").unwrap().len(), 199, "{place}");
        }
        let outcomes = ipset.apply(&[bad.clone(), bad.clone(), bad]).unwrap();
        assert_eq!(outcomes, vec![refused(Errno::IPSET_PROTOCOL); 3]);
    });
}

#[test]
fn a_full_set_takes_what_it_can() {
    if !require(Need::Root) {
        return;
    }
    in_new_namespace(|| {
        let mut ipset = Ipset::open().unwrap();
        let small = SetSpec { max_elements: 10, ..spec("A", SetType::HashIp, Family::Inet) };
        let mut requests = vec![Request::Create(small)];
        requests.extend((0..30).map(|number| add("A", numbered(number))));
        let outcomes = ipset.apply(&requests).unwrap();
        assert_eq!(outcomes[..11], vec![Ok(()); 11]);
        assert_eq!(outcomes[11..], vec![refused(Errno::IPSET_FULL); 20]);
    });
}

#[test]
fn a_network_of_everything_is_refused() {
    if !require(Need::Root) {
        return;
    }
    in_new_namespace(|| {
        let mut ipset = Ipset::open().unwrap();
        let everything = Entry::IpPortNet {
            address: ip("10.0.0.1"),
            protocol: TCP,
            port: 80,
            net: ip("0.0.0.0"),
            prefix: 0,
        };
        let requests = [create("A", SetType::HashIpPortNet, Family::Inet), add("A", everything)];
        assert_eq!(ipset.apply(&requests), Ok(vec![Ok(()), refused(Errno::IPSET_INVALID_CIDR)]));
    });
}

/// What follows in time must win, even if the entries before it had to be sent again.
#[test]
fn order_holds_where_entries_are_sent_again() {
    if !require(Need::Root) {
        return;
    }
    in_new_namespace(|| {
        let mut ipset = Ipset::open().unwrap();
        let bad = add("A", Entry::Ip(ip("fd00::1")));
        let requests = [
            create("A", SetType::HashIp, Family::Inet),
            bad,
            add("A", numbered(1)),
            add("A", numbered(2)),
            delete("A", numbered(1)),
        ];
        let outcomes = ipset.apply(&requests).unwrap();
        assert_eq!(outcomes, [Ok(()), refused(Errno::IPSET_PROTOCOL), Ok(()), Ok(()), Ok(())]);
        assert_eq!(ipset.entries("A"), Ok(vec![numbered(2)]));
        let remake = [
            create("A", SetType::HashIp, Family::Inet),
            Request::Destroy("A".to_owned()),
            Request::Destroy("A".to_owned()),
        ];
        assert_eq!(ipset.apply(&remake), Ok(vec![Ok(()), Ok(()), refused(Errno::ENOENT)]));
        assert_eq!(ipset.sets(), Ok(Vec::new()));
    });
}

#[test]
fn a_missing_set_refuses_each_request() {
    if !require(Need::Root) {
        return;
    }
    in_new_namespace(|| {
        let mut ipset = Ipset::open().unwrap();
        let requests = [add("A", numbered(1)), add("A", numbered(2)), Request::Flush("A".to_owned())];
        assert_eq!(ipset.apply(&requests), Ok(vec![refused(Errno::ENOENT); 3]));
        let Err(Error::Kernel { errno, .. }) = ipset.entries("A") else { panic!("there is a set A") };
        assert_eq!(errno, Errno::ENOENT);
    });
}

#[test]
fn names_that_no_set_can_have_are_refused() {
    if !require(Need::Root) {
        return;
    }
    in_new_namespace(|| {
        let mut ipset = Ipset::open().unwrap();
        let names = ["A".repeat(32), "A".repeat(70_000), "A\0B".to_owned()];
        let requests: Vec<Request> =
            names.iter().map(|name| create(name, SetType::HashIp, Family::Inet)).collect();
        let outcomes = ipset.apply(&requests).unwrap();
        assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
        assert_eq!(outcomes[1..], [refused(Errno::EMSGSIZE), refused(Errno::EINVAL)]);
        let longest = create(&"A".repeat(31), SetType::HashIp, Family::Inet);
        assert_eq!(ipset.apply(&[longest]), Ok(vec![Ok(())]));
    });
}

#[test]
fn foreign_types_are_listed_but_not_read() {
    if !require(Need::Root) || !require(Need::Program("ipset")) {
        return;
    }
    in_new_namespace(|| {
        run("ipset create N hash:net");
        run("ipset create T hash:ip timeout 100 comment counters");
        run("ipset add T 192.0.2.1 comment hello");
        let mut ipset = Ipset::open().unwrap();
        let kinds: Vec<SetType> = ipset.sets().unwrap().into_iter().map(|header| header.kind).collect();
        assert_eq!(kinds, [SetType::Other("hash:net".to_owned()), SetType::HashIp]);
        let unsupported = Error::UnsupportedSet { name: "N".to_owned(), kind: "hash:net".to_owned() };
        assert_eq!(ipset.entries("N"), Err(unsupported));
        assert_eq!(ipset.entries("T"), Ok(vec![Entry::Ip(ip("192.0.2.1"))]));
    });
}

/// Names, entries and set types few enough to meet each other often.
fn any_request() -> impl Strategy<Value = Request> {
    let set = || sample::select(vec!["A".to_owned(), "B".to_owned()]);
    let address = sample::select(vec!["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"]);
    let entry = address.prop_map(|text| Entry::Ip(ip(text)));
    let family = sample::select(vec![Family::Inet, Family::Inet6]);
    prop_oneof![
        2 => (set(), family).prop_map(|(name, family)| create(&name, SetType::HashIp, family)),
        8 => (set(), entry.clone()).prop_map(|(set, entry)| Request::Add { set, entry }),
        4 => (set(), entry).prop_map(|(set, entry)| Request::Delete { set, entry }),
        1 => set().prop_map(Request::Destroy),
        1 => set().prop_map(Request::Flush),
    ]
}

fn contents(ipset: &mut Ipset) -> Vec<(String, Family, Vec<Entry>)> {
    let headers = ipset.sets().unwrap();
    let with_entries = headers.into_iter().map(|header| {
        let mut entries = ipset.entries(&header.name).unwrap();
        entries.sort();
        (header.name, header.family, entries)
    });
    let mut contents: Vec<_> = with_entries.collect();
    contents.sort();
    contents
}

/// Requests that go together do what they do one by one, with the same outcomes.
#[test]
fn a_batch_is_as_good_as_single_requests() {
    if !require(Need::Root) {
        return;
    }
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) };
    proptest!(config, |(requests in proptest::collection::vec(any_request(), 1..60))| {
        let together = in_new_namespace(|| {
            let mut ipset = Ipset::open().unwrap();
            (ipset.apply(&requests).unwrap(), contents(&mut ipset))
        });
        let one_by_one = in_new_namespace(|| {
            let mut ipset = Ipset::open().unwrap();
            let outcomes: Vec<Outcome> =
                requests.chunks(1).flat_map(|request| ipset.apply(request).unwrap()).collect();
            (outcomes, contents(&mut ipset))
        });
        prop_assert_eq!(together, one_by_one);
    });
}
