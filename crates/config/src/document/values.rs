//! How single values are written.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;
use model::duration;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A duration, written as Go writes it. A negative one is read, so that the check can name it with all other mistakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub SignedDuration);

/// A duration that may also be written as a number of nanoseconds, as kubeadm does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlushFrequency(pub GoDuration);

/// An amount of memory such as `64Ki`, as text. Nothing is `0`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Size(pub String);

/// What may follow the number of a Kubernetes quantity, besides an exponent.
const UNITS: [&str; 16] =
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Reads a duration from what it is written as.
struct DurationVisitor {
    numbers: bool,
}

struct SizeVisitor;

// === impl GoDuration ===

impl GoDuration {
    pub(super) const fn from_secs(seconds: i64) -> Self {
        GoDuration(SignedDuration::from_secs(seconds))
    }

    /// Whether it is 0s.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration::print(self.0))
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor { numbers: false })
    }
}

// === impl FlushFrequency ===

impl<'de> Deserialize<'de> for FlushFrequency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor { numbers: true }).map(FlushFrequency)
    }
}

// === impl DurationVisitor ===

impl Visitor<'_> for DurationVisitor {
    type Value = GoDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 30s, 1m0s or 1.5h")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<GoDuration, E> {
        duration::parse_signed(text).map(GoDuration).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, nanoseconds: i64) -> Result<GoDuration, E> {
        if !self.numbers {
            return Err(E::invalid_type(de::Unexpected::Signed(nanoseconds), &self));
        }
        Ok(GoDuration(SignedDuration::from_nanos(nanoseconds)))
    }

    fn visit_u64<E: de::Error>(self, nanoseconds: u64) -> Result<GoDuration, E> {
        self.visit_i64(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: de::Error>(self, nanoseconds: f64) -> Result<GoDuration, E> {
        // 5e9 is a whole number too.
        match nanoseconds.to_string().parse() {
            Ok(nanoseconds) => self.visit_i64(nanoseconds),
            Err(_) => Err(E::invalid_type(de::Unexpected::Float(nanoseconds), &self)),
        }
    }
}

// === impl Size ===

impl Size {
    fn new(text: String) -> Self {
        let size = Size(text);
        if size.is_zero() { Size::default() } else { size }
    }

    /// Whether it is a quantity (`k8s.io/apimachinery/pkg/api/resource`).
    pub fn is_valid(&self) -> bool {
        let (number, unit) = self.parts();
        let has_digits = number.contains(|char: char| char.is_ascii_digit());
        let exponent = unit.strip_prefix(['e', 'E']).is_some_and(|exponent| exponent.parse::<i32>().is_ok());
        has_digits && number.matches('.').count() <= 1 && (exponent || UNITS.contains(&unit))
    }

    /// Whether it is nothing, in whatever unit.
    pub fn is_zero(&self) -> bool {
        self.is_valid() && self.parts().0.trim_start_matches(['0', '.']).is_empty()
    }

    /// The number without its sign, and its unit or exponent.
    fn parts(&self) -> (&str, &str) {
        let number = self.0.strip_prefix(['+', '-']).unwrap_or(&self.0);
        let end = number.find(|char: char| char != '.' && !char.is_ascii_digit());
        number.split_at(end.unwrap_or(number.len()))
    }
}

impl Default for Size {
    fn default() -> Self {
        Size("0".to_owned())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 0, 512 or 64Ki")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        Ok(Size::new(text.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
        Ok(Size(bytes.to_string()))
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
        Ok(Size(bytes.to_string()))
    }

    fn visit_f64<E: de::Error>(self, bytes: f64) -> Result<Size, E> {
        Ok(Size::new(bytes.to_string()))
    }
}

/// Go takes null for false.
pub(super) fn gates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, bool>, D::Error> {
    let gates: BTreeMap<String, Option<bool>> = BTreeMap::deserialize(deserializer)?;
    Ok(gates.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect())
}

/// Go writes a list without elements as null.
pub(super) fn list_or_null<S: Serializer>(list: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    if list.is_empty() { serializer.serialize_none() } else { list.serialize(serializer) }
}

/// The other way round.
pub(super) fn null_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A number without a fraction is written without a point.
pub(super) fn short_number<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match whole(*number) {
        Some(number) => serializer.serialize_i32(number),
        None => serializer.serialize_f64(*number),
    }
}

/// A number that is whole although it is written with a point or an exponent, as Go's decoder takes it.
pub(crate) fn whole(number: f64) -> Option<i32> {
    // Within these bounds every whole number has an exact i32, and no field takes more.
    let whole = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within bounds")]
    whole.then_some(number as i32)
}
