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

use crate::rules::ruleset;
use crate::{Options, State};

/// The whole state: one section for each tool, headed by the command that prints it.
pub fn text(state: &State, options: &Options) -> String {
    let mut text = format!("# ipvsadm -Sn\n{}", ipvsadm_save(state));
    text.push_str(&format!("\n# ipset save\n{}", ipset_save(state, options)));
    text.push_str(&format!(
        "\n# ip addr show dev {}\n{}",
        crate::INTERFACE,
        addresses(state)
    ));
    for family in &options.families {
        let command = crate::rules::save_command(*family);
        text.push_str(&format!("\n# {command}\n{}", ruleset(*family, options)));
    }
    text
}

#[cfg(test)]
mod tests;
