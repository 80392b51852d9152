//! Checks of single values, which collect what is wrong. A wrong value gets a stand-in, so that the others can be
//! looked at.

use std::fmt::Display;
use std::time::Duration;

use super::addresses::Parsed;
use crate::document::GoDuration;
use crate::error::Invalid;
use crate::{Error, Setting};

/// A longer period is one of this length, which can be added to any point in time.
const LONGEST_PERIOD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// By which names the operator knows settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By the flag, where there is one.
    Flags,
    /// By the field of the file, but for these flags, which count although there is a file.
    Fields(Vec<&'static str>),
}

/// Collects mistakes.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(super) naming: Naming,
    pub(super) errors: Vec<Invalid>,
}

// === impl Naming ===

impl Naming {
    /// Whether what a setting of this flag says came from the flag.
    fn is_known(&self, flag: &str) -> bool {
        match self {
            Naming::Flags => true,
            Naming::Fields(flags) => flags.contains(&flag),
        }
    }
}

// === impl Checker ===

impl Checker {
    pub(crate) fn new(naming: Naming) -> Self {
        Checker { naming, errors: Vec::new() }
    }

    /// What is found, if nothing was wrong with it.
    pub(crate) fn conclude<T>(self, found: T) -> Result<T, Error> {
        if self.errors.is_empty() { Ok(found) } else { Err(Error::Invalid(self.errors)) }
    }

    pub(super) fn list<T: Parsed>(&mut self, field: &str, texts: &[String]) -> Vec<T> {
        let parse = |(index, text): (usize, &String)| {
            let value = T::parsed(text);
            if value.is_none() {
                self.wrong(&format!("{field}[{index}]"), format!("{text:?}"), T::WANTED);
            }
            value
        };
        texts.iter().enumerate().filter_map(parse).collect()
    }

    pub(super) fn optional<T: Parsed>(&mut self, field: &str, text: &str) -> Option<T> {
        (!text.is_empty()).then(|| self.parse(field, text))
    }

    pub(super) fn parse<T: Parsed>(&mut self, field: &str, text: &str) -> T {
        T::parsed(text).unwrap_or_else(|| {
            self.wrong(field, format!("{text:?}"), T::WANTED);
            T::STAND_IN
        })
    }

    pub(super) fn not_empty(&mut self, field: &str, text: &str) -> String {
        if text.is_empty() {
            let mode = self.name("detectLocalMode");
            self.wrong(field, "empty", format!("must be set, since {mode} asks for it"));
        }
        text.to_owned()
    }

    pub(super) fn duration(&mut self, field: &str, duration: GoDuration) -> Duration {
        Duration::try_from(duration.0).unwrap_or_else(|_| {
            self.wrong(field, duration, "must not be negative");
            Duration::ZERO
        })
    }

    pub(super) fn period(&mut self, field: &str, period: GoDuration) -> Duration {
        let duration = self.duration(field, period);
        if period.is_zero() {
            self.wrong(field, period, "must be longer than 0s");
        }
        duration.min(LONGEST_PERIOD)
    }

    pub(super) fn count(&mut self, field: &str, number: i32) -> u32 {
        u32::try_from(number).unwrap_or_else(|_| {
            self.wrong(field, number, "must not be negative");
            0
        })
    }

    pub(super) fn within(&mut self, field: &str, number: i32, least: i32, most: i32) -> i32 {
        if !(least..=most).contains(&number) {
            self.wrong(field, number, format!("must be from {least} to {most}"));
        }
        number
    }

    /// Notes a mistake: what was found, and what would be right.
    pub(crate) fn wrong(&mut self, field: &str, found: impl Display, wanted: impl Display) {
        self.refuse(field, format!("{found}: {wanted}"));
    }

    /// Notes a mistake in other words.
    pub(super) fn refuse(&mut self, field: &str, reason: String) {
        self.errors.push(Invalid { subject: self.name(field), reason });
    }

    /// How the operator calls a field.
    pub(crate) fn name(&self, field: &str) -> String {
        let flag = Setting::of_field(field).and_then(|setting| setting.flag);
        match flag.filter(|flag| self.naming.is_known(flag)) {
            Some(flag) => format!("--{flag}"),
            None => field.to_owned(),
        }
    }
}
