//! How a test says what it needs, so that it is counted when it cannot run.
//!
//! ```no_run
//! # use lab::{Need, require};
//! fn a_virtual_server_is_added() {
//!     if !require(Need::Ipvs) {
//!         return;
//!     }
//!     // …
//! }
//! ```
//!
//! A test that cannot run prints `SKIPPED test: reason` and appends `test: reason` to the file that the environment
//! variable [`SKIPPED`] names, which is how `cargo xtask test` counts it. Where [`REQUIRE`] is `1`, such as in the
//! guest, there is no excuse and it fails instead.

use std::fs::OpenOptions;
use std::io::Write;
use std::panic::Location;
use std::path::Path;
use std::sync::OnceLock;
use std::{env, thread};

use crate::guest::IN_GUEST;
use crate::process;

/// The environment variable with the path of the file that skipped tests are written to.
pub const SKIPPED: &str = "KUBE_IPVS_SKIPPED";

/// The environment variable that turns a skipped test into a failed one if it is `1`.
pub const REQUIRE: &str = "KUBE_IPVS_REQUIRE_LAB";

/// Something that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The right to make network namespaces and to change what is in them.
    Root,
    /// [`Need::Root`], and a kernel with IPVS and dummy links.
    Ipvs,
    /// A program.
    Program(&'static str),
    /// A guest of the lab's, for a test that changes the whole machine. Elsewhere it is always skipped.
    Guest,
}

/// Whether this test can run here. If not, it has been counted and should return.
///
/// # Panics
/// If the need is not met and the environment says that it must be, see [`REQUIRE`].
#[track_caller]
pub fn require(need: Need) -> bool {
    let Some(reason) = need.unmet() else { return true };
    let test = test_name(Location::caller());
    let must_run = need != Need::Guest && env::var_os(REQUIRE).is_some_and(|value| value == "1");
    assert!(!must_run, "{test} must run here, but {reason}");
    skip(&test, &reason);
    false
}

/// Whether this process may use IPVS and dummy links. Tried once, in a network namespace of its own.
pub fn kernel_has_ipvs() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    // ipvsadm makes the kernel load the module and asks for the generic netlink family; a device node, a file in
    // /proc or a line in the kernel's configuration would prove less.
    const TRY: &str = "ip link add probe0 type dummy && ipvsadm -Ln";
    *ANSWER.get_or_init(|| {
        is_root() && process::run(process::command("unshare").args(["--net", "sh", "-c", TRY])).is_ok()
    })
}

// === impl Need ===

impl Need {
    /// Why this machine does not meet the need.
    pub fn unmet(self) -> Option<String> {
        match self {
            Need::Root => (!is_root()).then(|| "it needs root".to_owned()),
            Need::Ipvs => Need::Root.unmet().or_else(|| {
                let programs = ["ip", "ipvsadm"].map(Need::Program);
                programs.into_iter().find_map(Need::unmet).or_else(|| {
                    (!kernel_has_ipvs()).then(|| "this kernel has no IPVS or no dummy links".to_owned())
                })
            }),
            Need::Program(name) => process::find(name).is_none().then(|| format!("{name} is not installed")),
            Need::Guest => {
                let is_guest = env::var_os(IN_GUEST).is_some_and(|value| value == "1");
                (!is_guest)
                    .then(|| "it changes the whole machine, so it runs in the lab's guest only".to_owned())
            }
        }
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The test's name as libtest shows it, behind the name of its executable. A test that runs on the main thread, as
/// with `--test-threads=1`, is named by its place in the source.
fn test_name(caller: &Location<'_>) -> String {
    let executable = env::current_exe().unwrap_or_default();
    let stem = executable.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let executable = stem.rsplit_once('-').map_or(stem.as_str(), |(name, _hash)| name);
    match thread::current().name() {
        Some(test) if test != "main" => format!("{executable}::{test}"),
        _ => format!("{executable}::{}:{}", caller.file(), caller.line()),
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says so to whoever runs it")]
fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
    let Some(path) = env::var_os(SKIPPED) else { return };
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(Path::new(&path))
        .and_then(|mut file| file.write_all(format!("{test}: {reason}\n").as_bytes()));
    if let Err(error) = written {
        eprintln!("cannot write to {}: {error}", Path::new(&path).display());
    }
}
