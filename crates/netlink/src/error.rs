//! What a call can return: errors of the call, refusals of single elements, and counters.

use crate::errno::Errno;

/// A call failed.
///
/// After an error from an `apply`, it is not known which of the requests took effect: observe again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The socket could not be opened or set up.
    #[error(
        "cannot open a netlink socket for {what}: {errno}; it needs a Linux kernel with this netlink protocol"
    )]
    Open {
        /// The family the socket is for.
        what: &'static str,
        /// The error number of the system call.
        errno: Errno,
    },

    /// The kernel did not take the message.
    #[error("{what}: cannot send to the kernel: {errno}")]
    Send {
        /// What was being done.
        what: &'static str,
        /// The error number of the system call.
        errno: Errno,
    },

    /// Receiving failed.
    #[error("{what}: cannot receive from the kernel: {errno}")]
    Receive {
        /// What was being done.
        what: &'static str,
        /// The error number of the system call.
        errno: Errno,
    },

    /// The kernel did not answer a question in time.
    #[error("{what}: no answer from the kernel within the time limit")]
    Timeout {
        /// What was being done.
        what: &'static str,
    },

    /// Replies were lost, so the state in the kernel is unknown: observe again.
    #[error(
        "{what}: replies were lost ({reason}), so the state in the kernel is unknown and must be read again"
    )]
    LostReplies {
        /// What was being done.
        what: &'static str,
        /// How they were lost.
        reason: &'static str,
    },

    /// The kernel refused the whole call.
    #[error("{what}: the kernel refused: {errno}{}", detail(message.as_deref()))]
    Kernel {
        /// What was being done.
        what: &'static str,
        /// The kernel's reason.
        errno: Errno,
        /// The kernel's words (`NLMSGERR_ATTR_MSG`), where it has some.
        message: Option<String>,
    },

    /// The kernel's answer cannot be understood.
    #[error("{what}: malformed answer from the kernel: {problem}")]
    Malformed {
        /// What was being done.
        what: &'static str,
        /// What is wrong with the answer.
        problem: &'static str,
    },

    /// The kernel does not have a generic netlink family.
    #[error(
        "the kernel has no generic netlink family {name}; load the kernel module that provides it (ip_vs for IPVS)"
    )]
    FamilyMissing {
        /// The family's name.
        name: &'static str,
    },

    /// The state changed during every attempt to list it.
    #[error(
        "{what}: the kernel's state changed during each of {attempts} attempts to list it; try again later"
    )]
    Interrupted {
        /// What was being done.
        what: &'static str,
        /// How often it was tried.
        attempts: u32,
    },

    /// The kernel's ipset speaks only protocol versions that this crate does not.
    #[error("the kernel's ipset speaks protocol {kernel_min} to {kernel}, this program {min} to {max}")]
    ProtocolVersion {
        /// The kernel's newest version.
        kernel: u8,
        /// The kernel's oldest version.
        kernel_min: u8,
        /// Our oldest version.
        min: u8,
        /// Our newest version.
        max: u8,
    },

    /// The entries of a set have a type that this crate does not read.
    #[error("set {name} has the type {kind}, whose entries this program does not read")]
    UnsupportedSet {
        /// The set's name.
        name: String,
        /// The kernel's name of its type.
        kind: String,
    },
}

/// One element of a batch was refused by the kernel; the others are not affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{errno}{}", detail(message.as_deref()))]
pub struct Refused {
    /// The kernel's reason. A request that cannot be encoded has `EMSGSIZE` (too long) or `EINVAL` (a name
    /// with a zero byte in it), and is not sent.
    pub errno: Errno,
    /// The kernel's words (`NLMSGERR_ATTR_MSG`), where it has some.
    pub message: Option<String>,
}

/// What became of one element of a batch.
pub type Outcome = Result<(), Refused>;

/// What a handle exchanged with the kernel since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls that sent: one for each batch, dump or question.
    pub sends: u64,
    /// Messages in those calls.
    pub messages: u64,
    /// Datagrams received.
    pub receives: u64,
}

// === impl Error ===

impl Error {
    /// The error number, where the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Open { errno, .. }
            | Self::Send { errno, .. }
            | Self::Receive { errno, .. }
            | Self::Kernel { errno, .. } => Some(*errno),
            Self::Timeout { .. }
            | Self::LostReplies { .. }
            | Self::Malformed { .. }
            | Self::FamilyMissing { .. }
            | Self::Interrupted { .. }
            | Self::ProtocolVersion { .. }
            | Self::UnsupportedSet { .. } => None,
        }
    }
}

// === impl Refused ===

impl Refused {
    pub(crate) fn unsent(errno: Errno) -> Self {
        Self { errno, message: None }
    }
}

fn detail(message: Option<&str>) -> String {
    message.map(|text| format!(": {text}")).unwrap_or_default()
}
