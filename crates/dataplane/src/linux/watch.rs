//! Noticing at once what others do to `kube-ipvs0`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use netlink::route::{Event, Monitor};
use plan::INTERFACE;

use crate::{Error, Sighting};

/// A subscription to the changes of links and addresses. Its descriptor is readable when there is something
/// to read.
#[derive(Debug)]
pub struct Watch {
    monitor: Monitor,
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
        let mut route = netlink::route::Route::open().map_err(Error::netlink(what))?;
        let link = route.link(INTERFACE).map_err(Error::netlink(what))?;
        Ok(Watch { monitor, interface: link.map(|link| link.index) })
    }

    /// The next sighting; none if nothing more is waiting to be read.
    pub fn sighting(&mut self) -> Option<Sighting> {
        loop {
            match self.monitor.next(Duration::ZERO) {
                Ok(None) => return None,
                Ok(Some(event)) => {
                    if let Some(sighting) = self.interpret(event) {
                        return Some(sighting);
                    }
                }
                Err(_) => return Some(Sighting::Missed),
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
            _ => None,
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.monitor.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
