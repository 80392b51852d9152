//! What the kernel lists. Attributes that are not needed are passed over, whatever is in them.

use std::net::IpAddr;

use crate::{
    attribute::{Attribute, Malformed, ip_address},
    message::Message,
    netfilter,
};

use super::{Flow, Tuple, attributes as attr};

/// Reads an `IPCTNL_MSG_CT_NEW`; `None` for a flow without ports, such as one of ICMP.
pub(super) fn flow(message: &Message<'_>) -> Result<Option<Flow>, Malformed> {
    let (mut original, mut reply) = (TupleParts::default(), TupleParts::default());
    let (mut id, mut zone) = (None, None);
    for attribute in netfilter::attributes(message)? {
        let attribute = attribute?;
        match attribute.kind {
            attr::CTA_TUPLE_ORIG => original = TupleParts::collect(&attribute)?,
            attr::CTA_TUPLE_REPLY => reply = TupleParts::collect(&attribute)?,
            attr::CTA_ID => id = Some(attribute.u32_be()?),
            attr::CTA_ZONE => zone = Some(attribute.u16_be()?),
            _ => {}
        }
    }
    let protocol = original.protocol.ok_or(Malformed("a flow has no protocol"))?;
    let zone = zone.or(reply.zone);
    let tuples = original.tuple()?.zip(reply.tuple()?);
    Ok(tuples.map(|(original, reply)| Flow { protocol, original, reply, id, zone }))
}

#[derive(Default)]
struct TupleParts {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: Option<u8>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    zone: Option<u16>,
}

// === impl TupleParts ===

impl TupleParts {
    fn collect(tuple: &Attribute<'_>) -> Result<Self, Malformed> {
        let mut parts = Self::default();
        for attribute in tuple.nested() {
            let attribute = attribute?;
            match attribute.kind {
                attr::CTA_TUPLE_IP => parts.collect_addresses(&attribute)?,
                attr::CTA_TUPLE_PROTO => parts.collect_ports(&attribute)?,
                attr::CTA_TUPLE_ZONE => parts.zone = Some(attribute.u16_be()?),
                _ => {}
            }
        }
        Ok(parts)
    }

    fn collect_addresses(&mut self, addresses: &Attribute<'_>) -> Result<(), Malformed> {
        for attribute in addresses.nested() {
            let attribute = attribute?;
            match attribute.kind {
                attr::CTA_IP_V4_SRC | attr::CTA_IP_V6_SRC => self.source = Some(ip_address(attribute.value)?),
                attr::CTA_IP_V4_DST | attr::CTA_IP_V6_DST => {
                    self.destination = Some(ip_address(attribute.value)?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn collect_ports(&mut self, ports: &Attribute<'_>) -> Result<(), Malformed> {
        for attribute in ports.nested() {
            let attribute = attribute?;
            match attribute.kind {
                attr::CTA_PROTO_NUM => self.protocol = Some(attribute.u8()?),
                attr::CTA_PROTO_SRC_PORT => self.source_port = Some(attribute.u16_be()?),
                attr::CTA_PROTO_DST_PORT => self.destination_port = Some(attribute.u16_be()?),
                _ => {}
            }
        }
        Ok(())
    }

    fn tuple(self) -> Result<Option<Tuple>, Malformed> {
        let missing = Malformed("a flow has no addresses");
        let (source, destination) = self.source.zip(self.destination).ok_or(missing)?;
        let ports = self.source_port.zip(self.destination_port);
        Ok(ports.map(|(source_port, destination_port)| Tuple {
            source,
            source_port,
            destination,
            destination_port,
        }))
    }
}
