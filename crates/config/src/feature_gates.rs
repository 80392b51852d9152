//! The feature gates that kube-proxy knows. Few change what is done here; one that kube-proxy would refuse is worth a
//! warning, so that a mistake is not found only on the way back.

use std::collections::BTreeMap;

/// A gate for each line: its name, and the value of one that cannot be set otherwise.
const KNOWN: &str = include_str!("feature_gates.txt");

/// Without it external IPs are not served, so that nobody who may write Services can draw traffic for addresses of
/// others to him (CVE-2020-8554). On by default, and no part of `AllAlpha` and `AllBeta`, since it is neither.
const ALLOW_SERVICE_EXTERNAL_IPS: &str = "AllowServiceExternalIPs";

/// Those that decide which options of logs are valid; the first that is set counts.
const OF_LOGS: [&str; 2] = ["LoggingAlphaOptions", "AllAlpha"];

/// Whether external IPs are served.
pub(crate) fn serve_external_ips(gates: &BTreeMap<String, bool>) -> bool {
    gates.get(ALLOW_SERVICE_EXTERNAL_IPS).copied().unwrap_or(true)
}

/// Whether options of logs may be set that are still being tried out.
pub(crate) fn allow_alpha_options_of_logs(gates: &BTreeMap<String, bool>) -> bool {
    OF_LOGS.iter().find_map(|name| gates.get(*name)).copied().unwrap_or_default()
}

/// Whether it makes a difference how a gate is set.
pub(crate) fn has_effect(name: &str) -> bool {
    name == ALLOW_SERVICE_EXTERNAL_IPS || OF_LOGS.contains(&name)
}

/// Checks one setting of a gate.
///
/// # Errors
/// If the gate is unknown, or cannot be set so.
pub(crate) fn check(name: &str, value: bool) -> Result<(), String> {
    let locked = KNOWN
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut words = line.split(' ');
            (words.next() == Some(name)).then(|| words.next().and_then(|value| value.parse::<bool>().ok()))
        })
        .ok_or("kube-proxy 1.36 knows no such feature gate")?;
    match locked {
        Some(locked) if locked != value => Err(format!("kube-proxy 1.36 cannot set it to {value} any more")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_ips_are_served_unless_their_gate_forbids_it() {
        let served = |gates: &[(&str, bool)]| {
            serve_external_ips(&gates.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
        };
        assert!(served(&[]));
        assert!(served(&[("AllAlpha", false), ("AllBeta", false)]), "it is in neither group");
        assert!(!served(&[("AllowServiceExternalIPs", false)]));
        assert_eq!(check("AllowServiceExternalIPs", false), Ok(()));
    }

    #[test]
    fn gates_that_kube_proxy_would_refuse_are_told_apart() {
        assert_eq!(check("AllAlpha", true), Ok(()));
        assert_eq!(check("LoggingAlphaOptions", false), Ok(()));
        assert_eq!(check("WinDSR", true), Ok(()));
        assert!(check("WinDSR", false).is_err(), "generally available, and locked to true");
        assert!(check("SupportIPVSProxyMode", true).is_err(), "removed long ago");
        assert!(check("#", true).is_err());
    }
}
