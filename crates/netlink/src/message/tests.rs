use proptest::prelude::*;

use crate::{
    Errno, Refused,
    message::{ACK, Batch, EXCL, Failure, Messages, NLMSG_ERROR, REQUEST},
};

use super::Message;

#[test]
fn a_batch_is_written_whole() {
    let mut batch = Batch::new();
    batch.push("first", 0x10, EXCL, |encoder| encoder.put_u8(1, 7)).unwrap();
    batch.push("second", 0x11, 0, |encoder| encoder.raw(&[9; 4])).unwrap();
    let bytes = batch.finish(41, true).to_vec();
    let sent: Vec<_> = Messages::new(&bytes).map(|message| message.unwrap()).collect();
    let heads: Vec<_> = sent.iter().map(|message| (message.kind, message.flags, message.sequence)).collect();
    assert_eq!(heads, [(0x10, REQUEST | EXCL, 41), (0x11, REQUEST | ACK, 42)]);
    assert_eq!(sent[1].payload, [9; 4]);
    assert_eq!(bytes.len(), 16 + 8 + 16 + 4);
    assert_eq!(batch.take_tags(), ["first", "second"]);
    assert_eq!((batch.len(), batch.finish(1, true).len()), (0, 0));
}

#[test]
fn a_message_that_cannot_be_sent_leaves_no_trace() {
    let mut batch = Batch::new();
    batch.push(1, 0x10, 0, |encoder| encoder.put_u8(1, 7)).unwrap();
    let long = vec![0; 70_000];
    assert_eq!(batch.push(2, 0x10, 0, |encoder| encoder.put(1, &long)), Err(Errno::EMSGSIZE));
    assert_eq!((batch.len(), batch.finish(1, true).len()), (1, 24));
}

fn failure(flags: u16, payload: &[u8]) -> Result<Option<Failure>, &'static str> {
    let message = Message { kind: NLMSG_ERROR, flags, sequence: 1, payload };
    message.failure().map_err(|malformed| malformed.0)
}

/// `struct nlmsgerr`, with a request of 4 bytes behind its header.
fn report(error: i32, capped: bool, attributes: &[u8]) -> Vec<u8> {
    let mut bytes = error.to_ne_bytes().to_vec();
    bytes.extend(20_u32.to_ne_bytes());
    bytes.extend([0; 12]);
    if !capped {
        bytes.extend(*b"body");
    }
    bytes.extend(attributes);
    bytes
}

const CAPPED: u16 = 0x100;
const TLVS: u16 = 0x200;

#[test]
fn the_kernels_words_are_found_behind_the_request() {
    let words = *b"\x0a\0\x01\0so it\0\0\0";
    let expect = |message: Option<&str>, request: &[u8]| {
        let refused = Refused { errno: Errno::EINVAL, message: message.map(str::to_owned) };
        Ok(Some(Failure { refused, request: request.to_vec() }))
    };
    assert_eq!(failure(TLVS, &report(-22, false, &words)), expect(Some("so it"), b"body"));
    assert_eq!(failure(TLVS | CAPPED, &report(-22, true, &words)), expect(Some("so it"), b""));
    assert_eq!(failure(0, &report(-22, false, &[])), expect(None, b"body"));
    // Broken words do not hide the error.
    assert_eq!(failure(TLVS, &report(-22, false, &[1, 0, 1, 0])), expect(None, b"body"));
    assert_eq!(failure(0, &report(0, false, &[])), Ok(None));
}

#[test]
fn a_dump_can_end_with_an_error_and_words() {
    let words = *b"\x0a\0\x01\0so it\0\0\0";
    let done = |flags, error: i32, words: &[u8]| {
        let payload = [&error.to_ne_bytes(), words].concat();
        Message { kind: super::NLMSG_DONE, flags, sequence: 1, payload: &payload }.done()
    };
    let refused =
        |message: Option<&str>| Some(Refused { errno: Errno::EPERM, message: message.map(str::to_owned) });
    assert_eq!(done(TLVS, -1, &words), refused(Some("so it")));
    assert_eq!(done(0, -1, &words), refused(None));
    assert_eq!(done(TLVS, 0, &words), None);
}

#[test]
fn a_report_that_is_cut_off_is_malformed() {
    let whole = report(-22, false, &[]);
    for length in 0..whole.len() {
        assert!(failure(0, &whole[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_length_that_does_not_fit_ends_the_datagram_with_an_error() {
    for length in [0_u32, 15, 21, u32::MAX] {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend([0; 16]);
        let mut messages = Messages::new(&bytes);
        assert!(messages.next().unwrap().is_err(), "{length}");
        assert!(messages.next().is_none());
    }
}

proptest! {
    #[test]
    fn any_bytes_come_to_an_end(bytes: Vec<u8>) {
        for message in Messages::new(&bytes).flatten() {
            let _ = (message.failure(), message.done());
        }
    }
}
