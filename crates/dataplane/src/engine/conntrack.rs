//! Making conntrack forget the UDP flows that lead nowhere.

use std::collections::BTreeMap;
use std::time::Instant;

use model::Family;
use plan::{State, VirtualServerKey};

use super::{Dataplane, Flows};
use crate::Error;
use crate::flows::{self, Stale};
use crate::kernel::Kernel;
use crate::report::{ConntrackLook, Report};

// === impl Dataplane ===

impl<K: Kernel> Dataplane<K> {
    /// Looks at all flows if some may be stale, unless IPVS may still lead new ones astray.
    pub(super) fn forget_unknown_flows(&mut self, desired: &State, report: &mut Report) {
        if self.flows == Flows::Unknown && !self.ipvs_is_unsure {
            self.flows = Flows::Known;
            self.forget_flows(flows::of_state(desired), report);
        }
    }

    /// Makes conntrack forget flows. If that fails, or if it is not known what IPVS did before, the next
    /// reconciliation looks at all of them.
    pub(super) fn forget_flows(&mut self, stale: BTreeMap<VirtualServerKey, Stale>, report: &mut Report) {
        if self.flows == Flows::Unavailable {
            return;
        }
        if self.ipvs_is_unsure {
            self.flows = Flows::Unknown;
        }
        let is_v4 = |(key, _): &(VirtualServerKey, _)| Family::of(&key.address) == Family::V4;
        let (v4, v6): (BTreeMap<_, _>, BTreeMap<_, _>) = stale.into_iter().partition(is_v4);
        for (family, stale) in [(Family::V4, v4), (Family::V6, v6)] {
            if !stale.is_empty() && self.flows != Flows::Unavailable {
                self.look_through(family, &stale, report);
            }
        }
    }

    fn look_through(
        &mut self,
        family: Family,
        stale: &BTreeMap<VirtualServerKey, Stale>,
        report: &mut Report,
    ) {
        let began = Instant::now();
        match self.kernel.forget_flows(stale) {
            Ok(deleted) => {
                report.looks.push(ConntrackLook { family, took: began.elapsed(), deleted });
            }
            Err(error @ Error::NoConntrack { .. }) => {
                self.flows = Flows::Unavailable;
                report.limitations.push(error);
            }
            Err(error) => {
                self.flows = Flows::Unknown;
                report.errors.push(error);
            }
        }
    }
}
