//! States as the operators' own tools print them, sorted, so that they can be read, compared and pasted.

mod addresses;
mod ipset;
mod ipvsadm;
mod json;
mod operations;

pub use addresses::addresses;
pub use ipset::ipset_save;
pub use ipvsadm::{ipvsadm_save, real_server_line, virtual_server_line};
pub use json::{json, operations_json};
pub use operations::operations_text;

use crate::rules::{ruleset, save_command};
use crate::{INTERFACE, Options, State};

/// The whole state: one section for each tool, headed by the command that prints it.
pub fn text(state: &State, options: &Options) -> String {
    let mut sections = vec![
        ("ipvsadm -Sn".to_owned(), ipvsadm_save(state)),
        ("ipset save".to_owned(), ipset_save(state, options)),
        (format!("ip addr show dev {INTERFACE}"), addresses(state)),
    ];
    for family in options.families.iter().copied() {
        let rules = ruleset(family, options).to_string();
        sections.push((save_command(family).to_owned(), rules));
    }
    let sections = sections.iter().map(|(command, lines)| format!("# {command}\n{lines}"));
    sections.collect::<Vec<String>>().join("\n")
}

#[cfg(test)]
mod tests;
