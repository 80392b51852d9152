//! Requests to messages, and replies to outcomes.
//!
//! The kernel works through the entries of one message until the first that fails, and names that one by its
//! line number. The entries before it took effect; those after it are sent again, each in its own message, so
//! that a set in which all fail does not cost more than one message each.

use std::ops::Range;

use crate::{
    connection::{Question, record},
    errno::Errno,
    error::{Error, Outcome, Refused},
    message::{Batch, CREATE, EXCL, Failure},
};

use super::{Entry, Ipset, Request, SetSpec, attributes as attr, encode, parse};

const WHAT: &str = "changing sets";

/// Entries in one message: at most 80 bytes each, so that a message stays far below the 64 KiB that an
/// attribute can have, and its copy in an error report far below the size of a datagram.
const MAX_ENTRIES: usize = 200;

pub(super) fn apply(ipset: &mut Ipset, requests: &[Request]) -> Result<Vec<Outcome>, Error> {
    let mut run = Run { ipset, requests, outcomes: vec![Ok(()); requests.len()], batch: Batch::new() };
    let mut rest = requests;
    let mut start = 0;
    while let Some(request) = rest.first() {
        let length = parcel_length(request, rest);
        run.push(request, start..start + length)?;
        if run.batch.is_full() {
            run.flush()?;
        }
        start += length;
        rest = rest.get(length..).unwrap_or_default();
    }
    run.flush()?;
    Ok(run.outcomes)
}

/// One call of [`apply`]. The tags of the batch are the requests that a message stands for.
struct Run<'a> {
    ipset: &'a mut Ipset,
    requests: &'a [Request],
    outcomes: Vec<Outcome>,
    batch: Batch<Range<usize>>,
}

// === impl Run ===

impl<'a> Run<'a> {
    /// Puts one message into the batch.
    fn push(&mut self, request: &'a Request, parcel: Range<usize>) -> Result<(), Error> {
        if self.must_settle_before(request) {
            self.flush()?;
        }
        if let Request::Create(spec) = request
            && let Err(refused) = self.ipset.learn_revision(spec)?
        {
            self.refuse(parcel, &refused);
            return Ok(());
        }
        let pushed = if parcel.len() > 1 {
            self.push_many(request, parcel.clone())
        } else {
            self.push_single(request, parcel.clone(), EXCL)
        };
        if let Err(errno) = pushed {
            self.refuse(parcel, &Refused::unsent(errno));
        }
        Ok(())
    }

    /// Whether a message of the batch may have to be sent again, which must not happen after `request`.
    fn must_settle_before(&self, request: &Request) -> bool {
        self.batch.tags().any(|parcel| {
            let Some(earlier) = self.requests.get(parcel.start) else {
                return false;
            };
            let repeatable = match earlier {
                Request::Create(_) => matches!(request, Request::Create(_) | Request::Destroy(_)),
                _ => parcel.len() > 1 && command(earlier) != command(request),
            };
            repeatable && earlier.set() == request.set()
        })
    }

    fn push_many(&mut self, request: &Request, parcel: Range<usize>) -> Result<(), Errno> {
        let protocol = self.ipset.protocol;
        let requests = self.requests.get(parcel.clone()).unwrap_or_default();
        self.batch.push(parcel, attr::message_type(command(request)), 0, |encoder| {
            encode::many(encoder, protocol, request.set(), requests.iter().filter_map(entry));
        })
    }

    /// `create_flags` are those of a creation. Entries go without `NLM_F_EXCL`: then the kernel takes one that is
    /// there already, or gone already, for a success.
    fn push_single(
        &mut self,
        request: &Request,
        parcel: Range<usize>,
        create_flags: u16,
    ) -> Result<(), Errno> {
        let protocol = self.ipset.protocol;
        let kind = attr::message_type(command(request));
        match request {
            Request::Create(spec) => {
                let revision = self.ipset.known_revision(spec);
                self.batch.push(parcel, kind, CREATE | create_flags, |encoder| {
                    encode::create(encoder, protocol, spec, revision);
                })
            }
            Request::Add { set, entry } | Request::Delete { set, entry } => {
                self.batch.push(parcel, kind, 0, |encoder| {
                    encode::single(encoder, protocol, set, entry);
                })
            }
            // With it the kernel says so if there is no such set.
            Request::Destroy(set) => {
                self.batch.push(parcel, kind, EXCL, |encoder| encode::named(encoder, protocol, set))
            }
            Request::Flush(set) => {
                self.batch.push(parcel, kind, 0, |encoder| encode::named(encoder, protocol, set))
            }
        }
    }

    /// Sends the batch, and then what has to be sent again.
    fn flush(&mut self) -> Result<(), Error> {
        let replies = self.ipset.connection.exchange(WHAT, &mut self.batch)?;
        let mut again = Vec::new();
        for (parcel, reply) in replies {
            if let Err(failure) = reply {
                again.extend(self.settle(parcel, failure)?);
            }
        }
        for index in again {
            let Some(request) = self.requests.get(index) else {
                continue;
            };
            let parcel = index..index + 1;
            if let Err(errno) = self.push_single(request, parcel.clone(), 0) {
                self.refuse(parcel, &Refused::unsent(errno));
            }
            if self.batch.is_full() {
                self.flush_singles()?;
            }
        }
        self.flush_singles()
    }

    fn flush_singles(&mut self) -> Result<(), Error> {
        for (parcel, reply) in self.ipset.connection.exchange(WHAT, &mut self.batch)? {
            if let Err(failure) = reply {
                self.refuse(parcel, &failure.refused);
            }
        }
        Ok(())
    }

    /// Records a failure, and returns the requests to send again.
    fn settle(&mut self, parcel: Range<usize>, failure: Failure) -> Result<Range<usize>, Error> {
        let Failure { refused, request } = failure;
        let nothing = parcel.end..parcel.end;
        if parcel.len() == 1 {
            // The kernel compares the options of a set that exists, unless told that it must not exist.
            if refused.errno == Errno::EEXIST
                && let Some(Request::Create(spec)) = self.requests.get(parcel.start)
                && self.ipset.exists_alike(spec)?
            {
                return Ok(parcel);
            }
            self.refuse(parcel, &refused);
            return Ok(nothing);
        }
        match parse::failed_line(&request) {
            Some(line) if line <= parcel.len() => {
                let failed = parcel.start + line - 1;
                self.refuse(failed..failed + 1, &refused);
                Ok(failed + 1..parcel.end)
            }
            // Without a line number the message was refused as a whole: there may be no such set.
            _ if refused.errno == Errno::ENOENT => {
                self.refuse(parcel, &refused);
                Ok(nothing)
            }
            _ => Ok(parcel),
        }
    }

    fn refuse(&mut self, parcel: Range<usize>, refused: &Refused) {
        for index in parcel {
            record(&mut self.outcomes, index, Err(refused.clone()));
        }
    }
}

// === impl Ipset ===

impl Ipset {
    /// Asks once for each type and family which revision to make sets with.
    fn learn_revision(&mut self, spec: &SetSpec) -> Result<Outcome, Error> {
        let key = (spec.kind.clone(), spec.family);
        if self.revisions.contains_key(&key) {
            return Ok(Ok(()));
        }
        let protocol = self.protocol;
        let question = Question {
            what: "asking for the revision of a set type",
            kind: attr::message_type(attr::IPSET_CMD_TYPE),
            flags: 0,
            body: &|encoder| encode::type_question(encoder, protocol, spec),
        };
        match self.connection.ask(&question, parse::newest_revision) {
            Ok(kernel) => {
                self.revisions.insert(key, kernel.min(spec.kind.newest_revision()));
                Ok(Ok(()))
            }
            Err(Error::Kernel { errno, message, .. }) => Ok(Err(Refused { errno, message })),
            Err(Error::Send { errno: errno @ (Errno::EINVAL | Errno::EMSGSIZE), .. }) => {
                Ok(Err(Refused::unsent(errno)))
            }
            Err(error) => Err(error),
        }
    }

    fn known_revision(&self, spec: &SetSpec) -> u8 {
        self.revisions.get(&(spec.kind.clone(), spec.family)).copied().unwrap_or_default()
    }

    /// Whether the set that stands in the way has the same type and family, or is gone by now. The kernel itself
    /// does not compare the families.
    fn exists_alike(&mut self, spec: &SetSpec) -> Result<bool, Error> {
        let protocol = self.protocol;
        let question = Question {
            what: "reading the type of a set",
            kind: attr::message_type(attr::IPSET_CMD_HEADER),
            flags: 0,
            body: &|encoder| encode::named(encoder, protocol, &spec.name),
        };
        match self.connection.ask(&question, parse::type_and_family) {
            Ok((kind, family)) => Ok(kind == spec.kind && family == spec.family),
            Err(Error::Kernel { errno: Errno::ENOENT, .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// How many requests, from the first on, go into one message.
fn parcel_length(first: &Request, requests: &[Request]) -> usize {
    if entry(first).is_none() {
        return 1;
    }
    requests
        .iter()
        .take(MAX_ENTRIES)
        .take_while(|request| command(request) == command(first) && request.set() == first.set())
        .count()
}

fn command(request: &Request) -> u8 {
    match request {
        Request::Create(_) => attr::IPSET_CMD_CREATE,
        Request::Add { .. } => attr::IPSET_CMD_ADD,
        Request::Delete { .. } => attr::IPSET_CMD_DEL,
        Request::Destroy(_) => attr::IPSET_CMD_DESTROY,
        Request::Flush(_) => attr::IPSET_CMD_FLUSH,
    }
}

fn entry(request: &Request) -> Option<&Entry> {
    match request {
        Request::Add { entry, .. } | Request::Delete { entry, .. } => Some(entry),
        Request::Create(_) | Request::Destroy(_) | Request::Flush(_) => None,
    }
}
