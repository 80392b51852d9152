//! Which endpoints a node uses for a Service port. The rules are kube-proxy's
//! (`pkg/proxy/topology.go` of Kubernetes 1.36), with ties decided where it leaves them to chance.

use std::net::IpAddr;
use std::sync::Arc;

use crate::{Endpoint, EndpointSlice, Family, Service, ServicePort};

/// An endpoint as one Service port sees it: the address with the port number that its slice gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Address of the endpoint.
    pub address: IpAddr,
    /// The port it serves on.
    pub port: u16,
    /// Its conditions, place and hints.
    pub endpoint: &'a Endpoint,
    /// Whether it runs on the node that is served.
    pub local: bool,
    /// The slice's `kube-ipvs.io/weight` annotation.
    pub weight: Option<&'a Arc<str>>,
}

/// The endpoints of a Service port, sorted into what each policy may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection<'a> {
    /// For paths with policy Cluster. Empty as well if no path of the Service uses it.
    pub cluster: Vec<Candidate<'a>>,
    /// For paths with policy Local.
    pub local: Vec<Candidate<'a>>,
    /// Whether any endpoint anywhere is ready, or serves while it terminates.
    pub any_usable: bool,
    /// Every endpoint of this node, whatever its condition.
    pub on_this_node: Vec<Candidate<'a>>,
}

/// What the node is called and where it stands, as far as selection depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Vantage<'a> {
    /// The node's name.
    pub node: &'a str,
    /// The node's zone, if it has one.
    pub zone: Option<&'a str>,
}

// === impl Candidate ===

impl Candidate<'_> {
    fn place(&self) -> (IpAddr, u16) {
        (self.address, self.port)
    }

    fn serves_while_terminating(&self) -> bool {
        self.endpoint.serving && self.endpoint.terminating
    }

    /// Of two slices that name the same address and port, the running pod's entry is the one to believe:
    /// a terminating pod may still hold the address that a new pod was given.
    fn rank(&self) -> (bool, bool, bool, bool) {
        (!self.endpoint.terminating, self.endpoint.ready, self.endpoint.serving, self.local)
    }
}

// === impl Selection ===

impl<'a> Selection<'a> {
    /// Selects from `slices`, which are all EndpointSlices of `service`, for `port` in `family`.
    pub fn of(
        service: &Service,
        port: &ServicePort,
        family: Family,
        slices: impl Iterator<Item = &'a EndpointSlice>,
        vantage: Vantage<'_>,
    ) -> Selection<'a> {
        let all = merge(port, family, slices, vantage.node);
        let outside = service.externally_accessible(port, family);
        let internal_local = service.internal_policy_is_local();
        let mut selection = Selection::default();
        if !internal_local || outside {
            selection.cluster = cluster_wide(&all, vantage);
        }
        if internal_local || (outside && service.external_policy_is_local()) {
            let ready = filter(&all, |c| c.local && c.endpoint.ready);
            selection.local = if ready.is_empty() {
                filter(&all, |c| c.local && c.serves_while_terminating())
            } else {
                ready
            };
        }
        selection.any_usable = all.iter().any(|c| c.endpoint.ready || c.serves_while_terminating());
        selection.on_this_node = filter(&all, |c| c.local);
        selection
    }
}

/// Joins the slices: one candidate for each address and port, ordered by them.
fn merge<'a>(
    port: &ServicePort,
    family: Family,
    slices: impl Iterator<Item = &'a EndpointSlice>,
    node: &str,
) -> Vec<Candidate<'a>> {
    let mut merged: Vec<Candidate<'a>> = Vec::new();
    for slice in slices.filter(|slice| slice.family == family) {
        let matching = slice.ports.iter().filter(|p| p.name == port.name && p.protocol == port.protocol);
        for slice_port in matching {
            for endpoint in &slice.endpoints {
                merged.push(Candidate {
                    address: endpoint.address,
                    port: slice_port.port,
                    endpoint,
                    local: endpoint.topology.node.as_deref() == Some(node),
                    weight: slice.weight.as_ref(),
                });
            }
        }
    }
    // Of equals the first stays, unless another one ranks higher.
    merged.sort_by_key(Candidate::place);
    merged.dedup_by(|next, kept| {
        let same = next.place() == kept.place();
        if same && kept.rank() < next.rank() {
            std::mem::swap(next, kept);
        }
        same
    });
    merged
}

/// Ready endpoints that the topology hints leave; without any, those that still serve while they terminate.
fn cluster_wide<'a>(all: &[Candidate<'a>], vantage: Vantage<'_>) -> Vec<Candidate<'a>> {
    let ready = filter(all, |c| c.endpoint.ready);
    if ready.is_empty() {
        return filter(all, Candidate::serves_while_terminating);
    }
    by_hints(&ready, |c| &c.endpoint.topology.node_hints, Some(vantage.node))
        .or_else(|| by_hints(&ready, |c| &c.endpoint.topology.zone_hints, vantage.zone))
        .unwrap_or(ready)
}

/// The candidates hinted for `place`, provided that every candidate has hints and some name this place.
fn by_hints<'a>(
    ready: &[Candidate<'a>],
    hints: impl Fn(&Candidate<'a>) -> &'a [Arc<str>],
    place: Option<&str>,
) -> Option<Vec<Candidate<'a>>> {
    let place = place.filter(|place| !place.is_empty())?;
    if ready.iter().any(|c| hints(c).is_empty()) {
        return None;
    }
    let here = filter(ready, |c| hints(c).iter().any(|hint| **hint == *place));
    if here.is_empty() { None } else { Some(here) }
}

fn filter<'a>(all: &[Candidate<'a>], keep: impl Fn(&Candidate<'a>) -> bool) -> Vec<Candidate<'a>> {
    all.iter().filter(|candidate| keep(candidate)).cloned().collect()
}

#[cfg(test)]
mod tests;
