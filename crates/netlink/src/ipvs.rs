//! IPVS over generic netlink (family `IPVS`, `linux/ip_vs.h`): virtual servers, their real servers, timeouts.
//!
//! The kernel answers `EEXIST` to adding what is there, `ESRCH` where a virtual server is missing, and `ENOENT`
//! where a real server or a scheduler is missing.

mod attributes;
mod encode;
mod parse;
mod table;

use crate::{
    Errno,
    attribute::Malformed,
    connection::{Connection, Question},
    error::{Error, Outcome, Traffic},
    generic,
    message::Message,
};

use self::attributes as attr;
pub use self::table::{
    FLAG_HASHED, FLAG_ONE_PACKET, FLAG_PERSISTENT, FLAG_SCHEDULER_1, FLAG_SCHEDULER_2, FLAG_SCHEDULER_3,
    Family, Forwarding, Info, RealServer, RealServerStatus, Request, Stats, Timeouts, VirtualServer,
    VirtualServerConfig, VirtualServerId,
};

/// A handle on the IPVS table of one network namespace.
#[derive(Debug)]
pub struct Ipvs {
    connection: Connection,
    /// The message type of the generic netlink family.
    family: u16,
}

// === impl Ipvs ===

impl Ipvs {
    /// Opens a handle on the calling thread's network namespace.
    ///
    /// # Errors
    /// [`Error::FamilyMissing`] if the kernel has no IPVS and cannot load the module `ip_vs`.
    pub fn open() -> Result<Self, Error> {
        Self::over(Connection::open("IPVS", netlink_sys::protocols::NETLINK_GENERIC)?)
    }

    fn over(mut connection: Connection) -> Result<Self, Error> {
        let family = generic::resolve(&mut connection, attr::IPVS_GENL_NAME)?;
        Ok(Self { connection, family })
    }

    /// Makes changes, in order, and returns one outcome for each.
    ///
    /// # Errors
    /// If it is unknown what the kernel did; see [`Error`].
    pub fn apply(&mut self, requests: &[Request]) -> Result<Vec<Outcome>, Error> {
        let family = self.family;
        self.connection.apply("changing the IPVS table", requests, |batch, index, request| {
            batch.push(index, family, 0, |encoder| encode::request(encoder, request))
        })
    }

    /// Lists the virtual servers of both families.
    ///
    /// # Errors
    /// If the kernel refuses, or the list is incomplete.
    pub fn virtual_servers(&mut self) -> Result<Vec<VirtualServer>, Error> {
        self.services("listing virtual servers", parse::virtual_server)
    }

    /// Lists the counters of the virtual servers of both families, and nothing else of them.
    ///
    /// # Errors
    /// If the kernel refuses, or the list is incomplete.
    pub fn statistics(&mut self) -> Result<Vec<(VirtualServerId, Stats)>, Error> {
        self.services("listing the counters of virtual servers", parse::statistics)
    }

    /// Lists the real servers of one virtual server. The kernel gives an empty list where the virtual server
    /// does not exist.
    ///
    /// # Errors
    /// If the kernel refuses, or the list is incomplete.
    pub fn real_servers(&mut self, id: &VirtualServerId) -> Result<Vec<RealServerStatus>, Error> {
        let question = Question {
            what: "listing real servers",
            kind: self.family,
            flags: 0,
            body: &|encoder| {
                encode::command(encoder, attr::IPVS_CMD_GET_DEST);
                encode::service_id(encoder, id);
            },
        };
        self.connection.dump(&question, |message, found| {
            found.push(parse::real_server(message, id.family())?);
            Ok(())
        })
    }

    /// Whether IPVS has the address family: one that was built without `CONFIG_IP_VS_IPV6` answers `EAFNOSUPPORT` to
    /// whatever concerns IPv6.
    ///
    /// # Errors
    /// If the kernel cannot be asked.
    pub fn has(&mut self, family: Family) -> Result<bool, Error> {
        // Whether there is such a virtual server does not matter.
        let any = VirtualServerId::FirewallMark { mark: 1, family };
        let question = Question {
            what: "asking for an address family of IPVS",
            kind: self.family,
            flags: 0,
            body: &|encoder| {
                encode::command(encoder, attr::IPVS_CMD_GET_SERVICE);
                encode::service_id(encoder, &any);
            },
        };
        has_family(self.connection.ask(&question, |_| Ok(())))
    }

    /// Reads the connection timeouts.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let question = Question {
            what: "reading the IPVS timeouts",
            kind: self.family,
            flags: 0,
            body: &|encoder| encode::command(encoder, attr::IPVS_CMD_GET_CONFIG),
        };
        self.connection.ask(&question, parse::timeouts)
    }

    /// Sets connection timeouts; one that is 0 stays as it is.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses (`EINVAL` for values that overflow its clock).
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), Error> {
        let what = "setting the IPVS timeouts";
        let family = self.family;
        let outcomes = self.connection.apply(what, &[timeouts], |batch, index, timeouts| {
            batch.push(index, family, 0, |encoder| encode::timeouts(encoder, *timeouts))
        })?;
        outcomes.into_iter().collect::<Result<(), _>>().map_err(|refused| Error::Kernel {
            what,
            errno: refused.errno,
            message: refused.message,
        })
    }

    /// Reads the version of the kernel's IPVS.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn info(&mut self) -> Result<Info, Error> {
        let question = Question {
            what: "reading the IPVS version",
            kind: self.family,
            flags: 0,
            body: &|encoder| encode::command(encoder, attr::IPVS_CMD_GET_INFO),
        };
        self.connection.ask(&question, parse::info)
    }

    /// What was exchanged with the kernel so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.connection.traffic()
    }

    /// Lists what `parse` takes of each virtual server.
    fn services<T>(
        &mut self,
        what: &'static str,
        parse: impl Fn(&Message<'_>) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Error> {
        let question = Question {
            what,
            kind: self.family,
            flags: 0,
            body: &|encoder| encode::command(encoder, attr::IPVS_CMD_GET_SERVICE),
        };
        self.connection.dump(&question, |message, found| {
            found.push(parse(message)?);
            Ok(())
        })
    }
}

#[cfg(test)]
pub(crate) use self::tests::parse_as_anything;

/// What the answer to a question about one virtual server says of its address family.
fn has_family(answer: Result<(), Error>) -> Result<bool, Error> {
    match answer {
        Ok(()) | Err(Error::Kernel { errno: Errno::ESRCH, .. }) => Ok(true),
        Err(Error::Kernel { errno: Errno::EAFNOSUPPORT, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
