//! What kube-proxy in another mode has left on the node, removed once everything of ours stands.

use std::collections::BTreeSet;

use model::Family;
use plan::Options;
use plan::rules::leftovers;
use plan::rules::ruleset;

use crate::{Error, Kernel};

/// What was found of another mode.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// What was removed.
    pub removed: Vec<String>,
    /// What stays because other software uses it.
    pub kept: Vec<String>,
    /// What could not be looked at or removed.
    pub errors: Vec<Error>,
}

/// Removes the chains and rules of mode iptables in the families `with_rules`, and the tables of mode nftables in
/// `families`. Until then they translate the addresses of Services before IPVS sees them; so this must wait until IPVS can.
pub(crate) fn remove(
    kernel: &mut impl Kernel,
    with_rules: &BTreeSet<Family>,
    families: &BTreeSet<Family>,
    options: &Options,
) -> Leftovers {
    let mut found = Leftovers::default();
    for family in with_rules.iter().copied() {
        if let Err(error) = found.remove_rules(kernel, family, options) {
            found.errors.push(error);
        }
    }
    if let Err(error) = found.remove_tables(kernel, families) {
        found.errors.push(error);
    }
    found
}

// === impl Leftovers ===

impl Leftovers {
    fn remove_rules(
        &mut self,
        kernel: &mut impl Kernel,
        family: Family,
        options: &Options,
    ) -> Result<(), Error> {
        let saved = kernel.saved_rules(family)?;
        let Some(removal) = leftovers::beside(&ruleset(family, options), &saved) else { return Ok(()) };
        self.kept.extend(removal.kept.iter().map(|kept| format!("{family}: {kept}")));
        if !removal.input.is_empty() {
            kernel.restore_rules(family, &removal.input)?;
            self.removed.extend(removal.removed.iter().map(|leftover| format!("{family}: {leftover}")));
        }
        Ok(())
    }

    fn remove_tables(&mut self, kernel: &mut impl Kernel, families: &BTreeSet<Family>) -> Result<(), Error> {
        for family in kernel.nftables()? {
            if families.contains(&family) {
                kernel.delete_nftables(family)?;
                self.removed.push(format!("{family}: nftables table {}", leftovers::NFTABLES_TABLE));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeKernel;

    const MODE_IPTABLES: &str = "*nat\n:PREROUTING - [0:0]\n:KUBE-SERVICES - [0:0]\n\
         :KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]\n:KUBE-PROXY-CANARY - [0:0]\n\
         -A KUBE-SVC-NPX46M4PTMTKRN6Y -s 10.0.0.1/32 -j RETURN\nCOMMIT\n";

    #[test]
    fn chains_and_tables_of_other_modes_go_and_ours_stay() {
        let options = Options::default();
        let mut kernel = FakeKernel::new();
        let ours = ruleset(Family::V4, &options).to_string();
        kernel.set_rules(Family::V4, &format!("{MODE_IPTABLES}{ours}"));
        kernel.nftables.extend(Family::ALL);
        let found = remove(&mut kernel, &options.families, &options.families, &options);
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        assert_eq!(found.removed.len(), 4, "{:#?}", found.removed);
        assert!(kernel.nftables.is_empty());
        let left = kernel.saved_rules(Family::V4).unwrap();
        assert!(!left.contains("KUBE-SVC") && left.contains("-A KUBE-SERVICES"), "{left}");
        assert!(remove(&mut kernel, &options.families, &options.families, &options).removed.is_empty());
    }

    #[test]
    fn a_family_that_is_not_served_is_not_looked_at() {
        let options = Options { families: [Family::V6].into(), ..Options::default() };
        let mut kernel = FakeKernel::new();
        kernel.set_rules(Family::V4, MODE_IPTABLES);
        kernel.nftables.insert(Family::V4);
        let found = remove(&mut kernel, &options.families, &options.families, &options);
        assert!(found.removed.is_empty() && kernel.restores == 0, "{found:?}");
    }
}
