//! The feature gates that kube-proxy knows. None changes what is done here; one that kube-proxy would refuse is worth a
//! warning, so that a mistake is not found only on the way back.

/// A gate for each line: its name, and the value of one that cannot be set otherwise.
const KNOWN: &str = include_str!("feature_gates.txt");

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
    fn gates_that_kube_proxy_would_refuse_are_told_apart() {
        assert_eq!(check("AllAlpha", true), Ok(()));
        assert_eq!(check("LoggingAlphaOptions", false), Ok(()));
        assert_eq!(check("WinDSR", true), Ok(()));
        assert!(check("WinDSR", false).is_err(), "generally available, and locked to true");
        assert!(check("SupportIPVSProxyMode", true).is_err(), "removed long ago");
        assert!(check("#", true).is_err());
    }
}
