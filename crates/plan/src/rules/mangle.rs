//! The mangle table: what this machine's own processes may send to load-balancer addresses.
//!
//! IPVS gives their packets another destination in the OUTPUT hook, after this table and before the filter
//! table. Here they still show where they were sent, so that the sets can be asked. kube-proxy has a rule for
//! each address and port in the filter table instead, with the match `ipvs`.

use model::Family;

use super::{KNOWN, Rule, Table, TableRules, Writer};
use crate::{Options, SetName};

const IPVS_OUT_FILTER: &str = "KUBE-IPVS-OUT-FILTER";

pub(super) fn table(family: Family, options: &Options) -> TableRules {
    let mut writer = Writer::new(family, options);
    writer.own_source_ranges();
    TableRules {
        table: Table::Mangle,
        chains: vec![IPVS_OUT_FILTER],
        rules: writer.rules,
        jumps: vec![Rule::jump("OUTPUT", IPVS_OUT_FILTER, "kubernetes ipvs access filter")],
    }
}

impl Writer<'_> {
    /// Source ranges hold for new connections of this machine as for everybody else's. What IPVS has sent on to an
    /// endpoint passes here as well, so packets of known connections are spared the look-up.
    fn own_source_ranges(&mut self) {
        self.rule(IPVS_OUT_FILTER, format!("{KNOWN} -j RETURN"));
        let unguarded = self.not_in_set(SetName::LoadBalancerFirewall, "dst,dst");
        self.rule(IPVS_OUT_FILTER, format!("{unguarded} -j RETURN"));
        for name in [SetName::LoadBalancerSourceCidr, SetName::LoadBalancerSourceIp] {
            let allowed = self.set(name, "dst,dst,src");
            self.rule(IPVS_OUT_FILTER, format!("{allowed} -j RETURN"));
        }
        self.rule(IPVS_OUT_FILTER, "-j DROP");
    }
}
