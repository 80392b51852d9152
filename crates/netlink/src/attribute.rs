//! Netlink attributes: a writer that appends to a `Vec`, and an iterator over borrowed bytes.

use std::{ffi::CStr, net::IpAddr};

use crate::errno::Errno;

/// `NLA_F_NESTED`.
pub(crate) const NESTED: u16 = 1 << 15;
/// `NLA_F_NET_BYTEORDER`.
pub(crate) const NET_BYTEORDER: u16 = 1 << 14;
const TYPE_MASK: u16 = !(NESTED | NET_BYTEORDER);

/// `NLA_HDRLEN`.
const HEADER: usize = 4;
/// `NLA_ALIGNTO`.
const ALIGNMENT: usize = 4;

/// Appends attributes, every byte written, padding included.
///
/// A value that netlink cannot carry is left out and remembered in [`Encoder::fault`].
#[derive(Debug)]
pub(crate) struct Encoder<'a> {
    bytes: &'a mut Vec<u8>,
    fault: Option<Errno>,
}

/// One attribute in borrowed bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a> {
    /// The type without its flags.
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

/// Iterates over a sequence of attributes, and ends after the first malformed one.
#[derive(Debug, Clone)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
}

/// Bytes from the kernel do not have the form they should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

// === impl Encoder ===

impl<'a> Encoder<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, fault: None }
    }

    /// Why the bytes must not be sent.
    pub(crate) fn fault(&self) -> Option<Errno> {
        self.fault
    }

    /// Appends bytes that are not an attribute: the fixed header of a family.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends zeros, for a serializer that fills a slice, and returns them.
    pub(crate) fn zeros(&mut self, count: usize) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.resize(start + count, 0);
        self.bytes.get_mut(start..).unwrap_or_default()
    }

    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        let Ok(length) = u16::try_from(HEADER + value.len()) else {
            self.fault = Some(Errno::EMSGSIZE);
            return;
        };
        self.raw(&length.to_ne_bytes());
        self.raw(&kind.to_ne_bytes());
        self.raw(value);
        self.pad();
    }

    pub(crate) fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &[value]);
    }

    pub(crate) fn put_u16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_ne_bytes());
    }

    pub(crate) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// A text with its terminating zero.
    pub(crate) fn put_string(&mut self, kind: u16, value: &str) {
        if value.contains('\0') {
            self.fault = Some(Errno::EINVAL);
            return;
        }
        let mut text = Vec::with_capacity(value.len() + 1);
        text.extend_from_slice(value.as_bytes());
        text.push(0);
        self.put(kind, &text);
    }

    /// An attribute that holds attributes. Whether `kind` carries [`NESTED`] is up to the family.
    pub(crate) fn nested(&mut self, kind: u16, content: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.raw(&[0; 2]);
        self.raw(&kind.to_ne_bytes());
        content(self);
        let length = u16::try_from(self.bytes.len() - start);
        match (length, self.bytes.get_mut(start..start + 2)) {
            (Ok(length), Some(field)) => field.copy_from_slice(&length.to_ne_bytes()),
            _ => self.fault = Some(Errno::EMSGSIZE),
        }
    }

    fn pad(&mut self) {
        let padded = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(padded, 0);
    }
}

// === impl Attribute ===

impl<'a> Attribute<'a> {
    pub(crate) fn u8(&self) -> Result<u8, Malformed> {
        self.array().map(u8::from_ne_bytes)
    }

    pub(crate) fn u16(&self) -> Result<u16, Malformed> {
        self.array().map(u16::from_ne_bytes)
    }

    pub(crate) fn u16_be(&self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(crate) fn u32_be(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&self) -> Result<u64, Malformed> {
        self.array().map(u64::from_ne_bytes)
    }

    /// The text before the first zero byte, or all of it.
    pub(crate) fn string(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.text()).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// The name that somebody gave to something. Names of others need not be UTF-8, and what is put for the bytes
    /// that are not makes them equal to none of ours.
    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(self.text()).into_owned()
    }

    fn text(&self) -> &'a [u8] {
        CStr::from_bytes_until_nul(self.value).map_or(self.value, CStr::to_bytes)
    }

    pub(crate) fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }

    fn array<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.value.try_into().map_err(|_| Malformed("a number has the wrong length"))
    }
}

// === impl Attributes ===

impl<'a> Attributes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn split_first(&mut self) -> Option<Result<Attribute<'a>, Malformed>> {
        let (length, rest) = self.rest.split_first_chunk::<2>()?;
        let (kind, _) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_ne_bytes(*length));
        let kind = u16::from_ne_bytes(*kind) & TYPE_MASK;
        let Some(value) = self.rest.get(HEADER..length) else {
            self.rest = &[];
            return Some(Err(Malformed("an attribute's length does not fit its surroundings")));
        };
        self.rest = self.rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some(Ok(Attribute { kind, value }))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    /// Fewer than four bytes at the end are padding, as in the kernel's `nla_parse`.
    fn next(&mut self) -> Option<Self::Item> {
        self.split_first()
    }
}

/// Reads an IPv4 address from 4 bytes or an IPv6 address from 16.
pub(crate) fn ip_address(bytes: &[u8]) -> Result<IpAddr, Malformed> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes)
        .map(IpAddr::from)
        .map_err(|_| Malformed("an address has neither 4 nor 16 bytes"))
}

#[cfg(test)]
mod tests;
