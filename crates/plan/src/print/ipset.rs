use std::fmt::Write as _;

use model::Family;

use crate::{HASH_SIZE, Options, SetId, SetType, State};

/// The sets of the served families as `ipset save` prints them, without the seeds that differ every time.
pub fn ipset_save(state: &State, options: &Options) -> String {
    let mut text = String::new();
    for set in options.families.iter().copied().flat_map(SetId::all) {
        let _ = writeln!(text, "create {}", creation(set));
        for entry in state.entries(set) {
            let _ = writeln!(text, "add {set} {entry}");
        }
    }
    text
}

fn creation(set: SetId) -> String {
    let set_type = set.name.set_type();
    if set_type == SetType::BitmapPort {
        return format!("{set} {set_type} range 0-65535");
    }
    let family = match set.family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    };
    let most = set.name.max_elements();
    format!("{set} {set_type} family {family} hashsize {HASH_SIZE} maxelem {most}")
}
