//! What something costs in instructions, which unlike time are the same on a busy machine.
//!
//! ```no_run
//! #[test]
//! fn a_look_up_costs_the_same_among_many() {
//!     let Some([few, many]) = lab::count::instructions([10, 10_000], |size| {
//!         let map: std::collections::HashMap<usize, usize> = (0..size).map(|key| (key, key)).collect();
//!         lab::count::measured(|| map.get(&7).copied());
//!     }) else {
//!         return;
//!     };
//!     assert!(many < 2 * few);
//! }
//! ```
//!
//! The counter is callgrind (Debian package `valgrind`). Tests of this kind stand in modules called `cost`, by which
//! `cargo xtask test` finds them.

use std::any::type_name;
use std::hint::black_box;
use std::panic::Location;
use std::path::Path;
use std::{env, fs};

use crate::{Error, Need, process, require};

/// The environment variable that has the size for a workload that is being counted.
const SIZE: &str = "KUBE_IPVS_COUNT_SIZE";

/// What callgrind counts: everything below the function [`measured`].
const TOGGLE: &str = "--toggle-collect=*lab*count*measured*";

/// The instructions that a workload of each size spends in [`measured`]. None if they cannot be counted here, which
/// is noted as a skipped test, or if this process is the one being watched.
///
/// For each size this starts the test that calls it again, under callgrind. A test may call it once, and the workload
/// has to be a closure that is written in the test itself, since that is how the test's name is known.
///
/// # Panics
/// If the counting fails, or if the workload measures nothing.
#[track_caller]
#[expect(clippy::panic, reason = "this is a test's assertion that it is counted at all")]
pub fn instructions<const N: usize, W: Fn(usize)>(sizes: [usize; N], workload: W) -> Option<[u64; N]> {
    if let Some(size) = env::var_os(SIZE) {
        let size = size.to_str().and_then(|size| size.parse().ok());
        workload(size.unwrap_or_else(|| panic!("{SIZE} is no number")));
        return None;
    }
    if !require(Need::Program("valgrind")) {
        return None;
    }
    let test = test_name(type_name::<W>());
    Some(sizes.map(|size| match count(test, size) {
        Ok(0) => panic!("{}: the workload of {test} measured nothing", Location::caller()),
        Ok(count) => count,
        Err(error) => panic!("cannot count the instructions of {test}: {error}"),
    }))
}

/// Does `work`, whose instructions are counted.
#[inline(never)]
pub fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn count(test: &str, size: usize) -> Result<u64, Error> {
    let folder = tempfile::tempdir().map_err(Error::io(|| "make a temporary folder"))?;
    let profile = folder.path().join("profile");
    let executable = env::current_exe().map_err(Error::io(|| "find this executable"))?;
    let mut valgrind = process::command("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind", TOGGLE])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(executable)
        .args(["--exact", test])
        .env(SIZE, size.to_string());
    process::run(&mut valgrind)?;
    collected(&profile)
}

/// The total of a profile, from its line `totals:`.
fn collected(profile: &Path) -> Result<u64, Error> {
    let text = fs::read_to_string(profile).map_err(Error::io(|| format!("read {}", profile.display())))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:"));
    total
        .and_then(|total| total.trim().parse().ok())
        .ok_or_else(|| Error::missing("the total in callgrind's profile"))
}

/// The test in which the closure of this type stands, as libtest calls it.
fn test_name(closure: &str) -> &str {
    let path = closure.split_once("::").map_or(closure, |(_crate, path)| path);
    path.split("::{{closure}}").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_their_closures() {
        assert_eq!(test_name("plan::a::tests::cost::one::{{closure}}"), "a::tests::cost::one");
        assert_eq!(test_name("cost::one::{{closure}}::{{closure}}"), "one");
    }

    mod cost {
        use super::*;

        #[test]
        fn more_work_costs_more() {
            let Some([one, ten]) = instructions([1, 10], |size| {
                let numbers: Vec<usize> = (0..1000 * size).collect();
                measured(|| numbers.iter().map(|number| number % 7).sum::<usize>());
            }) else {
                return;
            };
            assert!((9 * one..11 * one).contains(&ten), "{one}, {ten}");
        }
    }
}
