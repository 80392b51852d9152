//! Selectors by label and by field.

use serde_json::Value;

/// Requirements that an object has to meet, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    Equals(String),
    Differs(String),
}

// === impl Selector ===

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`. Sets, as in `key in (a, b)`, are not known.
    pub(super) fn parse(labels: &str, fields: &str) -> Self {
        Selector { labels: requirements(labels), fields: requirements(fields) }
    }

    /// The fields that are asked for.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|requirement| requirement.key.as_str())
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object.get("metadata")?.get("labels")?.get(key);
        let field = |key: &str| key.split('.').try_fold(object, |value, name| value.get(name));
        self.labels.iter().all(|requirement| requirement.accepts(label(&requirement.key)))
            && self.fields.iter().all(|requirement| requirement.accepts(field(&requirement.key)))
    }
}

fn requirements(text: &str) -> Vec<Requirement> {
    text.split(',').filter(|part| !part.is_empty()).map(Requirement::parse).collect()
}

// === impl Requirement ===

impl Requirement {
    fn parse(text: &str) -> Self {
        let (key, test) = if let Some((key, value)) = text.split_once("!=") {
            (key, Test::Differs(value.to_owned()))
        } else if let Some((key, value)) = text.split_once('=') {
            (key, Test::Equals(value.trim_start_matches('=').to_owned()))
        } else if let Some(key) = text.strip_prefix('!') {
            (key, Test::Absent)
        } else {
            (text, Test::Exists)
        };
        Requirement { key: key.to_owned(), test }
    }

    fn accepts(&self, value: Option<&Value>) -> bool {
        let text = value.and_then(Value::as_str).unwrap_or_default();
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Equals(wanted) => text == wanted,
            Test::Differs(other) => text != other,
        }
    }
}
