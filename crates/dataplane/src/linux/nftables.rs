//! kube-proxy's tables of nftables, which its mode of that name makes.

use model::Family;
use netlink::nftables::{self, Nftables, Table};
use plan::rules::leftovers::NFTABLES_TABLE;

use crate::Error;

/// The families that have such a table.
pub(super) fn families() -> Result<Vec<Family>, Error> {
    let tables = open()?.tables().map_err(Error::netlink("listing nftables"))?;
    let wanted = Family::ALL.into_iter().filter(|family| tables.contains(&table(*family)));
    Ok(wanted.collect())
}

pub(super) fn delete(family: Family) -> Result<(), Error> {
    let outcome =
        open()?.delete_table(&table(family)).map_err(Error::netlink("deleting an nftables table"))?;
    outcome.map_err(|refused| Error::Table { family, name: NFTABLES_TABLE, refused })
}

fn open() -> Result<Nftables, Error> {
    Nftables::open().map_err(Error::netlink("opening nftables"))
}

fn table(family: Family) -> Table {
    let family = match family {
        Family::V4 => nftables::Family::Ip,
        Family::V6 => nftables::Family::Ip6,
    };
    Table { family, name: NFTABLES_TABLE.to_owned() }
}
