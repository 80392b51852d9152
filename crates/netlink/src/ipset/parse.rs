//! What the kernel lists. Unknown attributes are passed over.

use std::net::IpAddr;

use crate::{
    attribute::{Attribute, Attributes, Malformed, ip_address},
    message::Message,
    netfilter::{self, attributes},
};

use super::{Entry, Family, SetHeader, SetType, attributes as attr};

/// The newest and the oldest protocol version of the kernel.
pub(super) fn protocol(message: &Message<'_>) -> Result<(u8, u8), Malformed> {
    let (mut newest, mut oldest) = (None, None);
    for attribute in attributes(message)? {
        let attribute = attribute?;
        match attribute.kind {
            attr::IPSET_ATTR_PROTOCOL => newest = Some(attribute.u8()?),
            attr::IPSET_ATTR_PROTOCOL_MIN => oldest = Some(attribute.u8()?),
            _ => {}
        }
    }
    let newest = newest.ok_or(Malformed("the protocol version is missing"))?;
    Ok((newest, oldest.unwrap_or(newest)))
}

/// The newest revision of a set type that the kernel knows.
pub(super) fn newest_revision(message: &Message<'_>) -> Result<u8, Malformed> {
    find(message, attr::IPSET_ATTR_REVISION)?.ok_or(Malformed("the revision is missing"))?.u8()
}

/// The type's name, where the message has one.
pub(super) fn type_name<'a>(message: &Message<'a>) -> Result<Option<&'a str>, Malformed> {
    find(message, attr::IPSET_ATTR_TYPENAME)?.map(|attribute| attribute.string()).transpose()
}

/// `IPSET_CMD_HEADER`: type and family of a set.
pub(super) fn type_and_family(message: &Message<'_>) -> Result<(SetType, Family), Malformed> {
    let kind = type_name(message)?.ok_or(Malformed("a set has no type"))?;
    let family = find(message, attr::IPSET_ATTR_FAMILY)?.ok_or(Malformed("a set has no family"))?.u8()?;
    Ok((SetType::from(kind), Family::from(family)))
}

pub(super) fn set_header(message: &Message<'_>) -> Result<SetHeader, Malformed> {
    let (mut name, mut kind, mut data) = (None, None, None);
    let mut family = Family::Unspecified;
    let mut revision = 0;
    for attribute in attributes(message)? {
        let attribute = attribute?;
        match attribute.kind {
            attr::IPSET_ATTR_SETNAME => name = Some(attribute.name()),
            attr::IPSET_ATTR_TYPENAME => kind = Some(SetType::from(attribute.string()?)),
            attr::IPSET_ATTR_FAMILY => family = Family::from(attribute.u8()?),
            attr::IPSET_ATTR_REVISION => revision = attribute.u8()?,
            attr::IPSET_ATTR_DATA => data = Some(attribute.nested()),
            _ => {}
        }
    }
    let header = SetHeader {
        name: name.ok_or(Malformed("a set has no name"))?,
        kind: kind.ok_or(Malformed("a set has no type"))?,
        family,
        revision,
        hash_size: None,
        max_elements: None,
        port_range: None,
        references: 0,
        entries: None,
    };
    match data {
        Some(data) => with_data(header, data),
        None => Ok(header),
    }
}

/// Appends the entries in one message of a dump.
pub(super) fn entries(
    message: &Message<'_>,
    kind: &SetType,
    found: &mut Vec<Entry>,
) -> Result<(), Malformed> {
    let Some(list) = find(message, attr::IPSET_ATTR_ADT)? else {
        return Ok(());
    };
    for data in list.nested() {
        found.push(entry(kind, data?.nested())?);
    }
    Ok(())
}

/// The line that an error report names, from the request that it sends back.
pub(super) fn failed_line(request: &[u8]) -> Option<usize> {
    let attributes = Attributes::new(request.get(netfilter::HEADER..)?);
    let line = attributes
        .map_while(Result::ok)
        .find(|attribute| attribute.kind == attr::IPSET_ATTR_LINENO)?
        .value
        .try_into()
        .ok()?;
    // The kernel stores it as its own number, which it read from our bytes, so our order comes back.
    usize::try_from(u32::from_be_bytes(line)).ok().filter(|line| *line > 0)
}

fn entry(kind: &SetType, attributes: Attributes<'_>) -> Result<Entry, Malformed> {
    let parts = EntryParts::collect(attributes)?;
    Ok(match kind {
        SetType::HashIp => Entry::Ip(parts.address()?),
        SetType::HashIpPort => {
            Entry::IpPort { address: parts.address()?, protocol: parts.protocol()?, port: parts.port()? }
        }
        SetType::HashIpPortIp => Entry::IpPortIp {
            address: parts.address()?,
            protocol: parts.protocol()?,
            port: parts.port()?,
            address2: parts.address2()?,
        },
        SetType::HashIpPortNet => {
            let net = parts.address2()?;
            let full = if net.is_ipv4() { 32 } else { 128 };
            let prefix = parts.prefix2.unwrap_or(full);
            Entry::IpPortNet {
                address: parts.address()?,
                protocol: parts.protocol()?,
                port: parts.port()?,
                net,
                prefix,
            }
        }
        SetType::BitmapPort => Entry::Port(parts.port()?),
        SetType::Other(_) => return Err(Malformed("entries of an unknown set type")),
    })
}

#[derive(Default)]
struct EntryParts {
    address: Option<IpAddr>,
    protocol: Option<u8>,
    port: Option<u16>,
    address2: Option<IpAddr>,
    prefix2: Option<u8>,
}

// === impl EntryParts ===

impl EntryParts {
    fn collect(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut parts = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                attr::IPSET_ATTR_IP => parts.address = Some(address(&attribute)?),
                attr::IPSET_ATTR_PORT => parts.port = Some(attribute.u16_be()?),
                attr::IPSET_ATTR_PROTO => parts.protocol = Some(attribute.u8()?),
                attr::IPSET_ATTR_IP2 => parts.address2 = Some(address(&attribute)?),
                attr::IPSET_ATTR_CIDR2 => parts.prefix2 = Some(attribute.u8()?),
                _ => {}
            }
        }
        Ok(parts)
    }

    fn address(&self) -> Result<IpAddr, Malformed> {
        self.address.ok_or(Malformed("an entry has no address"))
    }

    fn protocol(&self) -> Result<u8, Malformed> {
        self.protocol.ok_or(Malformed("an entry has no protocol"))
    }

    fn port(&self) -> Result<u16, Malformed> {
        self.port.ok_or(Malformed("an entry has no port"))
    }

    fn address2(&self) -> Result<IpAddr, Malformed> {
        self.address2.ok_or(Malformed("an entry has no second address"))
    }
}

fn with_data(mut header: SetHeader, data: Attributes<'_>) -> Result<SetHeader, Malformed> {
    let (mut from, mut to) = (None, None);
    for attribute in data {
        let attribute = attribute?;
        match attribute.kind {
            attr::IPSET_ATTR_HASHSIZE => header.hash_size = Some(attribute.u32_be()?),
            attr::IPSET_ATTR_MAXELEM => header.max_elements = Some(attribute.u32_be()?),
            attr::IPSET_ATTR_REFERENCES => header.references = attribute.u32_be()?,
            attr::IPSET_ATTR_ELEMENTS => header.entries = Some(attribute.u32_be()?),
            // The same numbers mean other things in other types.
            attr::IPSET_ATTR_PORT_FROM if header.kind == SetType::BitmapPort => {
                from = Some(attribute.u16_be()?);
            }
            attr::IPSET_ATTR_PORT_TO if header.kind == SetType::BitmapPort => to = Some(attribute.u16_be()?),
            _ => {}
        }
    }
    header.port_range = from.zip(to);
    Ok(header)
}

fn find<'a>(message: &Message<'a>, kind: u16) -> Result<Option<Attribute<'a>>, Malformed> {
    for attribute in attributes(message)? {
        let attribute = attribute?;
        if attribute.kind == kind {
            return Ok(Some(attribute));
        }
    }
    Ok(None)
}

/// An address is nested in an attribute that names its family.
fn address(attribute: &Attribute<'_>) -> Result<IpAddr, Malformed> {
    match attribute.nested().next() {
        Some(inner) => ip_address(inner?.value),
        None => Err(Malformed("an address is empty")),
    }
}
