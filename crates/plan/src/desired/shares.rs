//! Elements that several Services may hold at once.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use hashbrown::HashMap;

/// The elements that Services hold, each once, and how many hold them.
#[derive(Debug)]
pub(super) struct Shares<T> {
    /// How many owners an element has beyond the first. Most elements have one, and need no entry.
    further_owners: HashMap<T, usize>,
}

// === impl Shares ===

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Shares { further_owners: HashMap::new() }
    }
}

impl<T: Copy + Ord + Hash> Shares<T> {
    /// Lets an owner of `old` own `new` instead, both in order, keeping in `total` what has an owner. Notes in
    /// `before` whether the elements that this concerns were in `total`, unless it was noted before.
    pub(super) fn exchange(
        &mut self,
        total: &mut BTreeSet<T>,
        old: &[T],
        new: &[T],
        mut before: Option<&mut BTreeMap<T, bool>>,
    ) {
        let mut note = |element: &T, present| {
            if let Some(before) = &mut before {
                before.entry(*element).or_insert(present);
            }
        };
        for element in new.iter().filter(|element| old.binary_search(element).is_err()) {
            let is_new = total.insert(*element);
            note(element, !is_new);
            if !is_new {
                *self.further_owners.entry(*element).or_default() += 1;
            }
        }
        for element in old.iter().filter(|element| new.binary_search(element).is_err()) {
            note(element, true);
            self.release(total, element);
        }
    }

    fn release(&mut self, total: &mut BTreeSet<T>, element: &T) {
        match self.further_owners.get_mut(element) {
            Some(others) if *others > 1 => *others -= 1,
            Some(_) => {
                self.further_owners.remove(element);
            }
            None => {
                total.remove(element);
            }
        }
    }
}
