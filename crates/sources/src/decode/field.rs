//! A field that fails alone.

use serde::de::{self, DeserializeOwned, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
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

/// A value that gives structs only from objects. serde's own impls take a list for one too, field by field, and
/// call structs by their names in this program.
struct Strict(Value);

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
        match T::deserialize(Strict(value)) {
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

// === impl Strict ===

impl<'de> Deserializer<'de> for Strict {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let unexpected = match &self.0 {
            Value::Object(_) => return self.0.deserialize_any(visitor),
            Value::Array(_) => Unexpected::Seq,
            Value::String(text) => Unexpected::Str(text),
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(_) => Unexpected::Other("number"),
            Value::Null => Unexpected::Unit,
        };
        Err(de::Error::invalid_type(unexpected, &"an object"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
