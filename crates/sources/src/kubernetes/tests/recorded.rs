//! What kube-apiserver 1.36 answers. The objects of `recorded/objects.yaml` were created there, the Service `web`
//! got three ingress points in its status (one of mode Proxy, one a host name, one of mode VIP), and then they were
//! asked for in three ways.

use std::iter;

use expect_test::{Expect, expect};
use futures::FutureExt as _;
use futures::io::Cursor;
use proptest::prelude::*;

use crate::decode::{Field, Raw, RawNode, RawService, RawSlice, decode};
use crate::kubernetes::Encoding;
use crate::kubernetes::events::{Event, Events};
use crate::kubernetes::failure::Failure;
use crate::kubernetes::page::{Next, Page};
use crate::kubernetes::session::Answer;
use crate::pool::Pool;
use crate::show::show;
use crate::told::Told;

/// The answers about one kind.
struct Recording {
    json: &'static [u8],
    protobuf: &'static [u8],
    watch: &'static [u8],
}

macro_rules! recording {
    ($name:literal) => {
        Recording {
            json: include_bytes!(concat!("recorded/", $name, ".list.json")),
            protobuf: include_bytes!(concat!("recorded/", $name, ".list.pb")),
            watch: include_bytes!(concat!("recorded/", $name, ".watch.pb")),
        }
    };
}

/// A list gives the same in either form, and so does a streaming list.
async fn check<R: Raw>(recording: Recording, list_kind: &'static str, expected: Expect) {
    let [json, protobuf] = [(Encoding::Json, recording.json), (Encoding::Protobuf, recording.protobuf)]
        .map(|(encoding, list)| listed::<R>(encoding, list, list_kind).unwrap());
    for (_, next) in [&json, &protobuf] {
        assert!(matches!(next, Next::Watch { version } if version.parse::<u64>().unwrap() > 0));
    }
    let (shown, _) = json;
    assert_eq!(protobuf.0, shown);
    let mut events = Events::new(Answer { encoding: Encoding::Protobuf, body: Cursor::new(recording.watch) });
    let mut objects = Vec::new();
    loop {
        match events.next::<R>().await.unwrap() {
            Event::Added(object) => objects.push(object),
            Event::Bookmark { version, ends_initial: true } => {
                assert!(version.parse::<u64>().unwrap() > 0);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told(objects.into_iter()), shown);
    expected.assert_eq(&shown);
}

/// What is told of a list that is all there.
fn listed<R: Raw>(
    encoding: Encoding,
    list: impl AsRef<[u8]> + Send + Unpin + 'static,
    kind: &'static str,
) -> Result<(String, Next), Failure> {
    let answer = Answer { encoding, body: Cursor::new(list) };
    let mut page = Page::open(answer, kind).now_or_never().unwrap()?;
    let mut objects = Vec::new();
    while let Some(object) = page.next::<R>().now_or_never().unwrap()? {
        objects.push(object);
    }
    Ok((told(objects.into_iter()), page.end()?.next))
}

fn told<R: Raw>(objects: impl Iterator<Item = Field<R>>) -> String {
    let (mut told, mut pool) = (Told::new(R::KIND), Pool::default());
    let mut changes: Vec<String> =
        objects.map(|object| show(&told.tell(decode(object, None, &mut pool)))).collect();
    changes.sort();
    changes.concat()
}

#[tokio::test]
async fn services() {
    check::<RawService>(recording!("services"), "ServiceList", expect![[r#"
        + Service shop/plain ClusterIp 10.96.10.2 created=1795456020
            port "" 80/TCP
        + Service shop/web LoadBalancer 10.96.10.31 fd00:10:96::21 created=1795456111 external=192.0.2.10 lb=192.0.2.78 ranges=198.51.100.0/24 eTP=Local iTP=Local affinity=600 hc=31999 scheduler=sh weights=10.1.0.1=5 drain=30s
            port "http" 80/TCP node=30080
            port "dns" 53/UDP node=30053
    "#]]).await;
}

#[tokio::test]
async fn endpoint_slices() {
    check::<RawSlice>(
        recording!("endpointslices"),
        "EndpointSliceList",
        expect![[r#"
        + EndpointSlice shop/plain-a of plain IPv6
            port "" 8080/TCP
            fd00::1 ready serving
        + EndpointSlice shop/web-a of web IPv4 triggered=1795428000000
            port "http" 8080/TCP
            port "dns" 5353/UDP
            10.1.0.1 ready serving node=node-a zone=zone-a forZones=zone-a forNodes=node-a
            10.1.0.2 serving terminating
            10.1.0.3 ready serving
    "#]],
    )
    .await;
}

#[tokio::test]
async fn nodes() {
    check::<RawNode>(
        recording!("nodes"),
        "NodeList",
        expect![[r#"
        + Node node-a zone=zone-a internal=192.0.2.1 external=203.0.113.1 pods=10.1.0.0/24,fd00:1::/64 leaving
    "#]],
    )
    .await;
}

/// A list that was taken for a shorter one would remove the rest.
#[test]
fn a_list_that_is_cut_off_is_no_shorter_list() {
    let recording = recording!("endpointslices");
    for (encoding, list) in [(Encoding::Json, recording.json), (Encoding::Protobuf, recording.protobuf)] {
        let (whole, _) = listed::<RawSlice>(encoding, list, "EndpointSliceList").unwrap();
        let cuts =
            (0..list.len()).map(|length| listed::<RawSlice>(encoding, &list[..length], "EndpointSliceList"));
        let (read, failed): (Vec<_>, Vec<_>) = cuts.partition(Result::is_ok);
        assert!(read.into_iter().all(|read| read.unwrap().0 == whole));
        assert!(failed.iter().all(|failed| matches!(failed, Err(Failure::Garbage(_)))));
        // Only what means nothing may be missing: the end of the envelope.
        assert!(failed.len() > list.len() - 5, "{encoding:?}: {} of {}", failed.len(), list.len());
    }
}

#[test]
fn a_list_of_another_kind_is_an_error() {
    let recording = recording!("services");
    for (encoding, list) in [(Encoding::Json, recording.json), (Encoding::Protobuf, recording.protobuf)] {
        let Err(failure) = listed::<RawSlice>(encoding, list, "EndpointSliceList") else {
            panic!("{encoding:?}")
        };
        assert_eq!(
            failure.to_string(),
            "the answer is not one of an API server: a \"ServiceList\" instead of a EndpointSliceList"
        );
    }
}

proptest! {
    /// Whatever happens to the bytes on their way, reading them comes to an end without a panic.
    #[test]
    fn damage_is_borne(damage in proptest::collection::vec((0..4096_usize, any::<u8>()), 1..20)) {
        let recording = recording!("services");
        let damaged = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            for (place, byte) in &damage {
                if let Some(at) = bytes.get_mut(*place) {
                    *at = *byte;
                }
            }
            bytes
        };
        let _ = listed::<RawService>(Encoding::Protobuf, damaged(recording.protobuf), "ServiceList");
        let body = Cursor::new(damaged(recording.watch));
        let mut events = Events::new(Answer { encoding: Encoding::Protobuf, body });
        let objects = iter::from_fn(|| match events.next::<RawService>().now_or_never()?.ok()? {
            Event::Added(object) | Event::Modified(object) | Event::Deleted(object) => Some(object),
            Event::Bookmark { .. } | Event::Error(_) => Some(Field::Absent),
        });
        told(objects);
    }
}
