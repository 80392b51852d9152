//! The flags that stand for settings, made from the list of them, and read as kube-proxy reads its own.

use std::collections::BTreeMap;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use model::duration;
use serde_json::{Map, Value, json};

use crate::document::{GoDuration, KubeProxyConfiguration};
use crate::setting::{Effect, GROUPS, Kind, Setting};

/// The flags that were given, each with its value as it would stand in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigFlags {
    given: BTreeMap<&'static str, Value>,
}

// === impl ConfigFlags ===

impl ConfigFlags {
    /// The value of a flag, if it was given.
    pub(crate) fn get(&self, flag: &str) -> Option<&Value> {
        self.given.get(flag)
    }

    /// The value of a flag that takes a text.
    pub(crate) fn text(&self, flag: &str) -> Option<&str> {
        self.get(flag).and_then(Value::as_str)
    }

    /// The settings whose flags were given, in the order of the list.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static Setting, &Value)> {
        Setting::all().filter_map(|setting| Some((setting, self.given.get(setting.flag?)?)))
    }
}

impl Args for ConfigFlags {
    fn augment_args(command: Command) -> Command {
        let defaults = KubeProxyConfiguration::default().complete().to_json();
        GROUPS.iter().fold(command, |command, group| {
            let flags = group.settings.iter().filter_map(|setting| argument(setting, &defaults));
            // What kube-proxy dropped needs no advertisement.
            let shown = |flag: Arg, setting: &str| flag.hide(setting.is_empty());
            let flags = flags.map(|(flag, meaning)| shown(flag, meaning).help_heading(group.heading));
            command.args(flags)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConfigFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = ConfigFlags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for flag in Setting::all().filter_map(|setting| setting.flag) {
            let given = matches.try_get_many::<Value>(flag).ok().flatten();
            for value in given.into_iter().flatten() {
                merge(self.given.entry(flag).or_insert(Value::Null), value);
            }
        }
        Ok(())
    }
}

/// The flag of a setting, and the meaning of the setting.
fn argument(setting: &'static Setting, defaults: &Value) -> Option<(Arg, &'static str)> {
    let name = setting.flag?;
    let kind = setting.kind;
    let arg = Arg::new(name)
        .long(name)
        .help(help(setting, defaults))
        .action(ArgAction::Append)
        .value_parser(ValueParser::new(move |text: &str| parse(kind, text)))
        .value_name(value_name(kind));
    let arg = match kind {
        Kind::Bool => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        // The next argument is the value, whatever it looks like, as for kube-proxy.
        _ => arg.allow_hyphen_values(true),
    };
    Some((if name == "v" { arg.short('v') } else { arg }, setting.meaning))
}

fn help(setting: &Setting, defaults: &Value) -> String {
    let mut help = setting.meaning.to_owned();
    if let Effect::None(reason) = setting.effect {
        help.push_str(&format!(". No effect: {reason}"));
    }
    if let Some(default) = setting.value_in(defaults).and_then(in_short) {
        help.push_str(&format!(" [default: {default}]"));
    }
    help
}

/// A value as a flag takes it; none for what means "not set".
pub fn in_short(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("true".to_owned()),
        _ => None,
    }
}

fn value_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "true|false",
        Kind::Text(name) | Kind::List(name) => name,
        Kind::Integer | Kind::Count | Kind::Number => "NUMBER",
        Kind::Duration => "DURATION",
        Kind::Gates => "NAME=true|false,...",
        Kind::Patterns => "PATTERN=NUMBER,...",
    }
}

/// Reads what a flag was given as kube-proxy's flags do.
fn parse(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::Text(_) => Ok(json!(text)),
        Kind::Integer => match integer(text) {
            Some(number) => Ok(json!(number)),
            None => Err(format!("{text:?} is no whole number of up to 32 bits")),
        },
        Kind::Count => text.parse::<u32>().map(|number| json!(number)).map_err(|error| error.to_string()),
        Kind::Number => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(json!(number)),
            _ => Err(format!("{text:?} is no number")),
        },
        Kind::Duration => duration::parse_signed(text).map(|duration| json!(GoDuration(duration))),
        Kind::List(_) => quoted_elements(text).map(|elements| json!(elements)),
        Kind::Gates => elements(text).map(gate).collect::<Result<Map<_, _>, _>>().map(Value::Object),
        Kind::Patterns => elements(text).map(pattern).collect::<Result<_, _>>().map(Value::Array),
    }
}

/// Reads a boolean as Go does.
///
/// # Errors
/// If the text is none.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// Reads a whole number as Go's sources write it: with a prefix for its base, and underscores between digits.
fn integer(text: &str) -> Option<i32> {
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = number.to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)];
    let prefixed = prefixes.iter().find_map(|(prefix, radix)| Some((lower.strip_prefix(prefix)?, *radix)));
    let (digits, radix) = match prefixed.filter(|_| lower != "0") {
        // An underscore may follow the prefix as well.
        Some((digits, radix)) => (digits.strip_prefix('_').unwrap_or(digits), radix),
        None => (lower.as_str(), 10),
    };
    let is_number = digits.split('_').all(|part| {
        let mut digits = part.chars();
        !part.is_empty() && digits.all(|digit| digit.is_digit(radix))
    });
    let digits = is_number.then(|| digits.replace('_', ""))?;
    i32::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// The elements of a list, of which those with a comma are in quotes, as in a line of CSV.
fn quoted_elements(text: &str) -> Result<Vec<String>, String> {
    let mut lines = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let line = lines.records().next().transpose().map_err(|error| error.to_string())?.unwrap_or_default();
    let elements = line.iter().map(str::trim).filter(|element| !element.is_empty());
    Ok(elements.map(str::to_owned).collect())
}

fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|element| !element.is_empty())
}

fn gate(text: &str) -> Result<(String, Value), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is not of the form Name=true"))?;
    boolean(value.trim()).map(|value| (name.trim().to_owned(), Value::Bool(value)))
}

fn pattern(text: &str) -> Result<Value, String> {
    let wrong = || format!("{text:?} is not of the form pattern=2");
    let (pattern, verbosity) = text.split_once('=').ok_or_else(wrong)?;
    let verbosity: u32 = verbosity.trim().parse().map_err(|_| wrong())?;
    Ok(json!({ "filePattern": pattern.trim(), "verbosity": verbosity }))
}

/// A flag that is given again adds to a list or a map, and replaces anything else.
fn merge(known: &mut Value, new: &Value) {
    match (known, new) {
        (Value::Array(known), Value::Array(new)) => known.extend(new.iter().cloned()),
        (Value::Object(known), Value::Object(new)) => {
            known.extend(new.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        (known, new) => *known = new.clone(),
    }
}

#[cfg(test)]
mod tests;
