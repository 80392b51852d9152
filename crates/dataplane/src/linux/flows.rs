//! Stale UDP flows, found and deleted in conntrack.

use std::collections::BTreeMap;

use model::{Family, Protocol};
use netlink::Errno;
use netlink::conntrack::{self, Conntrack, Filter, Flow};
use plan::{RealServerKey, VirtualServerKey};

use crate::Error;
use crate::flows::Stale;

/// The zone of flows that nobody put into another one. Those of others, such as a virtual switch's, are not ours.
const DEFAULT_ZONE: u16 = 0;

/// Deletes the flows that are stale and says how many there were.
pub(super) fn forget(
    conntrack: &mut Conntrack,
    stale: &BTreeMap<VirtualServerKey, Stale>,
) -> Result<usize, Error> {
    let mut found = Vec::new();
    for family in Family::ALL {
        let keys = || stale.keys().filter(|key| Family::of(&key.address) == family);
        let Some(first) = keys().next() else { continue };
        let only = keys().count() == 1;
        let filter = Filter {
            family: match family {
                Family::V4 => conntrack::Family::Inet,
                Family::V6 => conntrack::Family::Inet6,
            },
            protocol: Protocol::Udp.number(),
            original_destination: only.then_some(first.address),
            original_destination_port: only.then_some(first.port),
        };
        let flows = conntrack.flows(&filter).map_err(unlisted)?;
        found.extend(flows.into_iter().filter(|flow| is_stale(flow, stale)));
    }
    if found.is_empty() {
        return Ok(0);
    }
    let outcomes = conntrack.delete(&found).map_err(Error::netlink("deleting tracked UDP flows"))?;
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    // A flow that ended in between is as good as deleted.
    match refused.clone().find(|refused| refused.errno != Errno::ENOENT) {
        Some(refused) => Err(Error::Flows { refused: refused.clone() }),
        None => Ok(found.len() - refused.count()),
    }
}

/// The kernel answers EINVAL to a subsystem that it does not have.
fn unlisted(source: netlink::Error) -> Error {
    match source {
        netlink::Error::Kernel { errno: Errno::EINVAL, .. } => Error::NoConntrack { source },
        source => Error::Netlink { what: "listing tracked UDP flows", source },
    }
}

fn is_stale(flow: &Flow, stale: &BTreeMap<VirtualServerKey, Stale>) -> bool {
    let key = VirtualServerKey {
        address: flow.original.destination,
        port: flow.original.destination_port,
        protocol: Protocol::Udp,
    };
    let leads_to = RealServerKey { address: flow.reply.source, port: flow.reply.source_port };
    flow.zone.unwrap_or(DEFAULT_ZONE) == DEFAULT_ZONE
        && stale.get(&key).is_some_and(|stale| stale.matches(&leads_to))
}
