//! Points in time, as the API writes them.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};

use super::field::{Form, Shape};

/// A time as RFC 3339 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Timestamp);

/// Why a text is no time.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a time ({reason})")]
pub(super) struct NotATime {
    text: String,
    reason: jiff::Error,
}

// === impl Time ===

impl FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        text.parse().map(Time).map_err(|reason| NotATime { text: text.to_owned(), reason })
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Shape for Time {
    const FORM: Form = Form::Scalar;
}
