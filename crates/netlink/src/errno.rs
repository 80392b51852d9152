//! Error numbers as the kernel's netlink families return them.

use std::fmt;

/// An error number from the kernel, positive: errno(3), or one of ipset's private codes from 4096 on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(i32);

// === impl Errno ===

impl Errno {
    /// Not permitted: the caller lacks `CAP_NET_ADMIN` in this network namespace.
    pub const EPERM: Self = Self(1);
    /// No such entry: the named set, link, real server, scheduler or flow does not exist.
    pub const ENOENT: Self = Self(2);
    /// IPVS: no such virtual server.
    pub const ESRCH: Self = Self(3);
    /// A signal interrupted the call.
    pub const EINTR: Self = Self(4);
    /// Nothing to receive within the time limit.
    pub const EAGAIN: Self = Self(11);
    /// The element exists.
    pub const EEXIST: Self = Self(17);
    /// No such link.
    pub const ENODEV: Self = Self(19);
    /// The kernel does not accept a value of the request.
    pub const EINVAL: Self = Self(22);
    /// A message or attribute is longer than netlink can carry.
    pub const EMSGSIZE: Self = Self(90);
    /// The kernel does not know the operation, or the link kind.
    pub const EOPNOTSUPP: Self = Self(95);
    /// IPVS: built without this address family.
    pub const EAFNOSUPPORT: Self = Self(97);
    /// The address is not on the link.
    pub const EADDRNOTAVAIL: Self = Self(99);
    /// Replies were dropped since the receive buffer was full.
    pub const ENOBUFS: Self = Self(105);

    /// ipset: malformed request (`IPSET_ERR_PROTOCOL`).
    pub const IPSET_PROTOCOL: Self = Self(4097);
    /// ipset: the set is referenced by a rule or another set (`IPSET_ERR_BUSY`).
    pub const IPSET_BUSY: Self = Self(4100);
    /// ipset: the prefix length is out of range; a prefix of 0 is never accepted (`IPSET_ERR_INVALID_CIDR`).
    pub const IPSET_INVALID_CIDR: Self = Self(4104);
    /// ipset: a hash set holds its maximum of entries (`IPSET_ERR_HASH_FULL`),
    /// or a port is outside the range of a bitmap (`IPSET_ERR_BITMAP_RANGE`).
    pub const IPSET_FULL: Self = Self(4352);

    /// Takes the error number from the kernel, with either sign.
    #[must_use]
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw.saturating_abs())
    }

    /// The number, positive.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// The kernel's name and the meaning, for the codes that errno(3) does not have.
    fn ipset_name(self) -> Option<(&'static str, &'static str)> {
        Some(match self.0 {
            4097 => ("IPSET_ERR_PROTOCOL", "malformed ipset request"),
            4098 => ("IPSET_ERR_FIND_TYPE", "unknown set type"),
            4099 => ("IPSET_ERR_MAX_SETS", "too many sets"),
            4100 => ("IPSET_ERR_BUSY", "the set is in use"),
            4101 => ("IPSET_ERR_EXIST_SETNAME2", "a set of the new name exists"),
            4102 => ("IPSET_ERR_TYPE_MISMATCH", "the two sets differ in type"),
            4103 => ("IPSET_ERR_EXIST", "the entry is already there, or is missing"),
            4104 => ("IPSET_ERR_INVALID_CIDR", "prefix length out of range"),
            4105 => ("IPSET_ERR_INVALID_NETMASK", "invalid netmask"),
            4106 => ("IPSET_ERR_INVALID_FAMILY", "the set type does not know this address family"),
            4107 => ("IPSET_ERR_TIMEOUT", "the set was created without timeouts"),
            4108 => ("IPSET_ERR_REFERENCED", "the set is referenced"),
            4109 => ("IPSET_ERR_IPADDR_IPV4", "an IPv4 address is expected"),
            4110 => ("IPSET_ERR_IPADDR_IPV6", "an IPv6 address is expected"),
            4111 => ("IPSET_ERR_COUNTER", "the set was created without counters"),
            4112 => ("IPSET_ERR_COMMENT", "the set was created without comments"),
            4113 => ("IPSET_ERR_INVALID_MARKMASK", "invalid mark mask"),
            4114 => ("IPSET_ERR_SKBINFO", "the set was created without skbinfo"),
            4352 => (
                "IPSET_ERR_HASH_FULL or IPSET_ERR_BITMAP_RANGE",
                "the set is full, or the port out of its range",
            ),
            4353 => ("IPSET_ERR_HASH_ELEM", "this address cannot be an entry of the set"),
            4354 => ("IPSET_ERR_INVALID_PROTO", "the protocol cannot be an entry of the set"),
            4355 => ("IPSET_ERR_MISSING_PROTO", "the protocol is missing"),
            4356 => ("IPSET_ERR_HASH_RANGE_UNSUPPORTED", "ranges are not supported"),
            4357 => ("IPSET_ERR_HASH_RANGE", "the range is too large"),
            _ => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, text)) = self.ipset_name() {
            return write!(f, "{name} ({text})");
        }
        match nix::errno::Errno::from_raw(self.0) {
            nix::errno::Errno::UnknownErrno => write!(f, "error number {}", self.0),
            known => write!(f, "{known:?} ({})", known.desc()),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({self})")
    }
}

impl From<nix::errno::Errno> for Errno {
    fn from(errno: nix::errno::Errno) -> Self {
        Self(errno as i32)
    }
}

impl From<std::io::Error> for Errno {
    /// Errors without a number of their own do not come from system calls; they become `EINVAL`.
    fn from(error: std::io::Error) -> Self {
        error.raw_os_error().map_or(Self::EINVAL, Self)
    }
}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn prints_name_and_text() {
        assert_eq!(Errno::ENOENT.to_string(), "ENOENT (No such file or directory)");
        assert_eq!(Errno::IPSET_BUSY.to_string(), "IPSET_ERR_BUSY (the set is in use)");
        assert_eq!(Errno::from_raw(-5000).to_string(), "error number 5000");
    }

    #[test]
    fn takes_either_sign() {
        assert_eq!(Errno::from_raw(-17), Errno::EEXIST);
        assert_eq!(Errno::from_raw(17).raw(), 17);
        assert_eq!(Errno::from_raw(i32::MIN).raw(), i32::MAX);
    }
}
