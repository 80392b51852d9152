//! Sets over nfnetlink (subsystem `NFNL_SUBSYS_IPSET`, `linux/netfilter/ipset/ip_set.h`).

mod apply;
mod attributes;
mod encode;
mod parse;

use std::{collections::HashMap, net::IpAddr};

use crate::{
    connection::{Connection, Question},
    error::{Error, Outcome, Traffic},
    netfilter,
};

use self::attributes as attr;

/// A handle on the sets of one network namespace.
#[derive(Debug)]
pub struct Ipset {
    connection: Connection,
    /// The protocol version that every message carries.
    protocol: u8,
    /// The newest revision of each set type that the kernel and this crate know.
    revisions: HashMap<(SetType, Family), u8>,
}

/// What the entries of a set consist of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetType {
    /// `hash:ip`
    HashIp,
    /// `hash:ip,port`
    HashIpPort,
    /// `hash:ip,port,ip`
    HashIpPortIp,
    /// `hash:ip,port,net`
    HashIpPortNet,
    /// `bitmap:port`
    BitmapPort,
    /// A type that this crate lists but neither makes nor reads, by the kernel's name.
    Other(String),
}

/// The address family of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Sets without addresses, such as `bitmap:port` (`NFPROTO_UNSPEC`).
    Unspecified,
    /// IPv4 (`NFPROTO_IPV4`).
    Inet,
    /// IPv6 (`NFPROTO_IPV6`).
    Inet6,
    /// Any other.
    Other(u8),
}

/// A set to be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetSpec {
    /// The name, at most 31 bytes.
    pub name: String,
    /// The type.
    pub kind: SetType,
    /// The family, [`Family::Unspecified`] for bitmaps.
    pub family: Family,
    /// Buckets of a hash to begin with; the kernel grows it. Bitmaps have none.
    pub hash_size: u32,
    /// The most entries that a hash takes. Bitmaps have none: a `bitmap:port` is made for 0 to 65535.
    pub max_elements: u32,
}

/// A set as the kernel lists it, without its entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetHeader {
    /// The name.
    pub name: String,
    /// The type.
    pub kind: SetType,
    /// The family.
    pub family: Family,
    /// The revision of the type that the set was made with.
    pub revision: u8,
    /// Buckets of a hash now.
    pub hash_size: Option<u32>,
    /// The most entries that a hash takes.
    pub max_elements: Option<u32>,
    /// First and last port of a `bitmap:port`.
    pub port_range: Option<(u16, u16)>,
    /// How many rules and other sets refer to it.
    pub references: u32,
    /// How many entries it has; kernels before 4.9 do not tell.
    pub entries: Option<u32>,
}

/// An entry of a set. The protocol is the IP protocol number: 6 TCP, 17 UDP, 132 SCTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// Of a `hash:ip`.
    Ip(IpAddr),
    /// Of a `hash:ip,port`.
    IpPort {
        /// The address.
        address: IpAddr,
        /// The protocol.
        protocol: u8,
        /// The port.
        port: u16,
    },
    /// Of a `hash:ip,port,ip`.
    IpPortIp {
        /// The first address.
        address: IpAddr,
        /// The protocol.
        protocol: u8,
        /// The port.
        port: u16,
        /// The second address.
        address2: IpAddr,
    },
    /// Of a `hash:ip,port,net`. The kernel clears the bits of `net` behind the prefix, and takes no prefix of 0.
    IpPortNet {
        /// The address.
        address: IpAddr,
        /// The protocol.
        protocol: u8,
        /// The port.
        port: u16,
        /// The network.
        net: IpAddr,
        /// Its prefix length, from 1.
        prefix: u8,
    },
    /// Of a `bitmap:port`.
    Port(u16),
}

/// A change to a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// Makes a set. One that exists with the same type, family and options is left as it is; if it differs the
    /// outcome is `EEXIST`.
    Create(SetSpec),
    /// Adds an entry; one that exists is left as it is.
    Add {
        /// The set's name.
        set: String,
        /// The entry.
        entry: Entry,
    },
    /// Deletes an entry; one that is missing is no error.
    Delete {
        /// The set's name.
        set: String,
        /// The entry.
        entry: Entry,
    },
    /// Removes a set: `ENOENT` if it is missing, [`IPSET_BUSY`](crate::Errno::IPSET_BUSY) if it is referenced.
    Destroy(String),
    /// Removes the entries of a set.
    Flush(String),
}

// === impl Ipset ===

impl Ipset {
    /// Opens a handle on the calling thread's network namespace, and agrees on a protocol version.
    ///
    /// # Errors
    /// [`Error::Kernel`] with `EINVAL` if the kernel has no ipset, [`Error::ProtocolVersion`] if it is too old
    /// or too new.
    pub fn open() -> Result<Self, Error> {
        Self::over(Connection::open("ipset", netlink_sys::protocols::NETLINK_NETFILTER)?)
    }

    fn over(mut connection: Connection) -> Result<Self, Error> {
        let question = Question {
            what: "agreeing on an ipset protocol version",
            kind: attr::message_type(attr::IPSET_CMD_PROTOCOL),
            flags: 0,
            body: &|encoder| encode::header(encoder, attr::IPSET_PROTOCOL),
        };
        let (kernel, kernel_min) = connection.ask(&question, parse::protocol)?;
        let protocol = kernel.min(attr::IPSET_PROTOCOL);
        if protocol < attr::IPSET_PROTOCOL_MIN || protocol < kernel_min {
            let (min, max) = (attr::IPSET_PROTOCOL_MIN, attr::IPSET_PROTOCOL);
            return Err(Error::ProtocolVersion { kernel, kernel_min, min, max });
        }
        Ok(Self { connection, protocol, revisions: HashMap::new() })
    }

    /// Lists all sets without their entries.
    ///
    /// # Errors
    /// If the kernel refuses, or the list is incomplete.
    pub fn sets(&mut self) -> Result<Vec<SetHeader>, Error> {
        let protocol = self.protocol;
        let question = Question {
            what: "listing sets",
            kind: attr::message_type(attr::IPSET_CMD_LIST),
            flags: 0,
            body: &|encoder| {
                encode::header(encoder, protocol);
                encode::flags(encoder, attr::IPSET_FLAG_LIST_HEADER);
            },
        };
        self.connection.dump(&question, |message, found| {
            found.push(parse::set_header(message)?);
            Ok(())
        })
    }

    /// Lists the entries of a set, in the kernel's order. Networks of full length come back with prefix 32 or
    /// 128.
    ///
    /// # Errors
    /// [`Error::Kernel`] with `ENOENT` if there is no such set, [`Error::UnsupportedSet`] if its type is
    /// [`SetType::Other`].
    pub fn entries(&mut self, set: &str) -> Result<Vec<Entry>, Error> {
        let protocol = self.protocol;
        let question = Question {
            what: "listing the entries of a set",
            kind: attr::message_type(attr::IPSET_CMD_LIST),
            flags: 0,
            body: &|encoder| {
                encode::header(encoder, protocol);
                encoder.put_string(attr::IPSET_ATTR_SETNAME, set);
            },
        };
        let mut kind = None;
        let found = self.connection.dump(&question, |message, found| {
            // Only the first message of a dump names the type.
            if let Some(name) = parse::type_name(message)? {
                kind = Some(SetType::from(name));
            }
            match &kind {
                Some(SetType::Other(_)) => Ok(()),
                Some(kind) => parse::entries(message, kind, found),
                None => Err(crate::attribute::Malformed("entries of a set come before its type")),
            }
        })?;
        match kind {
            Some(SetType::Other(kind)) => Err(Error::UnsupportedSet { name: set.to_owned(), kind }),
            _ => Ok(found),
        }
    }

    /// Makes changes, in order, and returns one outcome for each. Additions to one set that follow each other
    /// share a message, and so do deletions.
    ///
    /// # Errors
    /// If it is unknown what the kernel did; see [`Error`].
    pub fn apply(&mut self, requests: &[Request]) -> Result<Vec<Outcome>, Error> {
        apply::apply(self, requests)
    }

    /// What was exchanged with the kernel so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.connection.traffic()
    }
}

// === impl SetType ===

impl SetType {
    /// The kernel's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::HashIp => "hash:ip",
            Self::HashIpPort => "hash:ip,port",
            Self::HashIpPortIp => "hash:ip,port,ip",
            Self::HashIpPortNet => "hash:ip,port,net",
            Self::BitmapPort => "bitmap:port",
            Self::Other(name) => name,
        }
    }

    /// The newest revision whose attributes this crate knows, which are those of ipset 7.17.
    fn newest_revision(&self) -> u8 {
        match self {
            Self::HashIp | Self::HashIpPortIp => 6,
            Self::HashIpPort => 7,
            Self::HashIpPortNet => 8,
            Self::BitmapPort => 3,
            Self::Other(_) => 0,
        }
    }
}

impl From<&str> for SetType {
    fn from(name: &str) -> Self {
        match name {
            "hash:ip" => Self::HashIp,
            "hash:ip,port" => Self::HashIpPort,
            "hash:ip,port,ip" => Self::HashIpPortIp,
            "hash:ip,port,net" => Self::HashIpPortNet,
            "bitmap:port" => Self::BitmapPort,
            other => Self::Other(other.to_owned()),
        }
    }
}

// === impl Family ===

impl From<u8> for Family {
    fn from(number: u8) -> Self {
        match number {
            netfilter::NFPROTO_UNSPEC => Self::Unspecified,
            netfilter::NFPROTO_IPV4 => Self::Inet,
            netfilter::NFPROTO_IPV6 => Self::Inet6,
            other => Self::Other(other),
        }
    }
}

impl From<Family> for u8 {
    fn from(family: Family) -> Self {
        match family {
            Family::Unspecified => netfilter::NFPROTO_UNSPEC,
            Family::Inet => netfilter::NFPROTO_IPV4,
            Family::Inet6 => netfilter::NFPROTO_IPV6,
            Family::Other(other) => other,
        }
    }
}

// === impl Request ===

impl Request {
    /// The name of the set that it changes.
    #[must_use]
    pub fn set(&self) -> &str {
        match self {
            Self::Create(spec) => &spec.name,
            Self::Add { set, .. } | Self::Delete { set, .. } | Self::Destroy(set) | Self::Flush(set) => set,
        }
    }
}

#[cfg(test)]
pub(crate) use self::tests::parse_as_anything;

#[cfg(test)]
mod tests;
