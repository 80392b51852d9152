//! `docs/configuration.md` follows from the code: below its mark stands what this prints.

use std::fmt::Write as _;
use std::fs;

use config::setting::{Effect, GROUPS, Kind, Setting};
use config::{KubeProxyConfiguration, flags};
use expect_test::expect_file;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");

const MARK: &str = "<!-- From here on this file is written by a test of crates/proxy: UPDATE_EXPECT=1 cargo test -p proxy reference -->\n";

#[test]
fn the_reference_tells_what_the_code_does() {
    let written = fs::read_to_string(FILE).unwrap();
    let (by_hand, _) = written.split_once(MARK).expect("the mark");
    expect_file![FILE].assert_eq(&format!("{by_hand}{MARK}{}", reference()));
}

fn reference() -> String {
    let mut text = String::new();
    program(&mut text);
    let defaults = KubeProxyConfiguration::default().complete().to_json();
    for group in GROUPS {
        let _ = writeln!(text, "\n## {}\n", group.heading);
        if group.settings.iter().all(|setting| setting.meaning.is_empty()) {
            let names: Vec<String> =
                group.settings.iter().filter_map(|setting| Some(format!("`--{}`", setting.flag?))).collect();
            let _ = writeln!(text, "{}.", names.join(", "));
            continue;
        }
        text.push_str("| flag | field | default | meaning | a changed file |\n|---|---|---|---|---|\n");
        for setting in group.settings {
            row(&mut text, setting, &defaults);
        }
    }
    text
}

/// The flags that ask for something else than a setting.
fn program(text: &mut String) {
    text.push_str("\n## What to do\n\n| flag | meaning |\n|---|---|\n");
    let mut command = super::command();
    command.build();
    let settings: Vec<&str> = Setting::all().filter_map(|setting| setting.flag).collect();
    for arg in command
        .get_arguments()
        .filter(|arg| !arg.is_positional())
        .filter(|arg| !settings.contains(&arg.get_id().as_str()))
    {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| `--{}` | {} |", arg.get_long().unwrap_or_default(), cell(&help));
    }
}

fn row(text: &mut String, setting: &Setting, defaults: &serde_json::Value) {
    let name =
        |dashes: &str, name: Option<&str>| name.map_or_else(String::new, |name| format!("`{dashes}{name}`"));
    let default = match setting.value_in(defaults) {
        Some(value) => flags::in_short(value).map(|value| format!("`{value}`")),
        None => None,
    };
    let (meaning, changed) = match setting.effect {
        Effect::Live => (setting.meaning.to_owned(), "at once"),
        Effect::Restart if setting.field.is_some() => (setting.meaning.to_owned(), "restart"),
        Effect::Restart => (setting.meaning.to_owned(), ""),
        Effect::None(reason) => (format!("{}. No effect: {reason}", setting.meaning), ""),
    };
    let default = default.unwrap_or_else(|| match setting.kind {
        Kind::Bool => "`false`".to_owned(),
        _ => String::new(),
    });
    let flag = if setting.flag == Some("v") { "`-v`".to_owned() } else { name("--", setting.flag) };
    let field = name("", setting.field);
    let _ = writeln!(text, "| {flag} | {field} | {default} | {} | {changed} |", cell(&meaning));
}

/// One line, in which nothing ends a cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
