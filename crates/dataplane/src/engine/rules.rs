//! Keeping the iptables rules as they should be, with as few runs of the programs as possible.

use model::{Family, PerFamily};
use plan::Options;
use plan::rules::leftovers;
use plan::rules::repair::{Repair, repair};
use plan::rules::{Ruleset, ruleset};

use crate::report::{Foundation, Repaired, Report};
use crate::{Error, Kernel};

/// What is remembered about the rules between reconciliations.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// What was written where `iptables-save` prints it differently from what is expected.
    own_words: PerFamily<Option<OwnWords>>,
    /// Whether kube-proxy in another mode had rules when they were first read; none before.
    other_mode: PerFamily<Option<bool>>,
    /// Whether ours have stood since then.
    stood: PerFamily<bool>,
}

/// Rules, and how `iptables-save` put them right after they were written.
#[derive(Debug, PartialEq, Eq)]
struct OwnWords {
    rules: Ruleset,
    lines: Vec<String>,
}

// === impl Rules ===

impl Rules {
    /// Reads the rules of a family and writes what is missing or different, if [`Rules::mend`] may.
    pub(super) fn enforce(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &Ruleset,
        serves: bool,
        report: &mut Report,
    ) {
        let saved = kernel.saved_rules(wanted.family);
        report.add_repairs(saved.and_then(|saved| self.mend(kernel, wanted, &saved, serves)));
    }

    /// Writes them if there are no rules in chains named like ours, or if they are as they should be; none if there
    /// are others. What was written is not read again before the next audit, since each run of a program is a good
    /// part of what a start takes.
    pub(super) fn write_where_none_are(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &Ruleset,
    ) -> Result<Option<Vec<Repaired>>, Error> {
        let saved = kernel.saved_rules(wanted.family)?;
        self.note_other_mode(wanted, &saved);
        match repair(wanted, &saved) {
            None => {
                *self.stood.get_mut(wanted.family) = true;
                Ok(Some(Vec::new()))
            }
            Some(_) if !own_lines(&saved).is_empty() => Ok(None),
            Some(needed) => {
                kernel.restore_rules(wanted.family, &needed.input)?;
                *self.stood.get_mut(wanted.family) = true;
                Ok(Some(repaired(wanted.family, needed)))
            }
        }
    }

    /// Whether kube-proxy in another mode has rules, which serve traffic without virtual servers; none if that is not
    /// known yet.
    pub(super) fn other_mode(&self, family: Family) -> Option<bool> {
        *self.other_mode.get(family)
    }

    /// Whether rules of another mode still serve traffic, so that ours wait until virtual servers can.
    pub(super) fn wait(&self, family: Family) -> bool {
        self.other_mode(family) == Some(true) && !self.stood.get(family)
    }

    fn note_other_mode(&mut self, wanted: &Ruleset, saved: &str) {
        let known = self.other_mode.get_mut(wanted.family);
        *known = known.or_else(|| Some(leftovers::beside(wanted, saved).is_some()));
    }

    /// Writes what is missing or different in what was read, but not over rules of another mode unless virtual
    /// servers and addresses stand, so that IPVS `serves`.
    pub(super) fn mend(
        &mut self,
        kernel: &mut impl Kernel,
        wanted: &Ruleset,
        saved: &str,
        serves: bool,
    ) -> Result<Vec<Repaired>, Error> {
        let family = wanted.family;
        self.note_other_mode(wanted, saved);
        if self.wait(family) && !serves {
            return Ok(Vec::new());
        }
        let Some(needed) = repair(wanted, saved) else {
            *self.stood.get_mut(family) = true;
            return Ok(Vec::new());
        };
        let lines = own_lines(saved);
        let known = self.own_words.get(family).as_ref();
        if known.is_some_and(|known| known.rules == *wanted && known.lines == lines) {
            return Ok(Vec::new());
        }
        kernel.restore_rules(family, &needed.input)?;
        *self.stood.get_mut(family) = true;
        let written = kernel.saved_rules(family)?;
        let words = OwnWords { rules: wanted.clone(), lines: own_lines(&written) };
        // They were ours already, in other words.
        let nothing_changed = words.lines == lines;
        *self.own_words.get_mut(family) = repair(wanted, &written).map(|_| words);
        Ok(if nothing_changed { Vec::new() } else { repaired(family, needed) })
    }
}

/// What is missing or different of the rules of `family`.
pub(super) fn findings(
    kernel: &mut impl Kernel,
    family: Family,
    options: &Options,
) -> Result<Vec<String>, Error> {
    let saved = kernel.saved_rules(family)?;
    Ok(repair(&ruleset(family, options), &saved).map_or_else(Vec::new, |needed| named(family, needed)))
}

fn repaired(family: Family, repair: Repair) -> Vec<Repaired> {
    named(family, repair).into_iter().map(|finding| Repaired::new(Foundation::Rules, finding)).collect()
}

fn named(family: Family, repair: Repair) -> Vec<String> {
    repair.findings.into_iter().map(|finding| format!("{family} rules: {finding}")).collect()
}

/// The lines of a dump that declare, fill or use chains named like ours, without counters.
fn own_lines(saved: &str) -> Vec<String> {
    let ours = saved.lines().filter(|line| line.contains("KUBE-"));
    ours.map(|line| line.split(" [").next().unwrap_or(line).to_owned()).collect()
}
