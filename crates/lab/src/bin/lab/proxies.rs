//! kube-ipvs on every node of a cluster.

use std::fs;
use std::path::Path;

use lab::Error;
use lab::cluster::Cluster;
use lab::cluster::addresses::CLUSTER_CIDR;
use lab::program::Program;

/// The running kube-ipvs of each node. They are killed when this is dropped.
pub(crate) struct Proxies {
    by_node: Vec<(String, Program)>,
}

// === impl Proxies ===

impl Proxies {
    /// Starts kube-ipvs on every node with a folder of manifests; each writes its log to a file named as its node.
    pub(crate) fn start(
        cluster: &Cluster,
        kube_ipvs: &Path,
        manifests: &Path,
        logs: &Path,
    ) -> Result<Proxies, Error> {
        fs::create_dir_all(logs).map_err(Error::io(|| format!("create {}", logs.display())))?;
        let folder = manifests.to_string_lossy();
        let mut by_node = Vec::new();
        for node in &cluster.nodes {
            let arguments = [
                "--manifests",
                &folder,
                "--hostname-override",
                &node.name,
                "--cluster-cidr",
                CLUSTER_CIDR,
                // The limit of tracked connections is the kernel's, and no namespace may change it.
                "--conntrack-max-per-core",
                "0",
                "-v",
                "1",
            ];
            let program = Program::start(&node.namespace, kube_ipvs, arguments, &logs.join(&node.name))?;
            by_node.push((node.name.clone(), program));
        }
        Ok(Proxies { by_node })
    }

    /// Whether all of them still run.
    pub(crate) fn all_run(&mut self) -> bool {
        self.by_node.iter_mut().all(|(_, proxy)| proxy.is_running())
    }

    /// Prints the end of what each has said so far.
    pub(crate) fn show_logs(&self, folder: &Path) {
        const LINES: usize = 15;
        for (node, proxy) in &self.by_node {
            let log = proxy.log();
            let lines: Vec<&str> = log.lines().collect();
            let (_, last) = lines.split_at(lines.len().saturating_sub(LINES));
            println!("The last lines of kube-ipvs on {node} (all are in {}):", folder.join(node).display());
            last.iter().for_each(|line| println!("   {line}"));
        }
    }
}
