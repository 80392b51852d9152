//! `kube-ipvs0`, and what is local by it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink::route::{AddressRequest, Route};
use netlink::{Errno, Outcome};
use plan::{INTERFACE, Operation};

use crate::Error;

use super::forms::Forms;
use super::host_addresses::host_addresses;

/// The protocol number of routes that were made here (`rtm_protocol`; `ip route show table local proto 118`). It is
/// free in iproute2's `rt_protos`, and none of the routing daemons and network plugins has it.
pub(super) const ROUTE_PROTOCOL: u8 = 118;

/// The dummy interface of one network namespace.
#[derive(Debug)]
pub(super) struct Interface {
    route: Route,
    /// Its index, as far as known.
    index: Option<u32>,
    forms: Forms,
}

// === impl Interface ===

impl Interface {
    /// Opens rtnetlink in the network namespace of the calling thread.
    pub(super) fn open(most_bound: usize) -> Result<Self, Error> {
        let route = Route::open().map_err(Error::netlink("opening rtnetlink"))?;
        Ok(Interface { route, index: None, forms: Forms::new(most_bound) })
    }

    pub(super) fn bind_at_most(&mut self, addresses: usize) {
        self.forms = Forms::new(addresses);
    }

    /// How many netlink messages were sent about it.
    pub(super) fn sent_messages(&self) -> u64 {
        self.route.traffic().messages
    }

    /// Whether it exists.
    pub(super) fn find(&mut self) -> Result<bool, Error> {
        let link =
            self.route.link(INTERFACE).map_err(Error::netlink("looking up the interface kube-ipvs0"))?;
        if let Some(other) = link.as_ref().filter(|link| link.kind.as_deref() != Some("dummy")) {
            let found = other.kind.clone().unwrap_or_else(|| "unknown".to_owned());
            return Err(Error::ForeignInterface { name: INTERFACE, found });
        }
        self.index = link.map(|link| link.index);
        Ok(self.index.is_some())
    }

    pub(super) fn create(&mut self) -> Result<(), Error> {
        self.route.create_dummy(INTERFACE).map_err(|source| match source.errno() {
            Some(Errno::EOPNOTSUPP) => Error::NoDummy { name: INTERFACE },
            _ => Error::Netlink { what: "creating the interface kube-ipvs0", source },
        })?;
        self.find().map(drop)
    }

    /// Deletes it, with all its addresses and the routes to it.
    pub(super) fn delete(&mut self) -> Result<(), Error> {
        match self.index.take() {
            Some(index) => {
                let deleted = self.route.delete_link(index);
                deleted.map_err(Error::netlink("deleting the interface kube-ipvs0"))
            }
            None => Ok(()),
        }
    }

    /// The addresses that are local by it, bound or routed, without link-local ones of IPv6.
    pub(super) fn addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        self.find()?;
        let (bound, routed) = match self.index {
            Some(index) => (
                self.route.addresses_of(index).map_err(Error::netlink("listing addresses"))?,
                self.route
                    .local_routes(index, ROUTE_PROTOCOL)
                    .map_err(Error::netlink("listing local routes"))?,
            ),
            None => (Vec::new(), Vec::new()),
        };
        let bound: Vec<IpAddr> = bound.into_iter().map(|found| found.address).collect();
        self.forms.set(&bound, routed.iter().map(|route| route.address));
        let routed = routed.into_iter().map(|route| IpAddr::V4(route.address));
        Ok(bound.into_iter().filter(|address| !is_link_local(address)).chain(routed).collect())
    }

    /// Makes addresses local and takes them away, with one outcome for each operation. What is so already is no
    /// refusal.
    pub(super) fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Outcome>, Error> {
        if self.index.is_none() {
            self.find()?;
        }
        let index = self.index.unwrap_or_default();
        let mut requests = Vec::new();
        let mut owners = Vec::new();
        for (owner, operation) in operations.iter().enumerate() {
            self.forms.requests(operation, index, &mut requests);
            owners.resize(requests.len(), owner);
        }
        let outcomes = self.route.apply(&requests).map_err(Error::netlink("changing addresses"))?;
        let mut joined: Vec<Outcome> = vec![Ok(()); operations.len()];
        for ((owner, request), outcome) in owners.into_iter().zip(&requests).zip(outcomes) {
            // Of the requests of an operation, the first that was refused tells.
            if let Some(place @ Ok(())) = joined.get_mut(owner) {
                *place = settle(request, outcome);
            }
        }
        Ok(joined)
    }

    /// The machine's addresses elsewhere.
    pub(super) fn addresses_elsewhere(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        self.find()?;
        self.addresses_of_others()
    }

    /// The same without looking for it again: what was not found by now is one of the others.
    pub(super) fn addresses_of_others(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        let listed = self.route.addresses().map_err(Error::netlink("listing addresses"))?;
        Ok(host_addresses(listed, self.index))
    }
}

fn settle(request: &AddressRequest, outcome: Outcome) -> Outcome {
    let is_so_already = match request {
        AddressRequest::Add { .. } | AddressRequest::AddRoute(_) => Errno::EEXIST,
        AddressRequest::Delete { .. } => Errno::EADDRNOTAVAIL,
        AddressRequest::DeleteRoute(_) => Errno::ESRCH,
    };
    outcome.or_else(|refused| if refused.errno == is_so_already { Ok(()) } else { Err(refused) })
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
