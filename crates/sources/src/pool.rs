//! Values that many objects have in common, each kept once.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashSet;
use model::{EndpointSlice, Service, Topology};

use crate::decode::Object;

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
    /// Lets an object share what others have too, and gives back what it does not need of its memory.
    pub(crate) fn compact(&mut self, object: &mut Object) {
        match object {
            Object::Service(service) => self.compact_service(service),
            Object::Slice(slice) => self.compact_slice(slice),
            Object::Node(_) => {}
        }
    }

    fn compact_service(&mut self, service: &mut Service) {
        self.texts.share(&mut service.key.namespace);
        for port in &mut service.ports {
            self.texts.share(&mut port.name);
        }
        service.ports.shrink_to_fit();
        service.external_ips.shrink_to_fit();
        service.load_balancer_ips.shrink_to_fit();
        service.source_ranges.shrink_to_fit();
    }

    fn compact_slice(&mut self, slice: &mut EndpointSlice) {
        self.texts.share(&mut slice.key.namespace);
        for port in &mut slice.ports {
            self.texts.share(&mut port.name);
        }
        for endpoint in &mut slice.endpoints {
            self.topologies.share(&mut endpoint.topology);
        }
        slice.ports.shrink_to_fit();
        slice.endpoints.shrink_to_fit();
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
    /// Puts the kept value in the place of an equal one.
    fn share(&mut self, value: &mut Arc<T>) {
        if let Some(known) = self.values.get::<T>(value) {
            *value = Arc::clone(known);
            return;
        }
        if self.values.len() >= self.limit {
            self.values.retain(|known| Arc::strong_count(known) > 1);
            self.limit = LEAST_SWEPT.max(2 * self.values.len());
        }
        self.values.insert(Arc::clone(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_become_one() {
        let mut kept = Kept::<str>::default();
        let [mut first, mut second, mut other] = ["a", "a", "b"].map(Arc::from);
        for value in [&mut first, &mut second, &mut other] {
            kept.share(value);
        }
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
    }

    #[test]
    fn what_nobody_uses_is_dropped() {
        let mut kept = Kept::<str>::default();
        let mut used: Arc<str> = "used".into();
        kept.share(&mut used);
        for number in 0..10 * LEAST_SWEPT {
            kept.share(&mut number.to_string().into());
        }
        assert!(kept.values.len() <= LEAST_SWEPT + 1);
        assert!(kept.values.contains("used"));
    }
}
