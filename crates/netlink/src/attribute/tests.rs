use proptest::prelude::*;

use crate::Errno;

use super::{Attributes, Encoder, Malformed, NESTED, NET_BYTEORDER, ip_address};

fn encoded(write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes));
    bytes
}

#[test]
fn padding_is_written() {
    // A buffer that is used again must not show through.
    let mut bytes = vec![0xee; 64];
    bytes.clear();
    let mut encoder = Encoder::new(&mut bytes);
    encoder.put_u8(1, 7);
    encoder.put_string(2, "ab");
    encoder.put_u16(3, 0x0102);
    let expected: [[u8; 8]; 3] =
        [[5, 0, 1, 0, 7, 0, 0, 0], [7, 0, 2, 0, b'a', b'b', 0, 0], [6, 0, 3, 0, 2, 1, 0, 0]];
    if cfg!(target_endian = "little") {
        assert_eq!(bytes, expected.concat());
    }
}

#[test]
fn nested_attributes_have_the_length_of_their_content() {
    let bytes = encoded(|encoder| {
        encoder.nested(1 | NESTED, |encoder| {
            encoder.put_u32(2, 5);
            encoder.nested(3, |_| {});
        });
        encoder.put_u8(4, 1);
    });
    let outer: Vec<_> = Attributes::new(&bytes).map(|attribute| attribute.unwrap()).collect();
    assert_eq!(outer.iter().map(|attribute| attribute.kind).collect::<Vec<_>>(), [1, 4]);
    let inner: Vec<_> = outer[0].nested().map(|attribute| attribute.unwrap()).collect();
    assert_eq!(
        inner.iter().map(|attribute| (attribute.kind, attribute.value.len())).collect::<Vec<_>>(),
        [(2, 4), (3, 0)]
    );
    assert_eq!(inner[0].u32(), Ok(5));
}

#[test]
fn values_that_do_not_fit_are_faults() {
    let fault = |write: &dyn Fn(&mut Encoder<'_>)| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        write(&mut encoder);
        encoder.fault()
    };
    assert_eq!(fault(&|encoder| encoder.put(1, &[0; 65_531])), None);
    assert_eq!(fault(&|encoder| encoder.put(1, &[0; 65_532])), Some(Errno::EMSGSIZE));
    assert_eq!(fault(&|encoder| encoder.put_string(1, "a\0")), Some(Errno::EINVAL));
    let wide = |encoder: &mut Encoder<'_>| {
        encoder.nested(1, |encoder| {
            encoder.put(2, &[0; 40_000]);
            encoder.put(2, &[0; 40_000]);
        });
    };
    assert_eq!(fault(&wide), Some(Errno::EMSGSIZE));
}

#[test]
fn flags_of_the_type_are_hidden() {
    let bytes = encoded(|encoder| encoder.put(3 | NET_BYTEORDER | NESTED, &[1, 2]));
    let attribute = Attributes::new(&bytes).next().unwrap().unwrap();
    assert_eq!((attribute.kind, attribute.u16_be()), (3, Ok(0x0102)));
}

#[test]
fn a_length_that_does_not_fit_ends_the_list_with_an_error() {
    for header in [[3, 0, 1, 0], [0, 0, 1, 0], [9, 0, 1, 0], [255, 255, 1, 0]] {
        let mut bytes = encoded(|encoder| encoder.put_u32(1, 1));
        bytes.extend(header);
        bytes.extend([0; 4]);
        let mut attributes = Attributes::new(&bytes);
        assert!(attributes.next().unwrap().is_ok());
        assert!(attributes.next().unwrap().is_err(), "{header:?}");
        assert!(attributes.next().is_none());
    }
}

#[test]
fn the_last_attribute_may_lack_its_padding() {
    let mut bytes = encoded(|encoder| encoder.put_u8(1, 9));
    bytes.truncate(5);
    let values: Vec<_> = Attributes::new(&bytes).map(|attribute| attribute.unwrap().u8()).collect();
    assert_eq!(values, [Ok(9)]);
}

#[test]
fn texts_end_at_the_first_zero() {
    let text = |value: &[u8]| {
        let bytes = encoded(|encoder| encoder.put(1, value));
        let attribute = Attributes::new(&bytes).next().unwrap().unwrap();
        attribute.string().map(str::to_owned)
    };
    assert_eq!(text(b"rr\0"), Ok("rr".to_owned()));
    assert_eq!(text(b"rr\0\0garbage"), Ok("rr".to_owned()));
    assert_eq!(text(b"rr"), Ok("rr".to_owned()));
    assert_eq!(text(b"\xff\0"), Err(Malformed("a text is not UTF-8")));
}

#[test]
fn a_name_may_hold_any_bytes() {
    let bytes = encoded(|encoder| encoder.put(1, b"b\xe9ton\0".as_slice()));
    let attribute = Attributes::new(&bytes).next().unwrap().unwrap();
    assert_eq!(attribute.name(), "b\u{fffd}ton");
}

#[test]
fn addresses_have_4_or_16_bytes() {
    assert_eq!(ip_address(&[10, 0, 0, 1]).map(|address| address.to_string()), Ok("10.0.0.1".to_owned()));
    assert_eq!(ip_address(&[0; 16]).map(|address| address.to_string()), Ok("::".to_owned()));
    assert!(ip_address(&[0; 5]).is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read(values in proptest::collection::vec((0_u16..0x4000, any::<Vec<u8>>()), 0..20)) {
        let bytes = encoded(|encoder| values.iter().for_each(|(kind, value)| encoder.put(*kind, value)));
        let read: Vec<(u16, Vec<u8>)> = Attributes::new(&bytes)
            .map(|attribute| attribute.map(|attribute| (attribute.kind, attribute.value.to_vec())).unwrap())
            .collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn any_bytes_come_to_an_end(bytes: Vec<u8>) {
        let attributes = Attributes::new(&bytes).count();
        prop_assert!(attributes <= bytes.len() / 4 + 1);
    }
}
