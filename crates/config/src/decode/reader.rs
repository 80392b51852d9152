//! Fills serde's types from a tree, and keeps track of where it is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::tree::{Entry, Node, Value};
use crate::document::whole;
use crate::error::Mistake;

/// Reads one value.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    node: &'a Node,
    /// The field that it belongs to; empty at the top.
    path: String,
    warnings: &'a RefCell<Vec<String>>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// Reads a whole file.
    pub(super) fn new(node: &'a Node, warnings: &'a RefCell<Vec<String>>) -> Self {
        Reader { node, path: String::new(), warnings }
    }

    fn child(&self, node: &'a Node, path: String) -> Self {
        Reader { node, path, warnings: self.warnings }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The fields of a mapping, of each the last. Of those that are known, null ones say nothing: kube-proxy takes null
    /// for "not set".
    fn fields<'k>(&self, entries: &'a [Entry], known: Option<&'k [&'k str]>) -> BTreeMap<&'a str, Self> {
        let mut fields: BTreeMap<&str, Self> = BTreeMap::new();
        for entry in entries {
            let path = self.path_of(&entry.key);
            let line = entry.line;
            if known.is_some_and(|known| !known.contains(&entry.key.as_str())) {
                self.warn(format!("line {line}: the field {path} is unknown and ignored"));
                continue;
            }
            let reader = self.child(&entry.node, path);
            let path = reader.path.clone();
            if fields.insert(&entry.key, reader).is_some() {
                self.warn(format!("line {line}: {path} is set a second time; this one counts"));
            }
        }
        if known.is_some() {
            fields.retain(|_, reader| reader.node.value != Value::Null);
        }
        fields
    }

    fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    fn wrong_type<V>(&self, visitor: &dyn de::Expected) -> Result<V, Mistake> {
        Err(Mistake::invalid_type(self.node.value.unexpected(), visitor)).map_err(|error| self.place(error))
    }

    /// Adds the place to a mistake that has none yet.
    fn place(&self, mistake: Mistake) -> Mistake {
        if mistake.line.is_some() {
            return mistake;
        }
        Mistake { line: Some(self.node.line), field: self.path.clone(), ..mistake }
    }

    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => match whole(*value) {
                Some(value) => visitor.visit_i64(value.into()),
                None => visitor.visit_f64(*value),
            },
            Value::Text(value) => visitor.visit_str(value),
            Value::List(nodes) => {
                let path = |index| format!("{}[{index}]", self.path);
                let elements = nodes.iter().enumerate();
                let readers = elements.map(|(index, node)| self.child(node, path(index)));
                visitor.visit_seq(SeqDeserializer::new(readers))
            }
            Value::Mapping(entries) => {
                visitor.visit_map(MapDeserializer::new(self.fields(entries, None).into_iter()))
            }
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.visit(visitor).map_err(|mistake| self.place(mistake))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Mapping(entries) => {
                let fields = self.fields(entries, Some(fields));
                let outcome = visitor.visit_map(MapDeserializer::new(fields.into_iter()));
                outcome.map_err(|mistake| self.place(mistake))
            }
            _ => self.wrong_type(&visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl IntoDeserializer<'_, Mistake> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

// === impl Value ===

impl Value {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Integer(value) => Unexpected::Signed(*value),
            Value::Float(value) => Unexpected::Float(*value),
            Value::Text(value) => Unexpected::Str(value),
            Value::List(_) => Unexpected::Seq,
            Value::Mapping(_) => Unexpected::Map,
        }
    }
}

// === impl Mistake ===

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Mistake { line: None, field: String::new(), reason: reason.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Mistake::custom(format_args!("found {found}, expected {}", in_words(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Mistake::custom(format_args!("{found} does not fit, expected {}", in_words(expected)))
    }
}

impl std::error::Error for Mistake {}

/// What serde expects, in words that are not those of a programming language.
fn in_words(expected: &dyn de::Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "i32" => "a whole number of up to 32 bits".to_owned(),
        "u32" => "a whole number of 0 or more and up to 32 bits".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        text if text.starts_with("struct ") => "a section with fields".to_owned(),
        _ => expected,
    }
}
