//! Every parser against random bytes, and against captured ones that were damaged.

use proptest::{prelude::*, sample};

use crate::{
    attribute::Attributes,
    conntrack, generic, ipset, ipvs,
    message::{Message, Messages},
    nftables,
    replay::{datagrams, names},
    route,
};

/// Gives the bytes of a message to every parser, whatever it is; none may panic.
fn parse_as_anything(message: &Message<'_>) {
    let _ = (message.failure(), message.done(), generic::attributes(message));
    ipvs::parse_as_anything(message);
    ipset::parse_as_anything(message);
    conntrack::parse_as_anything(message);
    nftables::parse_as_anything(message);
    route::parse_as_anything(message);
    Attributes::new(message.payload).flatten().for_each(|attribute| {
        let _ = (attribute.string(), attribute.u64(), attribute.nested().count());
    });
}

fn parse_datagram(bytes: &[u8]) -> usize {
    Messages::new(bytes).flatten().map(|message| parse_as_anything(&message)).count()
}

fn captured() -> Vec<Vec<u8>> {
    names().iter().flat_map(|name| datagrams(name)).map(|(_, bytes)| bytes).collect()
}

#[test]
fn every_capture_is_whole() {
    for name in names() {
        for (_, bytes) in datagrams(&name) {
            let messages: Vec<_> = Messages::new(&bytes).collect();
            assert!(!messages.is_empty() && messages.iter().all(Result::is_ok), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_payloads_do_not_panic(payload: Vec<u8>, kind: u16, flags: u16) {
        parse_as_anything(&Message { kind, flags, sequence: 1, payload: &payload });
    }

    /// A few bytes are overwritten, and the end may be missing.
    #[test]
    fn damaged_captures_do_not_panic(
        bytes in sample::select(captured()),
        damage in proptest::collection::vec((any::<sample::Index>(), any::<u8>()), 0..6),
        end in any::<sample::Index>(),
        cut: bool,
    ) {
        let mut bytes = bytes;
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        parse_datagram(&bytes);
    }

    /// The lengths of attributes and messages, where a mistake would do most harm.
    #[test]
    fn damaged_lengths_do_not_panic(
        bytes in sample::select(captured()),
        place in any::<sample::Index>(),
        length in prop_oneof![0_u16..40, any::<u16>()],
    ) {
        let mut bytes = bytes;
        let place = place.index(bytes.len() / 4) * 4;
        bytes[place..place + 2].copy_from_slice(&length.to_ne_bytes());
        parse_datagram(&bytes);
    }
}
