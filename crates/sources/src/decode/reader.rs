//! Takes values out of fields and writes down what was wrong with them.

use std::fmt::{self, Display};

use model::{Kind, ObjectKey, Problem};

use super::field::Field;
use super::{Decoded, Outcome};

/// Reads the fields of one object.
pub(super) struct Reader {
    subject: Subject,
    problems: Vec<Problem>,
}

/// How messages call an object. Most objects are read without one, so it is written only then.
pub(super) enum Subject {
    Named(Kind, ObjectKey),
    /// Without a name it takes other words.
    Described(String),
}

// === impl Reader ===

impl Reader {
    /// A reader for the object that messages call `subject`.
    pub(super) fn new(subject: Subject) -> Self {
        Reader { subject, problems: Vec::new() }
    }

    /// Notes that `field` is wrong. The reason says what was done about it.
    pub(super) fn complain(&mut self, field: impl Display, reason: impl Display) {
        self.problems.push(Problem::new(&self.subject, format_args!("{field}: {reason}")));
    }

    /// The value of a field; one of the wrong shape is noted and counts as absent.
    pub(super) fn read<T>(&mut self, path: impl Display, field: Field<T>) -> Option<T> {
        match field {
            Field::Present(value) => Some(value),
            Field::Absent => None,
            Field::Malformed(reason) => {
                self.complain(path, format_args!("{reason}; ignored"));
                None
            }
        }
    }

    /// The usable elements of a list, each with its index.
    pub(super) fn read_list<T>(
        &mut self,
        path: impl Display,
        field: Field<Vec<Field<T>>>,
    ) -> Vec<(usize, T)> {
        self.read_each(path, field, |_, index, value| Some((index, value)))
    }

    /// What `read` makes of the usable elements of a list.
    pub(super) fn read_each<T, U>(
        &mut self,
        path: impl Display,
        field: Field<Vec<Field<T>>>,
        mut read: impl FnMut(&mut Self, usize, T) -> Option<U>,
    ) -> Vec<U> {
        let elements = self.read(&path, field).unwrap_or_default();
        let mut usable = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            match element {
                Field::Present(value) => usable.extend(read(self, index, value)),
                Field::Absent => self.complain(format_args!("{path}[{index}]"), "null; ignored"),
                Field::Malformed(reason) => {
                    self.complain(format_args!("{path}[{index}]"), format_args!("{reason}; ignored"));
                }
            }
        }
        usable.shrink_to_fit();
        usable
    }

    /// Ends with `outcome`.
    pub(super) fn finish(self, outcome: Outcome) -> Decoded {
        Decoded { outcome, problems: self.problems }
    }

    /// Ends with an object of which nothing can be used because of `field`.
    pub(super) fn give_up(
        mut self,
        id: Option<(Kind, ObjectKey)>,
        field: impl Display,
        reason: impl Display,
    ) -> Decoded {
        let consequence = match id {
            Some(_) => "the last good version, if there was one, stays in force",
            None => "the object is ignored",
        };
        self.complain(field, format_args!("{reason}; {consequence}"));
        self.finish(Outcome::Unusable(id))
    }
}

// === impl Subject ===

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Named(kind @ Kind::Node, key) => write!(f, "{kind} {}", key.name),
            Subject::Named(kind @ (Kind::Service | Kind::EndpointSlice), key) => write!(f, "{kind} {key}"),
            Subject::Described(words) => f.write_str(words),
        }
    }
}
