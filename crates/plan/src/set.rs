//! The ipsets that feed the constant rules: their names, types and entries.

mod entry;
mod name;

use std::fmt;

use model::Family;

pub use entry::{Entry, Member};
pub use name::{SetName, SetType};

/// A set of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId {
    /// Which set.
    pub name: SetName,
    /// For which family.
    pub family: Family,
}

/// The longest set name that the kernel takes: `IPSET_MAXNAMELEN` less its terminating zero.
const LONGEST_NAME: usize = 31;

/// `hashsize` with which hash sets are created, as kube-proxy does.
pub const HASH_SIZE: u32 = 1024;

// === impl SetId ===

impl SetId {
    /// The set `name` of `family`.
    pub fn new(name: SetName, family: Family) -> Self {
        SetId { name, family }
    }

    /// Every set of `family`.
    pub fn all(family: Family) -> impl Iterator<Item = SetId> {
        SetName::ALL.into_iter().map(move |name| SetId { name, family })
    }

    /// The set that the kernel knows by `name`.
    pub fn by_name(name: &str) -> Option<SetId> {
        Family::ALL.into_iter().flat_map(SetId::all).find(|id| id.to_string() == name)
    }
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.family {
            Family::V4 => "KUBE-",
            Family::V6 => "KUBE-6-",
        };
        let room = LONGEST_NAME - prefix.len();
        write!(f, "{prefix}{:.room$}", self.name.suffix())
    }
}
