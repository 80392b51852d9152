//! Values that many objects have in common, each kept once.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashSet;
use model::Topology;

/// Fewer values are not worth a look at who still uses them.
const LEAST_SWEPT: usize = 1024;

/// What the objects of one kind share: the names of namespaces, nodes, zones and ports.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    texts: Kept<str>,
    topologies: Kept<Topology>,
}

/// Equal values, of which only one is in memory.
#[derive(Debug)]
struct Kept<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// How many there may be before those are dropped that nobody uses any more.
    limit: usize,
}

// === impl Pool ===

impl Pool {
    /// The one text that equals `text`.
    pub(crate) fn text(&mut self, text: &str) -> Arc<str> {
        self.texts.share(text)
    }

    /// The one topology that equals `topology`.
    pub(crate) fn topology(&mut self, topology: Topology) -> Arc<Topology> {
        self.topologies.share(topology)
    }
}

// === impl Kept ===

impl<T: ?Sized> Default for Kept<T> {
    fn default() -> Self {
        Kept { values: HashSet::new(), limit: LEAST_SWEPT }
    }
}

impl<T: ?Sized + Eq + Hash> Kept<T>
where
    Arc<T>: Borrow<T>,
{
    /// The kept value that equals `value`, which may become it.
    fn share(&mut self, value: impl Borrow<T> + Into<Arc<T>>) -> Arc<T> {
        if let Some(known) = self.values.get::<T>(value.borrow()) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.limit {
            self.values.retain(|known| Arc::strong_count(known) > 1);
            self.limit = LEAST_SWEPT.max(2 * self.values.len());
        }
        let value = value.into();
        self.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_become_one() {
        let mut kept = Kept::<str>::default();
        let [first, second, other] = ["a", "a", "b"].map(|text| kept.share(text));
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
    }

    #[test]
    fn what_nobody_uses_is_dropped() {
        let mut kept = Kept::<str>::default();
        let _used = kept.share("used");
        for number in 0..10 * LEAST_SWEPT {
            kept.share(number.to_string().as_str());
        }
        assert!(kept.values.len() <= LEAST_SWEPT + 1);
        assert!(kept.values.contains("used"));
    }
}
