//! The programs that come with a Linux system and bring a whole state into the kernel.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use crate::node::{Node, Setting};
use crate::process;
use crate::table::seconds;

/// A state as the loaders read it.
pub(crate) struct State {
    sets: std::path::PathBuf,
    virtual_servers: std::path::PathBuf,
    addresses: std::path::PathBuf,
}

/// How long each loader took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) sets: Duration,
    pub(crate) virtual_servers: Duration,
    pub(crate) addresses: Duration,
}

// === impl State ===

impl State {
    /// What a node holds now. `addresses` are those of the Services, in whatever form the node has them.
    pub(crate) fn of(node: &Node, setting: &Setting, services: u32) -> Result<State> {
        let [sets, virtual_servers, addresses] =
            ["loader-sets", "loader-ipvs", "loader-addresses"].map(|name| setting.file(name));
        fs::write(&sets, node.namespace.output("ipset", &["save"])?)?;
        fs::write(&virtual_servers, node.namespace.output("ipvsadm", &["-Sn"])?)?;
        let lines = (0..services)
            .map(|index| format!("address add {}/32 dev kube-ipvs0\n", crate::objects::cluster_ip(index)));
        fs::write(&addresses, format!("link add kube-ipvs0 type dummy\n{}", lines.collect::<String>()))?;
        Ok(State { sets, virtual_servers, addresses })
    }

    /// Loads it into a fresh node.
    pub(crate) fn load(&self) -> Result<Times> {
        let node = Node::new()?;
        let addresses = self.addresses.to_string_lossy();
        Ok(Times {
            addresses: process::time_in(&node.namespace, &["ip", "-batch", &addresses], None)?,
            sets: process::time_in(&node.namespace, &["ipset", "restore"], Some(&self.sets))?,
            virtual_servers: process::time_in(
                &node.namespace,
                &["ipvsadm", "-R"],
                Some(&self.virtual_servers),
            )?,
        })
    }
}

// === impl Times ===

impl Times {
    pub(crate) fn total(&self) -> Duration {
        self.sets + self.virtual_servers + self.addresses
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [addresses, sets, virtual_servers] =
            [self.addresses, self.sets, self.virtual_servers].map(seconds);
        write!(f, "{addresses} + {sets} + {virtual_servers}")
    }
}
