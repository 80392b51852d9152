//! What the kernel lists. Unknown attributes are passed over.

use std::net::IpAddr;

use crate::{
    attribute::{Attribute, Attributes, Malformed},
    generic,
    message::Message,
};

use super::{
    Family, Info, RealServer, RealServerStatus, Stats, Timeouts, VirtualServer, VirtualServerId,
    attributes::{self as attr, IPVS_CMD_ATTR_DEST, IPVS_CMD_ATTR_SERVICE},
};

pub(super) fn virtual_server(message: &Message<'_>) -> Result<VirtualServer, Malformed> {
    let mut id = IdParts::default();
    let mut netmask = None;
    let mut stats = StatsParts::default();
    let mut found = VirtualServer {
        id: VirtualServerId::FirewallMark { family: Family::Inet, mark: 0 },
        scheduler: String::new(),
        flags: 0,
        timeout: 0,
        netmask: 0,
        persistence_engine: None,
        stats: Stats::default(),
    };
    for attribute in nested(message, IPVS_CMD_ATTR_SERVICE)? {
        let attribute = attribute?;
        match attribute.kind {
            attr::IPVS_SVC_ATTR_SCHED_NAME => found.scheduler = attribute.string()?.to_owned(),
            attr::IPVS_SVC_ATTR_FLAGS => found.flags = flags(&attribute)?,
            attr::IPVS_SVC_ATTR_TIMEOUT => found.timeout = attribute.u32()?,
            attr::IPVS_SVC_ATTR_NETMASK => netmask = Some(attribute),
            attr::IPVS_SVC_ATTR_PE_NAME => found.persistence_engine = Some(attribute.string()?.to_owned()),
            attr::IPVS_SVC_ATTR_STATS => stats.narrow = Some(attribute.nested()),
            attr::IPVS_SVC_ATTR_STATS64 => stats.wide = Some(attribute.nested()),
            _ => id.note(attribute)?,
        }
    }
    found.id = id.build()?;
    found.netmask = match netmask {
        Some(mask) if found.id.family() == Family::Inet => mask.u32_be()?,
        Some(mask) => mask.u32()?,
        None => 0,
    };
    found.stats = stats.build()?;
    Ok(found)
}

/// The counters of a virtual server.
pub(super) fn statistics(message: &Message<'_>) -> Result<(VirtualServerId, Stats), Malformed> {
    let mut id = IdParts::default();
    let mut stats = StatsParts::default();
    for attribute in nested(message, IPVS_CMD_ATTR_SERVICE)? {
        let attribute = attribute?;
        match attribute.kind {
            attr::IPVS_SVC_ATTR_STATS => stats.narrow = Some(attribute.nested()),
            attr::IPVS_SVC_ATTR_STATS64 => stats.wide = Some(attribute.nested()),
            _ => id.note(attribute)?,
        }
    }
    Ok((id.build()?, stats.build()?))
}

/// `service_family` is the family of kernels before 3.18, which do not name it.
pub(super) fn real_server(
    message: &Message<'_>,
    service_family: Family,
) -> Result<RealServerStatus, Malformed> {
    let mut family = service_family;
    let (mut address, mut port, mut stats) = (None, None, StatsParts::default());
    let (mut forwarding, mut weight, mut upper_threshold, mut lower_threshold) = (0, 0, 0, 0);
    let (mut active_connections, mut inactive_connections, mut persistent_connections) = (0, 0, 0);
    for attribute in nested(message, IPVS_CMD_ATTR_DEST)? {
        let attribute = attribute?;
        match attribute.kind {
            attr::IPVS_DEST_ATTR_ADDR_FAMILY => family = address_family(&attribute)?,
            attr::IPVS_DEST_ATTR_ADDR => address = Some(attribute),
            attr::IPVS_DEST_ATTR_PORT => port = Some(attribute.u16_be()?),
            attr::IPVS_DEST_ATTR_FWD_METHOD => forwarding = attribute.u32()? & attr::FORWARDING_MASK,
            attr::IPVS_DEST_ATTR_WEIGHT => weight = attribute.u32()?,
            attr::IPVS_DEST_ATTR_U_THRESH => upper_threshold = attribute.u32()?,
            attr::IPVS_DEST_ATTR_L_THRESH => lower_threshold = attribute.u32()?,
            attr::IPVS_DEST_ATTR_ACTIVE_CONNS => active_connections = attribute.u32()?,
            attr::IPVS_DEST_ATTR_INACT_CONNS => inactive_connections = attribute.u32()?,
            attr::IPVS_DEST_ATTR_PERSIST_CONNS => persistent_connections = attribute.u32()?,
            attr::IPVS_DEST_ATTR_STATS => stats.narrow = Some(attribute.nested()),
            attr::IPVS_DEST_ATTR_STATS64 => stats.wide = Some(attribute.nested()),
            _ => {}
        }
    }
    let server = RealServer {
        address: union(family, &address.ok_or(Malformed("a real server has no address"))?)?,
        port: port.ok_or(Malformed("a real server has no port"))?,
        weight,
        forwarding: forwarding.into(),
        upper_threshold,
        lower_threshold,
    };
    let stats = stats.build()?;
    Ok(RealServerStatus { server, active_connections, inactive_connections, persistent_connections, stats })
}

pub(super) fn timeouts(message: &Message<'_>) -> Result<Timeouts, Malformed> {
    let mut found = Timeouts::default();
    for attribute in generic::attributes(message)? {
        let attribute = attribute?;
        match attribute.kind {
            attr::IPVS_CMD_ATTR_TIMEOUT_TCP => found.tcp = attribute.u32()?,
            attr::IPVS_CMD_ATTR_TIMEOUT_TCP_FIN => found.tcp_fin = attribute.u32()?,
            attr::IPVS_CMD_ATTR_TIMEOUT_UDP => found.udp = attribute.u32()?,
            _ => {}
        }
    }
    Ok(found)
}

pub(super) fn info(message: &Message<'_>) -> Result<Info, Malformed> {
    let (mut version, mut size) = (None, None);
    for attribute in generic::attributes(message)? {
        let attribute = attribute?;
        match attribute.kind {
            attr::IPVS_INFO_ATTR_VERSION => version = Some(attribute.u32()?),
            attr::IPVS_INFO_ATTR_CONN_TAB_SIZE => size = Some(attribute.u32()?),
            _ => {}
        }
    }
    // `NVERSION` of net/ip_vs.h: one byte each.
    let [_, major, minor, patch] = version.ok_or(Malformed("the version is missing"))?.to_be_bytes();
    let connection_table_size = size.ok_or(Malformed("the connection table's size is missing"))?;
    Ok(Info { version: (major, minor, patch), connection_table_size })
}

#[derive(Default)]
struct IdParts<'a> {
    family: Option<Family>,
    protocol: Option<u16>,
    address: Option<Attribute<'a>>,
    port: Option<u16>,
    mark: Option<u32>,
}

#[derive(Default)]
struct StatsParts<'a> {
    narrow: Option<Attributes<'a>>,
    wide: Option<Attributes<'a>>,
}

// === impl IdParts ===

impl<'a> IdParts<'a> {
    /// Keeps an attribute that is a part of the identity.
    fn note(&mut self, attribute: Attribute<'a>) -> Result<(), Malformed> {
        match attribute.kind {
            attr::IPVS_SVC_ATTR_AF => self.family = Some(address_family(&attribute)?),
            attr::IPVS_SVC_ATTR_PROTOCOL => self.protocol = Some(attribute.u16()?),
            attr::IPVS_SVC_ATTR_ADDR => self.address = Some(attribute),
            attr::IPVS_SVC_ATTR_PORT => self.port = Some(attribute.u16_be()?),
            attr::IPVS_SVC_ATTR_FWMARK => self.mark = Some(attribute.u32()?),
            _ => {}
        }
        Ok(())
    }

    fn build(self) -> Result<VirtualServerId, Malformed> {
        let family = self.family.ok_or(Malformed("a virtual server has no address family"))?;
        if let Some(mark) = self.mark {
            return Ok(VirtualServerId::FirewallMark { family, mark });
        }
        let (Some(protocol), Some(address), Some(port)) = (self.protocol, self.address, self.port) else {
            return Err(Malformed("a virtual server has neither an address and port nor a firewall mark"));
        };
        let protocol = u8::try_from(protocol).map_err(|_| Malformed("a protocol number is too big"))?;
        Ok(VirtualServerId::Address { protocol, address: union(family, &address)?, port })
    }
}

// === impl StatsParts ===

impl StatsParts<'_> {
    /// Kernels since 4.1 send both forms.
    fn build(self) -> Result<Stats, Malformed> {
        match (self.wide, self.narrow) {
            (Some(wide), _) => counters(wide, |attribute| attribute.u64()),
            (None, Some(narrow)) => counters(narrow, stats_number),
            (None, None) => Ok(Stats::default()),
        }
    }
}

fn counters(
    attributes: Attributes<'_>,
    number: impl Fn(&Attribute<'_>) -> Result<u64, Malformed>,
) -> Result<Stats, Malformed> {
    let mut stats = Stats::default();
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            attr::IPVS_STATS_ATTR_CONNS => stats.connections = number(&attribute)?,
            attr::IPVS_STATS_ATTR_INPKTS => stats.packets_in = number(&attribute)?,
            attr::IPVS_STATS_ATTR_OUTPKTS => stats.packets_out = number(&attribute)?,
            attr::IPVS_STATS_ATTR_INBYTES => stats.bytes_in = number(&attribute)?,
            attr::IPVS_STATS_ATTR_OUTBYTES => stats.bytes_out = number(&attribute)?,
            _ => {}
        }
    }
    Ok(stats)
}

/// In `IPVS_*_ATTR_STATS` the byte counters have 64 bits and the others 32.
fn stats_number(attribute: &Attribute<'_>) -> Result<u64, Malformed> {
    attribute.u64().or_else(|_| attribute.u32().map(u64::from))
}

fn nested<'a>(message: &Message<'a>, kind: u16) -> Result<Attributes<'a>, Malformed> {
    for attribute in generic::attributes(message)? {
        let attribute = attribute?;
        if attribute.kind == kind {
            return Ok(attribute.nested());
        }
    }
    Err(Malformed("a listed element is empty"))
}

/// `struct ip_vs_flags`, whose second half is a mask.
fn flags(attribute: &Attribute<'_>) -> Result<u32, Malformed> {
    let value = attribute.value.first_chunk::<4>().ok_or(Malformed("the flags are cut off"))?;
    Ok(u32::from_ne_bytes(*value))
}

fn address_family(attribute: &Attribute<'_>) -> Result<Family, Malformed> {
    let family = Family::from_number(attribute.u16()?);
    family.ok_or(Malformed("an address family is neither IPv4 nor IPv6"))
}

/// `union nf_inet_addr`.
fn union(family: Family, attribute: &Attribute<'_>) -> Result<IpAddr, Malformed> {
    let cut_off = Malformed("an address is cut off");
    match family {
        Family::Inet => attribute.value.first_chunk::<4>().map(|v4| IpAddr::from(*v4)).ok_or(cut_off),
        Family::Inet6 => attribute.value.first_chunk::<16>().map(|v6| IpAddr::from(*v6)).ok_or(cut_off),
    }
}
