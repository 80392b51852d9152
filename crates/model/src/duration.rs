//! Durations as Go programs read and print them: `30s`, `1m0s`, `1.5h`, `0`.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a duration.
///
/// # Errors
/// If the text is no duration, or a negative one.
pub fn parse(text: &str) -> Result<Duration, String> {
    Duration::try_from(parse_signed(text)?)
        .map_err(|_| format!("{text:?} is negative; a duration of 0s or more is needed"))
}

/// Reads a duration, which may be negative.
///
/// # Errors
/// If the text is no duration.
pub fn parse_signed(text: &str) -> Result<SignedDuration, String> {
    // Go takes a zero without a unit.
    if text == "0" {
        return Ok(SignedDuration::ZERO);
    }
    text.parse().map_err(|_| format!("{text:?} is no duration; write it like 30s, 1m0s or 1.5h"))
}

/// Prints a duration as Go does: in hours, minutes and seconds, below a second in the largest unit that leaves
/// a whole part.
pub fn print(duration: SignedDuration) -> String {
    let sign = if duration.is_negative() { "-" } else { "" };
    let duration = duration.unsigned_abs();
    let nanoseconds = duration.as_nanos();
    let text = match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", with_fraction(nanoseconds, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", with_fraction(nanoseconds, 1_000_000)),
        _ => {
            let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
            let seconds = with_fraction(nanoseconds % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, _) => format!("{minutes}m{seconds}s"),
                _ => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

/// `value` in multiples of `unit`, a power of ten.
fn with_fraction(value: u128, unit: u128) -> String {
    let digits = unit.ilog10() as usize;
    let (whole, rest) = (value / unit, value % unit);
    let fraction = format!("{rest:0digits$}");
    match fraction.trim_end_matches('0') {
        "" => whole.to_string(),
        fraction => format!("{whole}.{fraction}"),
    }
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
        assert_eq!(parse_signed("-1.5s"), Ok(SignedDuration::from_millis(-1500)));
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in ["", "30", "s", "-1s", "1 fortnight", "30 seconds ago"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prints_as_go_does() {
        for text in [
            "0s",
            "1ns",
            "1.1µs",
            "2.2ms",
            "100ms",
            "3.3s",
            "30s",
            "1m0s",
            "4m5s",
            "4m5.001s",
            "24h0m0s",
            "5h6m7.001s",
            "8m0.000000001s",
            "-1.5s",
            "-1h0m0s",
        ] {
            assert_eq!(print(parse_signed(text).unwrap()), text);
        }
    }
}
