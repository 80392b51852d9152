//! The two forms in which an address is local by `kube-ipvs0`: bound to it, or by a route in the table `local`.
//!
//! The kernel keeps a link's IPv4 addresses in a list and walks it for every one that is added or removed; routes lie
//! in a tree. To packets and sockets the two are the same. So an interface with few addresses has them as
//! kube-proxy does, and what comes on top is routed. The form that an address has stays until it is removed.
//!
//! IPv6 addresses are always bound. A route to an interface that is down is refused there, and one by the loopback does
//! not make the address the source of what is sent to it, nor one that a socket can be bound to.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use model::Family;
use netlink::route::{AddressRequest, LocalRoute};
use plan::Operation;

use super::interface::ROUTE_PROTOCOL;

/// Which IPv4 addresses have which form: as listed last, and changed since.
#[derive(Debug)]
pub(super) struct Forms {
    /// How many addresses may be bound before others are routed.
    most_bound: usize,
    bound: BTreeSet<Ipv4Addr>,
    routed: BTreeSet<Ipv4Addr>,
}

// === impl Forms ===

impl Forms {
    pub(super) fn new(most_bound: usize) -> Self {
        Forms { most_bound, bound: BTreeSet::new(), routed: BTreeSet::new() }
    }

    /// Takes in what was listed.
    pub(super) fn set(&mut self, bound: &[IpAddr], routed: impl Iterator<Item = Ipv4Addr>) {
        self.bound = bound.iter().filter_map(v4).collect();
        self.routed = routed.collect();
    }

    /// Appends what to ask of the kernel for an operation, on the interface with the index `link`.
    pub(super) fn requests(&mut self, operation: &Operation, link: u32, requests: &mut Vec<AddressRequest>) {
        match operation {
            Operation::BindAddress(IpAddr::V4(address)) => requests.push(self.add(*address, link)),
            Operation::BindAddress(address) => requests.push(bind(*address, link)),
            Operation::UnbindAddress(IpAddr::V4(address)) => self.remove(*address, link, requests),
            Operation::UnbindAddress(address) => requests.push(unbind(*address, link)),
            _ => {}
        }
    }

    fn add(&mut self, address: Ipv4Addr, link: u32) -> AddressRequest {
        let is_bound = self.bound.contains(&address);
        let is_routed = self.routed.contains(&address);
        if is_bound || (!is_routed && self.bound.len() < self.most_bound) {
            self.bound.insert(address);
            bind(address.into(), link)
        } else {
            self.routed.insert(address);
            AddressRequest::AddRoute(route(address, link))
        }
    }

    fn remove(&mut self, address: Ipv4Addr, link: u32, requests: &mut Vec<AddressRequest>) {
        let was_bound = self.bound.remove(&address);
        let was_routed = self.routed.remove(&address);
        // The last bound address would take all routes along, so another one is bound, too: the one that comes last
        // when many are removed in order.
        if was_bound
            && self.bound.is_empty()
            && let Some(other) = self.routed.last()
        {
            self.bound.insert(*other);
            requests.push(bind((*other).into(), link));
        }
        if was_bound || !was_routed {
            requests.push(unbind(address.into(), link));
        }
        if was_routed {
            requests.push(AddressRequest::DeleteRoute(route(address, link)));
        }
    }
}

fn v4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    }
}

fn bind(address: IpAddr, link: u32) -> AddressRequest {
    AddressRequest::Add { link, address, prefix: Family::of(&address).full_prefix() }
}

fn unbind(address: IpAddr, link: u32) -> AddressRequest {
    AddressRequest::Delete { link, address, prefix: Family::of(&address).full_prefix() }
}

fn route(address: Ipv4Addr, link: u32) -> LocalRoute {
    LocalRoute { link, address, protocol: ROUTE_PROTOCOL }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked for operations, each as `+address` or `-address`: `bind`, `unbind`, `route` and `unroute`.
    #[track_caller]
    fn check(forms: &mut Forms, operations: &str, expected: &str) {
        let mut requests = Vec::new();
        for word in operations.split(' ') {
            let (sign, address) = word.split_at(1);
            let address = address.parse().unwrap();
            let operation = match sign {
                "+" => Operation::BindAddress(address),
                _ => Operation::UnbindAddress(address),
            };
            forms.requests(&operation, 7, &mut requests);
        }
        let shown: Vec<String> = requests.iter().map(show).collect();
        assert_eq!(shown.join(", "), expected, "{operations}");
    }

    fn show(request: &AddressRequest) -> String {
        match request {
            AddressRequest::Add { link: 7, address, .. } => format!("bind {address}"),
            AddressRequest::Delete { link: 7, address, .. } => format!("unbind {address}"),
            AddressRequest::AddRoute(LocalRoute { link: 7, address, protocol: 118 }) => {
                format!("route {address}")
            }
            AddressRequest::DeleteRoute(LocalRoute { link: 7, address, protocol: 118 }) => {
                format!("unroute {address}")
            }
            other => panic!("{other:?}"),
        }
    }

    fn forms(most_bound: usize, bound: &[&str], routed: &[&str]) -> Forms {
        let mut forms = Forms::new(most_bound);
        let bound: Vec<IpAddr> = bound.iter().map(|text| text.parse().unwrap()).collect();
        forms.set(&bound, routed.iter().map(|text| text.parse().unwrap()));
        forms
    }

    #[test]
    fn addresses_are_bound_up_to_the_limit_and_routed_beyond() {
        let mut forms = forms(2, &["10.0.0.1"], &[]);
        check(&mut forms, "+10.0.0.2 +10.0.0.3 +10.0.0.4", "bind 10.0.0.2, route 10.0.0.3, route 10.0.0.4");
        // A place that gets free is for the next one; the others stay as they are.
        check(&mut forms, "-10.0.0.1 +10.0.0.5", "unbind 10.0.0.1, bind 10.0.0.5");
        check(&mut forms, "-10.0.0.3 +10.0.0.3", "unroute 10.0.0.3, route 10.0.0.3");
    }

    #[test]
    fn a_limit_of_zero_routes_every_address_of_ipv4_and_binds_those_of_ipv6() {
        let mut forms = forms(0, &[], &[]);
        check(&mut forms, "+10.0.0.1 +fd00::1", "route 10.0.0.1, bind fd00::1");
        check(&mut forms, "-10.0.0.1 -fd00::1", "unroute 10.0.0.1, unbind fd00::1");
    }

    #[test]
    fn addresses_of_ipv6_do_not_count() {
        let mut forms = forms(1, &["fd00::1", "fd00::2"], &[]);
        check(&mut forms, "+fd00::3 +10.0.0.1 +10.0.0.2", "bind fd00::3, bind 10.0.0.1, route 10.0.0.2");
    }

    #[test]
    fn what_is_there_keeps_its_form_when_it_is_added_again() {
        let mut forms = forms(1, &["10.0.0.1", "10.0.0.2"], &["10.0.0.3"]);
        check(&mut forms, "+10.0.0.2 +10.0.0.3", "bind 10.0.0.2, route 10.0.0.3");
    }

    #[test]
    fn what_nobody_knows_of_is_unbound() {
        check(&mut forms(1, &[], &["10.0.0.1"]), "-10.0.0.9", "unbind 10.0.0.9");
    }

    #[test]
    fn while_there_are_routes_one_address_stays_bound() {
        let mut forms = forms(1, &["10.0.0.1"], &["10.0.0.2", "10.0.0.3"]);
        check(&mut forms, "-10.0.0.1", "bind 10.0.0.3, unbind 10.0.0.1");
        check(&mut forms, "-10.0.0.3", "bind 10.0.0.2, unbind 10.0.0.3, unroute 10.0.0.3");
        check(&mut forms, "-10.0.0.2", "unbind 10.0.0.2, unroute 10.0.0.2");
    }
}
