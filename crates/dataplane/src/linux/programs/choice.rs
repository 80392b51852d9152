//! Which implementation of iptables is used where the plain names, such as `iptables-save`, are not installed.
//!
//! On a machine they lead to the one that its administrator chose. An image cannot know the node it will run on, so
//! ours leaves them out, and the choice follows what the rest of the node uses.

use std::env;
use std::process::Stdio;
use std::sync::OnceLock;
use std::thread;

use super::{Variant, command};

/// Chains of the mangle table by which a kubelet tells which implementation its node uses: the second one until 1.24.
const KUBELET_CHAINS: [&str; 2] = [":KUBE-IPTABLES-HINT ", ":KUBE-KUBELET-CANARY "];

/// The variant that this process uses. Found out once, since the rest of the node does not change its own either.
pub(super) fn chosen() -> Variant {
    static CHOSEN: OnceLock<Variant> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        if is_installed("iptables-save") {
            return Variant::Chosen;
        }
        // At the same time: a start waits for it.
        thread::scope(|scope| {
            let nft = scope.spawn(|| dump(["iptables-nft-save", "ip6tables-nft-save"]));
            let legacy = dump(["iptables-legacy-save", "ip6tables-legacy-save"]);
            let nft = nft.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            choose(nft.as_deref(), legacy.as_deref())
        })
    })
}

/// Chooses by what each variant prints, if there is such a program: the kubelet's choice, else the one with more rules,
/// else nftables.
fn choose(nft: Option<&str>, legacy: Option<&str>) -> Variant {
    let (nft, legacy) = match (nft, legacy) {
        (None, None) => return Variant::Chosen,
        (None, Some(_)) => return Variant::Legacy,
        (Some(_), None) => return Variant::Nft,
        (Some(nft), Some(legacy)) => (nft, legacy),
    };
    let hinted = |dump: &str| KUBELET_CHAINS.iter().any(|chain| dump.contains(chain));
    let rules = |dump: &str| dump.lines().filter(|line| line.starts_with("-A")).count();
    match (hinted(nft), hinted(legacy)) {
        (true, _) => Variant::Nft,
        (false, true) => Variant::Legacy,
        (false, false) if rules(legacy) > rules(nft) => Variant::Legacy,
        (false, false) => Variant::Nft,
    }
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// What the programs print, as far as they are there and this kernel has what they need; either may be without IPv6.
/// All tables, since asking the legacy variant for one would load its module.
fn dump(programs: [&str; 2]) -> Option<String> {
    let outputs = programs.map(|program| command(program).stdin(Stdio::null()).output().ok());
    let good = outputs.into_iter().flatten().filter(|output| output.status.success());
    good.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).reduce(|both, one| both + &one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_decides_then_the_number_of_rules() {
        let kubelet = "*mangle\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n";
        let old_kubelet = "*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n";
        let rules = "*filter\n-A INPUT -j A\n-A INPUT -j B\nCOMMIT\n";
        let rule = "*filter\n-A INPUT -j A\nCOMMIT\n";
        for (nft, legacy, expected) in [
            (None, None, Variant::Chosen),
            (Some(""), None, Variant::Nft),
            (None, Some(""), Variant::Legacy),
            (Some(""), Some(""), Variant::Nft),
            (Some(kubelet), Some(rules), Variant::Nft),
            (Some(rules), Some(kubelet), Variant::Legacy),
            (Some(rules), Some(old_kubelet), Variant::Legacy),
            (Some(rule), Some(rules), Variant::Legacy),
            (Some(rules), Some(rule), Variant::Nft),
        ] {
            assert_eq!(choose(nft, legacy), expected, "{nft:?} {legacy:?}");
        }
    }
}
