//! Creating and reading the `KUBE-*` sets.

use std::collections::BTreeMap;

use model::Family;
use netlink::ipset::{self, Ipset, SetHeader, SetSpec};
use plan::{HASH_SIZE, Member, SetId, SetType, State};

use super::convert;
use crate::Error;

/// The sets of `families` that do not exist. Those that do are checked to be what they should be.
pub(super) fn missing(ipset: &mut Ipset, families: &[Family]) -> Result<Vec<SetId>, Error> {
    let present = headers(ipset)?;
    let mut missing = Vec::new();
    for set in families.iter().copied().flat_map(SetId::all) {
        match present.get(&set) {
            Some(header) => check(set, header)?,
            None => missing.push(set),
        }
    }
    Ok(missing)
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

/// Reads the entries of the sets of `families` into `state`.
pub(super) fn observe(ipset: &mut Ipset, families: &[Family], state: &mut State) -> Result<(), Error> {
    for (set, header) in headers(ipset)? {
        if !families.contains(&set.family) {
            continue;
        }
        let entries = ipset.entries(&header.name).map_err(Error::netlink("listing set entries"))?;
        let known = entries.iter().filter_map(convert::observed_entry);
        state.members.extend(known.map(|entry| Member { set, entry }));
    }
    Ok(())
}

fn headers(ipset: &mut Ipset) -> Result<BTreeMap<SetId, SetHeader>, Error> {
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
        found: format!("{:?} of family {:?}", header.kind, header.family),
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
