//! Noticing at once what others do to `kube-ipvs0`, and which addresses the machine gets and loses.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use netlink::route::{Event, Monitor, Route};
use plan::INTERFACE;

use crate::{Error, Sighting};

use super::interface::ROUTE_PROTOCOL;

/// How long it waits after an error, so that one that stays does not keep the processor busy.
const PAUSE: Duration = Duration::from_secs(1);

/// A subscription to the changes of links, addresses and local routes.
#[derive(Debug)]
pub struct Watch {
    monitor: Monitor,
    route: Route,
    /// Index of `kube-ipvs0`, once an event named it.
    interface: Option<u32>,
    /// The IPv4 addresses that are bound to it.
    bound: BTreeSet<IpAddr>,
}

// === impl Watch ===

impl Watch {
    /// Subscribes in the network namespace of the calling thread.
    ///
    /// # Errors
    /// If the socket cannot be had.
    pub fn open() -> Result<Self, Error> {
        let what = "watching links and addresses";
        let mut monitor = Monitor::open().map_err(Error::netlink(what))?;
        monitor.follow_local_routes(ROUTE_PROTOCOL).map_err(Error::netlink(what))?;
        let route = Route::open().map_err(Error::netlink(what))?;
        let mut watch = Watch { monitor, route, interface: None, bound: BTreeSet::new() };
        watch.look().map_err(Error::netlink(what))?;
        Ok(watch)
    }

    /// Waits for the next sighting.
    pub fn wait(&mut self) -> Sighting {
        loop {
            match self.monitor.next(Duration::MAX) {
                Ok(event) => {
                    if let Some(sighting) = event.and_then(|event| self.interpret(event)) {
                        return sighting;
                    }
                }
                Err(error) => {
                    thread::sleep(PAUSE);
                    // What was missed may have been the interface's own making. If this fails, more will be missed.
                    let _ = self.look();
                    return Sighting::Missed(error);
                }
            }
        }
    }

    /// Finds the interface and its addresses.
    fn look(&mut self) -> Result<(), netlink::Error> {
        self.interface = self.route.link(INTERFACE)?.map(|link| link.index);
        self.bound.clear();
        if let Some(index) = self.interface {
            let addresses = self.route.addresses_of(index)?.into_iter().map(|found| found.address);
            self.bound.extend(addresses.filter(IpAddr::is_ipv4));
        }
        Ok(())
    }

    fn interpret(&mut self, event: Event) -> Option<Sighting> {
        match event {
            Event::LinkChanged(link) if link.name == INTERFACE => {
                self.interface = Some(link.index);
                None
            }
            Event::LinkRemoved(link) if Some(link.index) == self.interface => {
                self.interface = None;
                self.bound.clear();
                Some(Sighting::InterfaceGone)
            }
            Event::AddressChanged(found) if Some(found.link) == self.interface => {
                self.bound.extend(Some(found.address).filter(IpAddr::is_ipv4));
                None
            }
            Event::AddressRemoved(found) if Some(found.link) == self.interface => {
                let was_last = self.bound.remove(&found.address) && self.bound.is_empty();
                Some(if was_last { Sighting::InterfaceGone } else { Sighting::AddressGone(found.address) })
            }
            Event::LocalRouteRemoved(route) if Some(route.link) == self.interface => {
                Some(Sighting::AddressGone(route.address.into()))
            }
            Event::AddressChanged(found) => {
                Some(Sighting::HostAddress { address: found.address, present: true })
            }
            Event::AddressRemoved(found) => {
                Some(Sighting::HostAddress { address: found.address, present: false })
            }
            _ => None,
        }
    }
}
