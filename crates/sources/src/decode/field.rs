//! A field that fails alone.

use std::fmt;
use std::marker::PhantomData;

use bytestring::ByteString;
use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqAccessDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, Error as _, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The value of a field, read without letting a wrong shape spoil what stands around it. `null` counts as
/// absent, as it does in Kubernetes.
///
/// It is read as it comes, without a tree in between: nearly all that an API server sends is skipped.
#[derive(Clone, Debug, Default)]
pub(crate) enum Field<T> {
    #[default]
    Absent,
    Present(T),
    /// The field is there with a value that does not fit; the text says why.
    Malformed(String),
}

/// What can be the value of a field.
pub(crate) trait Shape: DeserializeOwned {
    const FORM: Form;
}

/// What a value has to be before its content is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A text, a number or a truth value.
    Scalar,
    List,
    /// Read into a struct, all of whose members are fields in turn.
    Object,
}

/// Takes whatever value there is, to its end.
struct AnyValue<T>(PhantomData<T>);

/// Says that these structs are read from objects.
macro_rules! objects {
    ($($name:ty),+ $(,)?) => {
        $(impl $crate::decode::field::Shape for $name {
            const FORM: $crate::decode::field::Form = $crate::decode::field::Form::Object;
        })+
    };
}
pub(super) use objects;

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

impl<T: Shape> Field<T> {
    /// Reads a value that is already in memory.
    pub(crate) fn from_value(value: Value) -> Self {
        Field::deserialize(value).unwrap_or_else(|error| Field::Malformed(error.to_string()))
    }

    /// Reads a value that is no list and no object.
    fn from_scalar<'de>(value: impl IntoDeserializer<'de, serde_json::Error>, found: Unexpected<'_>) -> Self {
        // A struct would call itself by its name in this program.
        let read = match T::FORM {
            Form::Object => Err(serde_json::Error::invalid_type(found, &"an object")),
            Form::Scalar | Form::List => T::deserialize(value.into_deserializer()),
        };
        read.map_or_else(|error| Field::Malformed(error.to_string()), Field::Present)
    }
}

impl<'de, T: Shape> Deserialize<'de> for Field<T> {
    /// Fails only where the text itself cannot be read.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue(PhantomData))
    }
}

// === impl AnyValue ===

impl<'de, T: Shape> Visitor<'de> for AnyValue<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Absent)
    }

    fn visit_none<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Absent)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<T>, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Field<T>, E> {
        Ok(Field::from_scalar(value, Unexpected::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Field<T>, E> {
        Ok(Field::from_scalar(value, Unexpected::Other("number")))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Field<T>, E> {
        Ok(Field::from_scalar(value, Unexpected::Other("number")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Field<T>, E> {
        Ok(Field::from_scalar(value, Unexpected::Other("number")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Field<T>, E> {
        Ok(Field::from_scalar(value, Unexpected::Str(value)))
    }

    /// A text in protobuf.
    fn visit_bytes<E: serde::de::Error>(self, value: &[u8]) -> Result<Field<T>, E> {
        match str::from_utf8(value) {
            Ok(text) => self.visit_str(text),
            Err(error) => Ok(Field::Malformed(error.to_string())),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field<T>, A::Error> {
        if T::FORM == Form::List {
            return T::deserialize(SeqAccessDeserializer::new(list)).map(Field::Present);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        let empty = SeqDeserializer::<_, serde_json::Error>::new(std::iter::empty::<u8>());
        Ok(unfit(T::deserialize(empty), Unexpected::Seq))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Field<T>, A::Error> {
        if T::FORM == Form::Object {
            return T::deserialize(MapAccessDeserializer::new(object)).map(Field::Present);
        }
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        let empty = MapDeserializer::<_, serde_json::Error>::new(std::iter::empty::<(&str, u8)>());
        Ok(unfit(T::deserialize(empty), Unexpected::Map))
    }
}

/// The complaint about a list or object that stands where another form belongs. What a scalar should have been is
/// known to the type alone, which tells when it is given the list or object.
fn unfit<T: Shape>(attempt: Result<T, serde_json::Error>, found: Unexpected<'_>) -> Field<T> {
    let error = match (T::FORM, attempt) {
        (Form::Scalar, Err(error)) => error,
        (Form::List, _) => serde_json::Error::invalid_type(found, &"a sequence"),
        (Form::Scalar | Form::Object, _) => serde_json::Error::invalid_type(found, &"an object"),
    };
    Field::Malformed(error.to_string())
}

// === impl Shape ===

macro_rules! scalars {
    ($($name:ty),+) => { $(impl Shape for $name { const FORM: Form = Form::Scalar; })+ };
}
scalars!(ByteString, bool, u16, u32);

impl<T: Shape> Shape for Vec<Field<T>> {
    const FORM: Form = Form::List;
}
