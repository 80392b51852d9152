//! Which of flags and file counts.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::check::{Naming, Purpose, check};
use crate::decode::decode;
use crate::document::KubeProxyConfiguration;
use crate::error::{Invalid, Mistake};
use crate::flags::ConfigFlags;
use crate::setting::{Effect, Setting};
use crate::{Configuration, Error};

/// Flags that kube-proxy is going to drop, and what to use instead.
const DEPRECATED: [(&str, &str); 2] =
    [("healthz-port", "healthz-bind-address"), ("metrics-port", "metrics-bind-address")];

/// Reads and checks the configuration. Without a file the flags are it. With one, the file is it, as for kube-proxy,
/// except for the node's name, logging, the API server's address and kube-ipvs' own flags, which take precedence.
///
/// `warnings` gets a sentence for each thing that is not as it seems, also if there is an error.
///
/// # Errors
/// If the file cannot be read, or values make no sense for the purpose.
pub fn load(
    flags: &ConfigFlags,
    file: Option<&Path>,
    purpose: Purpose,
    warnings: &mut Vec<String>,
) -> Result<Configuration, Error> {
    warnings.extend(without_effect(flags));
    let deprecated = DEPRECATED.iter().filter(|(flag, _)| flags.get(flag).is_some());
    warnings.extend(deprecated.map(|(flag, instead)| format!("--{flag} is deprecated; use --{instead}")));
    let (document, naming) = match file {
        None => (from_flags(flags)?, Naming::Flags),
        Some(path) => {
            let text = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
            let text = String::from_utf8(text).map_err(|_| Mistake {
                line: None,
                field: String::new(),
                reason: "it is not UTF-8 text".to_owned(),
            });
            let document = text
                .and_then(|text| decode(&text, warnings))
                .map_err(|mistake| Error::Malformed { path: path.to_owned(), mistake })?
                .complete();
            warnings.extend(fields_without_effect(&document));
            warnings.extend(ignored(flags, path));
            let overriding = flags.settings().filter(|(setting, value)| overrides_file(setting, value));
            let overriding = overriding.filter_map(|(setting, _)| setting.flag).collect();
            (overlay(document, flags, overrides_file)?, Naming::Fields(overriding))
        }
    };
    let master = flags.text("master").filter(|master| !master.is_empty()).map(str::to_owned);
    check(document, master, naming, purpose, warnings)
}

/// Writes the effective configuration as a file that kube-proxy reads as well.
///
/// # Errors
/// If the file cannot be written.
pub fn write(configuration: &Configuration, path: &Path) -> Result<(), Error> {
    fs::write(path, configuration.document.to_yaml())
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn from_flags(flags: &ConfigFlags) -> Result<KubeProxyConfiguration, Error> {
    let defaults = KubeProxyConfiguration::default().complete();
    let mut document = overlay(defaults, flags, |_, _| true)?;
    document.complete_flags();
    let port = |flag| flags.get(flag).and_then(Value::as_i64);
    document.use_deprecated_ports(port("healthz-port"), port("metrics-port"));
    Ok(document)
}

/// Whether a flag counts although there is a file. An empty name is none.
fn overrides_file(setting: &Setting, value: &Value) -> bool {
    let field = setting.field.unwrap_or_default();
    setting.is_own() || field.starts_with("logging.") || (field == "hostnameOverride" && value != "")
}

/// The document with the values of some of the flags.
fn overlay(
    document: KubeProxyConfiguration,
    flags: &ConfigFlags,
    counts: impl Fn(&Setting, &Value) -> bool,
) -> Result<KubeProxyConfiguration, Error> {
    let mut json = document.to_json();
    for (setting, value) in flags.settings().filter(|(setting, value)| counts(setting, value)) {
        if let Some(field) = setting.field {
            put(&mut json, field, value);
        }
    }
    // Flags are read as what their fields hold, so that this can only fail for a field of the wrong kind in the list.
    serde_json::from_value(json).map_err(|error| {
        let reason = error.to_string();
        Error::Invalid(vec![Invalid { subject: "flags".to_owned(), reason }])
    })
}

/// Puts a value where a field is. What flags say of source files comes before what the file says.
fn put(document: &mut Value, field: &str, value: &Value) {
    let mut place = document;
    for name in field.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Some(fields) = place.as_object_mut() else { return };
        place = fields.entry(name).or_insert(Value::Null);
    }
    match (field, place, value) {
        ("logging.vmodule", Value::Array(known), Value::Array(new)) => {
            drop(known.splice(0..0, new.iter().cloned()));
        }
        (_, place, value) => *place = value.clone(),
    }
}

/// The flags that do nothing here.
fn without_effect(flags: &ConfigFlags) -> Vec<String> {
    let given = flags.settings().filter_map(|(setting, _)| Some((setting.flag?, setting.effect)));
    given
        .filter_map(|(flag, effect)| match effect {
            Effect::None(reason) => Some(format!("--{flag} has no effect: {reason}")),
            Effect::Live | Effect::Restart => None,
        })
        .collect()
}

/// The fields of a file that were changed from their defaults and do nothing here.
fn fields_without_effect(document: &KubeProxyConfiguration) -> Vec<String> {
    let defaults = KubeProxyConfiguration::default().complete().to_json();
    let document = document.to_json();
    Setting::all()
        .filter_map(|setting| match setting.effect {
            Effect::None(reason) if setting.value_in(&document) != setting.value_in(&defaults) => {
                Some(format!("{} has no effect: {reason}", setting.field?))
            }
            _ => None,
        })
        .collect()
}

/// The flags that do not count because there is a file, which kube-proxy does not say.
fn ignored(flags: &ConfigFlags, path: &Path) -> Option<String> {
    let counts = |setting: &Setting, value: &Value| {
        let has_effect = !matches!(setting.effect, Effect::None(_));
        !has_effect || overrides_file(setting, value) || setting.flag == Some("master")
    };
    let ignored = flags.settings().filter(|(setting, value)| !counts(setting, value));
    let names: Vec<String> = ignored
        .filter_map(|(setting, _)| match (setting.flag?, setting.field) {
            (flag, Some(field)) => Some(format!("--{flag} (in the file: {field})")),
            (flag, None) => Some(format!("--{flag}")),
        })
        .collect();
    let path = path.display();
    (!names.is_empty()).then(|| {
        format!("the configuration file {path} counts, so these flags are ignored: {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests;
