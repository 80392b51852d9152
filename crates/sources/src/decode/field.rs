//! A field that fails alone.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The value of a field, read without letting a wrong shape spoil what stands around it. `null` counts as
/// absent, as it does in Kubernetes.
#[derive(Clone, Debug, Default)]
pub(crate) enum Field<T> {
    #[default]
    Absent,
    Present(T),
    /// The field is there with a value that does not fit; the text says why.
    Malformed(String),
}

// === impl Field ===

impl<T> Field<T> {
    /// The value, if there is a good one.
    pub(crate) fn as_ref(&self) -> Option<&T> {
        match self {
            Field::Present(value) => Some(value),
            Field::Absent | Field::Malformed(_) => None,
        }
    }
}

impl<T: DeserializeOwned> Field<T> {
    /// Reads a value that is already in memory.
    pub(crate) fn from_value(value: Value) -> Self {
        if value.is_null() {
            return Field::Absent;
        }
        match T::deserialize(value) {
            Ok(value) => Field::Present(value),
            Err(error) => Field::Malformed(error.to_string()),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Field<T> {
    /// Fails only where the text itself cannot be read.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from_value)
    }
}
