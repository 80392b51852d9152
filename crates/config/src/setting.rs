//! Everything that can be set, by a flag, in the file, or both.

mod table;

use serde_json::Value;

pub use self::table::GROUPS;

/// The headings of groups that are more than words in `--help`.
pub mod heading {
    /// What kube-proxy does not have.
    pub const OWN: &str = "Options that only kube-ipvs has";
    /// What the kernel is set to.
    pub const KERNEL: &str = "Kernel";
    /// What a running daemon tells.
    pub const SERVING: &str = "Health, metrics and logs";
    /// What does nothing here.
    pub const WITHOUT_EFFECT: &str = "Accepted from kube-proxy's users, without effect";
}

/// Settings that belong together, with the heading that they have in `--help`.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The heading.
    pub heading: &'static str,
    /// The settings, in the order in which they are shown.
    pub settings: &'static [Setting],
}

/// Something that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The flag without its dashes, if there is one.
    pub flag: Option<&'static str>,
    /// The path in the file, if there is one: `ipvs.syncPeriod`.
    pub field: Option<&'static str>,
    /// What it takes.
    pub kind: Kind,
    /// What it does.
    pub meaning: &'static str,
    /// Whether it does that here, and when.
    pub effect: Effect,
}

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`; as a flag without a value, `true`.
    Bool,
    /// A text; the word stands for it in `--help`.
    Text(&'static str),
    /// A whole number, which may be negative.
    Integer,
    /// A whole number of 0 or more.
    Count,
    /// A number.
    Number,
    /// A duration as Go writes it, such as `1m30s`.
    Duration,
    /// Texts with commas between them; a flag that is given again adds to them. The word stands for them in `--help`.
    List(&'static str),
    /// Feature gates: `Name=true,...`.
    Gates,
    /// Verbosities of source files: `pattern=2,...`.
    Patterns,
}

/// Whether a setting does something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Yes; a changed file applies it without a restart.
    Live,
    /// Yes; changing it takes a restart.
    Restart,
    /// No, for this reason.
    None(&'static str),
}

// === impl Setting ===

impl Setting {
    /// All settings.
    pub fn all() -> impl Iterator<Item = &'static Setting> {
        GROUPS.iter().flat_map(|group| group.settings)
    }

    /// The setting of a field, or of what the field is part of: `ipvs.excludeCIDRs[0]`, `featureGates.AllAlpha`.
    pub fn of_field(path: &str) -> Option<&'static Setting> {
        Setting::all().find(|setting| setting.field.is_some_and(|field| belongs_to(path, field)))
    }

    /// Whether kube-proxy does not know it.
    pub fn is_own(&self) -> bool {
        self.field.is_some_and(|field| field.starts_with("kubeIpvs."))
    }

    /// Its value in a document.
    pub fn value_in<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.field?.split('.').try_fold(document, |value, name| value.get(name))
    }

    const fn new(
        flag: Option<&'static str>,
        field: Option<&'static str>,
        kind: Kind,
        meaning: &'static str,
    ) -> Self {
        Setting { flag, field, kind, meaning, effect: Effect::Restart }
    }

    const fn live(self) -> Self {
        Setting { effect: Effect::Live, ..self }
    }

    const fn without_effect(self, reason: &'static str) -> Self {
        Setting { effect: Effect::None(reason), ..self }
    }
}

fn belongs_to(path: &str, field: &str) -> bool {
    path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
}

#[cfg(test)]
mod tests;
