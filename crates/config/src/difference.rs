//! What a changed file changes.

use crate::{Configuration, Effect, Setting};

/// The settings in which two configurations differ, without those that have no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Those that can be applied while the daemon runs.
    pub live: Vec<&'static Setting>,
    /// Those that take a restart.
    pub restart: Vec<&'static Setting>,
}

// === impl Difference ===

impl Difference {
    /// Compares two configurations.
    pub fn between(old: &Configuration, new: &Configuration) -> Self {
        let mut difference = Difference::default();
        let (old, new) = (old.document.to_json(), new.document.to_json());
        for setting in Setting::all().filter(|setting| setting.value_in(&old) != setting.value_in(&new)) {
            match setting.effect {
                Effect::Live => difference.live.push(setting),
                Effect::Restart => difference.restart.push(setting),
                Effect::None(_) => {}
            }
        }
        difference
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.restart.is_empty()
    }
}

/// The fields of some settings, for a log line.
pub fn names(settings: &[&'static Setting]) -> String {
    settings.iter().filter_map(|setting| setting.field).collect::<Vec<_>>().join(" ")
}
