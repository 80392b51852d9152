//! Tables of nftables over nfnetlink (subsystem `NFNL_SUBSYS_NFTABLES`, `linux/netfilter/nf_tables.h`): listing them
//! and deleting one, which is all that is needed to remove what another program left.
//!
//! The codec is our own: `netlink-packet-netfilter` has no nf_tables, and other crates build whole rule sets through a
//! C library or the program `nft`.

use crate::{
    attribute::Malformed,
    connection::{Connection, Question},
    errno::Errno,
    error::{Error, Outcome},
    message::{ACK, Batch, Message},
    netfilter,
};

const NFNL_SUBSYS_NFTABLES: u8 = 10;
const NFT_MSG_GETTABLE: u8 = 1;
const NFT_MSG_DELTABLE: u8 = 2;
const NFTA_TABLE_NAME: u16 = 1;

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`: what changes tables has to stand between the two.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// A handle on the nftables of one network namespace. Every call needs `CAP_NET_ADMIN`.
#[derive(Debug)]
pub struct Nftables {
    connection: Connection,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// The family.
    pub family: Family,
    /// The name.
    pub name: String,
}

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `ip` (`NFPROTO_IPV4`).
    Ip,
    /// `ip6` (`NFPROTO_IPV6`).
    Ip6,
    /// Any other, by its number.
    Other(u8),
}

// === impl Nftables ===

impl Nftables {
    /// Opens a handle on the calling thread's network namespace.
    ///
    /// # Errors
    /// If the socket cannot be opened.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { connection: Connection::open("nftables", netlink_sys::protocols::NETLINK_NETFILTER)? })
    }

    /// Lists the tables of all families; none if the kernel has no nftables.
    ///
    /// # Errors
    /// If the kernel refuses, `EPERM` without `CAP_NET_ADMIN`, or if the list is incomplete.
    pub fn tables(&mut self) -> Result<Vec<Table>, Error> {
        let question = Question {
            what: "listing nftables",
            kind: message_type(NFT_MSG_GETTABLE),
            flags: 0,
            body: &|encoder| netfilter::header(encoder, netfilter::NFPROTO_UNSPEC),
        };
        let listed = self.connection.dump(&question, |message, found| {
            found.push(parse(message)?);
            Ok(())
        });
        match listed {
            Err(Error::Kernel { errno: Errno::EINVAL | Errno::EOPNOTSUPP, .. }) => Ok(Vec::new()),
            listed => listed,
        }
    }

    /// Deletes a table with everything in it. `ENOENT` if there is no such table.
    ///
    /// # Errors
    /// If it is unknown what the kernel did; see [`Error`].
    pub fn delete_table(&mut self, table: &Table) -> Result<Outcome, Error> {
        let what = "deleting an nftables table";
        let fault = |errno| Error::Send { what, errno };
        let mut batch = Batch::new();
        let limit = |encoder: &mut crate::attribute::Encoder<'_>| {
            // The subsystem stands where others have the resource's number, in network byte order.
            encoder.raw(&[netfilter::NFPROTO_UNSPEC, 0, 0, NFNL_SUBSYS_NFTABLES]);
        };
        batch.push((), BATCH_BEGIN, 0, limit).map_err(fault)?;
        let deletion = batch.len();
        batch
            .push((), message_type(NFT_MSG_DELTABLE), ACK, |encoder| {
                netfilter::header(encoder, table.family.number());
                encoder.put_string(NFTA_TABLE_NAME, &table.name);
            })
            .map_err(fault)?;
        batch.push((), BATCH_END, 0, limit).map_err(fault)?;
        // Before 6.10 the kernel acknowledges no end of a batch.
        let replies = self.connection.exchange_until(what, &mut batch, deletion)?;
        let refused = replies.into_iter().find_map(|((), reply)| reply.err());
        Ok(refused.map_or(Ok(()), |failure| Err(failure.refused)))
    }
}

// === impl Family ===

impl Family {
    fn number(self) -> u8 {
        match self {
            Self::Ip => netfilter::NFPROTO_IPV4,
            Self::Ip6 => netfilter::NFPROTO_IPV6,
            Self::Other(number) => number,
        }
    }
}

fn message_type(command: u8) -> u16 {
    netfilter::message_type(NFNL_SUBSYS_NFTABLES, command)
}

fn parse(message: &Message<'_>) -> Result<Table, Malformed> {
    let family = match message.payload.first() {
        Some(&netfilter::NFPROTO_IPV4) => Family::Ip,
        Some(&netfilter::NFPROTO_IPV6) => Family::Ip6,
        Some(&number) => Family::Other(number),
        None => return Err(Malformed("a table has no family")),
    };
    for attribute in netfilter::attributes(message)? {
        let attribute = attribute?;
        if attribute.kind == NFTA_TABLE_NAME {
            return Ok(Table { family, name: attribute.name() });
        }
    }
    Err(Malformed("a table has no name"))
}

/// For tests of robustness.
#[cfg(test)]
pub(crate) fn parse_as_anything(message: &Message<'_>) {
    let _ = parse(message);
}
