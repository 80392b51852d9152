//! Tables of nftables in the running kernel, in a network namespace of each test's own, against `nft`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

#[path = "support/namespace.rs"]
mod namespace;

use lab::{Need, require};
use namespace::{in_new_namespace, run, sorted};
use netlink::{
    Errno, Refused,
    nftables::{Family, Nftables, Table},
};

fn table(family: Family) -> Table {
    Table { family, name: "kube-proxy".to_owned() }
}

#[test]
fn a_table_is_listed_and_deleted_with_all_that_is_in_it_and_others_stay() {
    if !require(Need::Root) || !require(Need::Program("nft")) {
        return;
    }
    in_new_namespace(|| {
        for table in ["ip kube-proxy", "ip6 kube-proxy", "inet mine"] {
            run(&format!("nft add table {table}"));
            run(&format!("nft add chain {table} services"));
            run(&format!("nft add chain {table} input {{ type filter hook input priority 0 ; }}"));
            run(&format!("nft add rule {table} input jump services"));
        }
        let mut nftables = Nftables::open().unwrap();
        let inet = Table { family: Family::Other(1), name: "mine".to_owned() };
        assert_eq!(nftables.tables().unwrap(), [table(Family::Ip), table(Family::Ip6), inet]);

        assert_eq!(nftables.delete_table(&table(Family::Ip)).unwrap(), Ok(()));
        assert_eq!(sorted(&run("nft list tables")), ["table inet mine", "table ip6 kube-proxy"]);

        let missing = Refused { errno: Errno::ENOENT, message: None };
        assert_eq!(nftables.delete_table(&table(Family::Ip)).unwrap(), Err(missing));
        assert_eq!(nftables.delete_table(&table(Family::Ip6)).unwrap(), Ok(()));
        assert_eq!(sorted(&run("nft list tables")), ["table inet mine"]);
    });
}
