//! What the scheduling annotations of a Service and its EndpointSlices ask for.
//!
//! `kube-ipvs.io/scheduler`, `kube-ipvs.io/scheduler-flags` and `kube-ipvs.io/weights` stand on the Service,
//! `kube-ipvs.io/weight` on an EndpointSlice. A value that means nothing gives a warning and is ignored.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Candidate, EndpointSlice, SchedulingHints, Topology};

use crate::{Options, Scheduler, SchedulerFlag};

/// The largest weight that the annotations take. IPVS itself stores an `int`.
const LARGEST_WEIGHT: u32 = 65535;
/// The weight of an endpoint for which nothing else is said.
const DEFAULT_WEIGHT: u32 = 1;

/// The parsed annotations of one Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// The scheduler of every virtual server of the Service.
    pub scheduler: Scheduler,
    /// Its flags.
    pub flags: u32,
    weights: Weights,
    /// What could not be used, and what is done instead.
    pub warnings: Vec<String>,
}

/// `kube-ipvs.io/weights`, by where the endpoint runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Weights {
    by_node: BTreeMap<Arc<str>, u32>,
    by_zone: BTreeMap<Arc<str>, u32>,
    /// Whether any of them was given, rather than put in for one that could not be read.
    given: bool,
}

// === impl Scheduling ===

impl Scheduling {
    /// Reads the annotations of a Service and of all its slices.
    pub fn of<'a>(
        hints: &SchedulingHints,
        slices: impl Iterator<Item = &'a EndpointSlice>,
        options: &Options,
    ) -> Scheduling {
        let mut warnings = Vec::new();
        let weights = Weights::parse(hints.weights.as_deref().unwrap_or_default(), &mut warnings);
        let mut weighted = weights.given;
        for slice in slices {
            match slice.weight.as_deref().map(parse_weight) {
                Some(Ok(_)) => weighted = true,
                Some(Err(reason)) => warnings.push(format!(
                    "EndpointSlice {}: annotation kube-ipvs.io/weight: {reason}; its endpoints count as \
                     {DEFAULT_WEIGHT}",
                    slice.key
                )),
                None => {}
            }
        }
        let scheduler = choose(hints.scheduler.as_deref(), weighted, options, &mut warnings);
        let flags = choose_flags(hints.flags.as_deref(), scheduler, &mut warnings);
        Scheduling { scheduler, flags, weights, warnings }
    }

    /// The weight of an endpoint: its slice's, else its node's, else its zone's, else 1.
    pub fn weight_of(&self, candidate: &Candidate<'_>) -> u32 {
        if let Some(text) = candidate.weight {
            return parse_weight(text).unwrap_or(DEFAULT_WEIGHT);
        }
        let Topology { node, zone, .. } = &*candidate.endpoint.topology;
        let by_node = node.as_ref().and_then(|node| self.weights.by_node.get(node));
        let by_zone = || zone.as_ref().and_then(|zone| self.weights.by_zone.get(zone));
        by_node.or_else(by_zone).copied().unwrap_or(DEFAULT_WEIGHT)
    }
}

/// The scheduler that the annotation names, if it names one and the kernel has it; `wrr` if only weights
/// are given, since plain `rr` ignores them; else the default.
fn choose(asked: Option<&str>, weighted: bool, options: &Options, warnings: &mut Vec<String>) -> Scheduler {
    let wanted = match asked.map(|name| name.trim().parse::<Scheduler>()) {
        Some(Ok(scheduler)) => scheduler,
        Some(Err(unknown)) => {
            let default = options.default_scheduler();
            warnings
                .push(format!("annotation kube-ipvs.io/scheduler: {unknown}; the default {default} is used"));
            return default;
        }
        None if weighted => Scheduler::Wrr,
        None => return options.default_scheduler(),
    };
    if !options.unavailable.contains(&wanted) {
        return wanted;
    }
    let default = options.default_scheduler();
    warnings.push(format!(
        "scheduler {wanted} is not available in this kernel (module ip_vs_{wanted}); {default} is used"
    ));
    default
}

/// The flags that the annotation names. An empty one asks for none; one that names nothing usable is ignored.
fn choose_flags(asked: Option<&str>, scheduler: Scheduler, warnings: &mut Vec<String>) -> u32 {
    let names = asked.unwrap_or_default().split([',', ' ']);
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    let mut bits = 0;
    for name in &names {
        match SchedulerFlag::by_name(name) {
            Some(flag) if flag.scheduler == scheduler => bits |= flag.bit,
            Some(flag) => warnings.push(format!(
                "annotation kube-ipvs.io/scheduler-flags: {name} is a flag of scheduler {}, not of {scheduler}; \
                 it is ignored",
                flag.scheduler
            )),
            None => warnings.push(format!(
                "annotation kube-ipvs.io/scheduler-flags: {name:?} is no flag and is ignored; use sh-port, \
                 sh-fallback, mh-port or mh-fallback"
            )),
        }
    }
    if asked.is_none() || (bits == 0 && !names.is_empty()) {
        return scheduler.default_flags();
    }
    bits
}

fn parse_weight(text: &str) -> Result<u32, String> {
    match text.trim().parse::<u32>() {
        Ok(weight) if weight <= LARGEST_WEIGHT => Ok(weight),
        _ => Err(format!("{text:?} is no weight from 0 to {LARGEST_WEIGHT}")),
    }
}

// === impl Weights ===

impl Weights {
    /// Reads `zone=eu-1a:3,node=big-1:10`.
    fn parse(text: &str, warnings: &mut Vec<String>) -> Weights {
        let mut weights = Weights::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if let Err(reason) = weights.parse_item(item) {
                warnings.push(format!("annotation kube-ipvs.io/weights: {reason}"));
            }
        }
        weights
    }

    /// Takes in one item. A place whose weight cannot be read gets the default one: what is said of a zone
    /// must not reach a node that was meant to have a weight of its own.
    fn parse_item(&mut self, item: &str) -> Result<(), String> {
        let form =
            || format!("{item:?} is not of the form zone=NAME:WEIGHT or node=NAME:WEIGHT; it is ignored");
        let (place, weight) = item.rsplit_once(':').ok_or_else(form)?;
        let (kind, name) = place.split_once('=').ok_or_else(form)?;
        let name = name.trim();
        let by_place = match kind.trim() {
            "node" if !name.is_empty() => &mut self.by_node,
            "zone" if !name.is_empty() => &mut self.by_zone,
            _ => return Err(form()),
        };
        match parse_weight(weight) {
            Ok(weight) => {
                by_place.insert(name.into(), weight);
                self.given = true;
                Ok(())
            }
            Err(reason) => {
                by_place.insert(name.into(), DEFAULT_WEIGHT);
                Err(format!("{place}: {reason}; its endpoints count as {DEFAULT_WEIGHT}"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
