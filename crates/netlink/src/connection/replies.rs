//! Which acknowledgement belongs to which message of a batch.

use crate::{
    attribute::Malformed,
    error::Error,
    message::{Failure, Messages, NLMSG_ERROR, NLMSG_OVERRUN},
};

/// What became of one message of a batch.
pub(crate) type Reply = Result<(), Failure>;

/// Why the replies of a batch cannot be sorted.
pub(super) enum Unsortable {
    Malformed(Malformed),
    Overrun,
}

// === impl Unsortable ===

impl Unsortable {
    pub(super) fn during(self, what: &'static str) -> Error {
        match self {
            Self::Malformed(malformed) => malformed.during(what),
            Self::Overrun => Error::LostReplies { what, reason: "the kernel reports an overrun" },
        }
    }
}

impl From<Malformed> for Unsortable {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Puts the reports of one datagram where they belong, and says whether the awaited message has been answered.
/// Messages with other sequence numbers answer earlier calls, and are passed over.
pub(super) fn sort_replies<T>(
    datagram: &[u8],
    first: u32,
    awaited: usize,
    replies: &mut [(T, Reply)],
) -> Result<bool, Unsortable> {
    let mut acknowledged = false;
    for message in Messages::new(datagram) {
        let message = message?;
        let index = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
        let Some((_, reply)) = replies.get_mut(index) else {
            continue;
        };
        match message.kind {
            NLMSG_OVERRUN => return Err(Unsortable::Overrun),
            NLMSG_ERROR => {
                if let Some(failure) = message.failure()? {
                    *reply = Err(failure);
                }
                acknowledged |= index == awaited;
            }
            _ => {}
        }
    }
    Ok(acknowledged)
}
