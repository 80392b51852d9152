//! Durations as Go programs read and print them: `30s`, `1m0s`, `1.5h`, `0`.

use std::time::Duration;

use jiff::SignedDuration;

/// Go's units in nanoseconds. Both the micro sign and the Greek letter are in use.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Digits of a fraction that count; they say more than a nanosecond in any unit.
const FRACTION_DIGITS: usize = 18;

/// Reads a duration.
///
/// # Errors
/// If the text is no duration, or a negative one.
pub fn parse(text: &str) -> Result<Duration, String> {
    Duration::try_from(parse_signed(text)?)
        .map_err(|_| format!("{text:?} is negative; a duration of 0s or more is needed"))
}

/// Reads a duration, which may be negative, as Go's `time.ParseDuration` does: numbers with units one after the other,
/// in any order, and nothing between them.
///
/// # Errors
/// If the text is no duration, or one of more than 2^63 nanoseconds, which is 292 years.
pub fn parse_signed(text: &str) -> Result<SignedDuration, String> {
    let (sign, amounts) = match text.strip_prefix('-') {
        Some(amounts) => (-1, amounts),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let nanoseconds = match amounts {
        // The only number that needs no unit.
        "0" => Some(0),
        _ => sum(amounts).and_then(|sum| i64::try_from(sign * i128::from(sum)).ok()),
    };
    nanoseconds
        .map(SignedDuration::from_nanos)
        .ok_or_else(|| format!("{text:?} is no duration; write it like 30s, 1m0s or 1.5h"))
}

/// The nanoseconds of `1h30m` and the like; none if it is something else, or too long.
fn sum(amounts: &str) -> Option<u64> {
    let (mut sum, mut rest) = (0_u64, amounts);
    loop {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        let (unit, after) = after.split_at(after.find(is_of_number).unwrap_or(after.len()));
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(nanoseconds(whole, fraction, *unit)?)?;
        if after.is_empty() {
            return Some(sum);
        }
        rest = after;
    }
}

fn nanoseconds(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let fraction = fraction.get(..FRACTION_DIGITS).unwrap_or(fraction);
    let whole: u64 = match whole {
        "" if fraction.is_empty() => return None,
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let parts: u128 = format!("0{fraction}").parse().ok()?;
    let scale = fraction.chars().fold(1_u128, |scale, _| scale * 10);
    whole.checked_mul(unit)?.checked_add(u64::try_from(parts * u128::from(unit) / scale).ok()?)
}

/// The digits at the beginning, and what follows.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len()))
}

fn is_of_number(char: char) -> bool {
    char == '.' || char.is_ascii_digit()
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

    /// What Go makes of each text, by the flags of kube-proxy 1.36.
    #[test]
    fn reads_what_go_reads() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("0s", 0),
            ("30s", 30_000_000_000),
            ("+5s", 5_000_000_000),
            ("24h0m0s", 86_400_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("100ms", 100_000_000),
            ("5us", 5_000),
            ("5\u{b5}s", 5_000),
            ("5\u{3bc}s", 5_000),
            ("7ns", 7),
            ("1h15m30.918s", 4_530_918_000_000),
            ("-1.5s", -1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1.5h30m", 7_200_000_000_000),
            ("30s1m", 90_000_000_000),
            ("1m1m", 120_000_000_000),
            ("1.0000000000000000000000000000000001s", 1_000_000_000),
            ("0.9223372036854775808h", 3_320_413_933_267),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(parse_signed(text), Ok(SignedDuration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "",
            "+",
            "30",
            "0.0",
            "s",
            ".",
            ".s",
            "1h1",
            "--1s",
            "1 fortnight",
            "30 seconds ago",
            "30 s",
            " 30s",
            "1m 30s",
            "30sec",
            "1hour",
            "1d",
            "1e3s",
            "PT30S",
            "9223372036854775808ns",
            "3000000h",
            "99999999999999999999s",
            "9000000000s9000000000s",
        ] {
            assert!(parse_signed(text).is_err(), "{text}");
        }
        assert!(parse("-1s").is_err());
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
