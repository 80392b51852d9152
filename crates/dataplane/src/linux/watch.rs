//! Noticing at once what others do to `kube-ipvs0`, and which addresses the machine gets and loses.

use std::thread;
use std::time::Duration;

use netlink::route::{Event, Monitor, Route};
use plan::INTERFACE;

use crate::{Error, Sighting};

/// How long it waits after an error, so that one that stays does not keep the processor busy.
const PAUSE: Duration = Duration::from_secs(1);

/// A subscription to the changes of links and addresses.
#[derive(Debug)]
pub struct Watch {
    monitor: Monitor,
    route: Route,
    /// Index of `kube-ipvs0`, once an event named it.
    interface: Option<u32>,
}

// === impl Watch ===

impl Watch {
    /// Subscribes in the network namespace of the calling thread.
    ///
    /// # Errors
    /// If the socket cannot be had.
    pub fn open() -> Result<Self, Error> {
        let what = "watching links and addresses";
        let monitor = Monitor::open().map_err(Error::netlink(what))?;
        let mut route = Route::open().map_err(Error::netlink(what))?;
        let link = route.link(INTERFACE).map_err(Error::netlink(what))?;
        Ok(Watch { monitor, route, interface: link.map(|link| link.index) })
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
                Err(_) => {
                    thread::sleep(PAUSE);
                    // What was missed may have been the interface's own making.
                    if let Ok(link) = self.route.link(INTERFACE) {
                        self.interface = link.map(|link| link.index);
                    }
                    return Sighting::Missed;
                }
            }
        }
    }

    fn interpret(&mut self, event: Event) -> Option<Sighting> {
        match event {
            Event::LinkChanged(link) if link.name == INTERFACE => {
                self.interface = Some(link.index);
                None
            }
            Event::LinkRemoved(link) if Some(link.index) == self.interface => {
                self.interface = None;
                Some(Sighting::InterfaceGone)
            }
            Event::AddressRemoved(found) if Some(found.link) == self.interface => {
                Some(Sighting::AddressGone(found.address))
            }
            Event::AddressChanged(found) if Some(found.link) != self.interface => {
                Some(Sighting::HostAddress { address: found.address, present: true })
            }
            Event::AddressRemoved(found) if Some(found.link) != self.interface => {
                Some(Sighting::HostAddress { address: found.address, present: false })
            }
            _ => None,
        }
    }
}
