//! Durations as Go programs write them: `30s`, `1m0s`, `1.5h`, `0`.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a duration.
///
/// # Errors
/// If the text is no duration, or a negative one.
pub fn parse(text: &str) -> Result<Duration, String> {
    // Go takes a zero without a unit.
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let parsed: SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is no duration; write it like 30s, 1m0s or 1.5h"))?;
    Duration::try_from(parsed)
        .map_err(|_| format!("{text:?} is negative; a duration of 0s or more is needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_prints() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("30s", 30_000),
            ("1m0s", 60_000),
            ("24h0m0s", 86_400_000),
            ("1.5h", 5_400_000),
            ("100ms", 100),
            ("1h15m30.918s", 4_530_918),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in ["", "30", "s", "-1s", "1 fortnight", "30 seconds ago"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
