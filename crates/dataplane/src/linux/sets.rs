//! Creating and reading the `KUBE-*` sets.

use std::collections::BTreeMap;

use model::Family;
use netlink::Errno;
use netlink::ipset::{self, Ipset, SetHeader, SetSpec};
use plan::{Entry, HASH_SIZE, SetId, SetType};

use super::convert;
use crate::Error;
use crate::kernel::{Missing, Shortfall};

/// The sets of `families` that do not exist, or are not what they should be.
pub(super) fn shortfall(ipset: &mut Ipset, families: &[Family]) -> Result<Shortfall, Error> {
    let present = headers(ipset)?;
    let mut shortfall = Shortfall::default();
    for set in families.iter().copied().flat_map(SetId::all) {
        match present.get(&set) {
            Some(header) => shortfall.misfits.extend(check(set, header).err()),
            None => shortfall.missing.push(Missing::Set(set)),
        }
    }
    Ok(shortfall)
}

/// Creates sets.
pub(super) fn create(ipset: &mut Ipset, wanted: &[SetId]) -> Result<(), Error> {
    let requests: Vec<ipset::Request> = wanted.iter().map(|set| ipset::Request::Create(spec(*set))).collect();
    let outcomes = ipset.apply(&requests).map_err(Error::netlink("creating sets"))?;
    for (set, outcome) in wanted.iter().zip(outcomes) {
        outcome.map_err(|refused| Error::SetCreation {
            name: set.to_string(),
            set_type: set.name.set_type().to_string(),
            refused,
        })?;
    }
    Ok(())
}

/// The entries of a set; none if there is no such set, or one that only shares the name.
pub(super) fn entries(ipset: &mut Ipset, set: SetId) -> Result<Vec<Entry>, Error> {
    match ipset.entries(&set.to_string()) {
        Ok(entries) => Ok(entries.iter().filter_map(convert::observed_entry).collect()),
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(Vec::new()),
        Err(netlink::Error::UnsupportedSet { .. }) => Ok(Vec::new()),
        Err(source) => Err(Error::Netlink { what: "listing set entries", source }),
    }
}

/// The sets that exist by our names.
pub(super) fn headers(ipset: &mut Ipset) -> Result<BTreeMap<SetId, SetHeader>, Error> {
    let listed = ipset.sets().map_err(Error::netlink("listing sets"))?;
    Ok(listed.into_iter().filter_map(|header| Some((SetId::by_name(&header.name)?, header))).collect())
}

fn check(set: SetId, header: &SetHeader) -> Result<(), Error> {
    let wanted = spec(set);
    if header.kind == wanted.kind && header.family == wanted.family {
        return Ok(());
    }
    Err(Error::SetMismatch {
        name: header.name.clone(),
        found: format!("{} of family {:?}", header.kind.name(), header.family),
        wanted: format!("{} of family {:?}", set.name.set_type(), wanted.family),
    })
}

fn spec(set: SetId) -> SetSpec {
    let kind = match set.name.set_type() {
        SetType::HashIp => ipset::SetType::HashIp,
        SetType::HashIpPort => ipset::SetType::HashIpPort,
        SetType::HashIpPortIp => ipset::SetType::HashIpPortIp,
        SetType::HashIpPortNet => ipset::SetType::HashIpPortNet,
        SetType::BitmapPort => ipset::SetType::BitmapPort,
    };
    let family = match set.family {
        _ if kind == ipset::SetType::BitmapPort => ipset::Family::Unspecified,
        Family::V4 => ipset::Family::Inet,
        Family::V6 => ipset::Family::Inet6,
    };
    let max_elements = set.name.max_elements();
    SetSpec { name: set.to_string(), kind, family, hash_size: HASH_SIZE, max_elements }
}
