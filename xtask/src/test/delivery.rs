//! Checks of what is delivered besides the program: manifests, chart, alerts, packages and the image, each with the
//! tools that its users have.

mod debian;
mod difference;
mod image;
mod kubernetes;
mod monitoring;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::report::Tier;
use crate::cargo;
use crate::progress::Progress;

/// Checks that share their equipment.
struct Group<T: 'static> {
    name: &'static str,
    /// Gets the equipment, such as programs that have to be installed. If it cannot be had, the checks are skipped.
    prepare: fn(&Given) -> Result<T>,
    checks: &'static [Check<T>],
}

/// What every group gets.
struct Given {
    /// The program as cargo builds it for tests.
    binary: PathBuf,
    /// An empty folder to write to.
    folder: PathBuf,
}

/// What is checked, and how.
type Check<T> = (&'static str, fn(&T) -> Result<()>);

// === impl Group ===

impl<T: 'static> Group<T> {
    fn run(&self, binary: &Path, tier: &mut Tier) -> Result<()> {
        let given = Given { binary: binary.to_owned(), folder: cargo::fresh_folder(self.name)? };
        let progress = Progress::start(format!("getting what the checks of {} need", self.name));
        match (self.prepare)(&given) {
            Ok(equipment) => {
                for (name, check) in self.checks {
                    let name = format!("{}: {name}", self.name);
                    progress.set(name.as_str());
                    match check(&equipment) {
                        Ok(()) => {
                            progress.line(&format!("    {name}: ok"));
                            tier.passed += 1;
                        }
                        Err(error) => {
                            progress.line(&format!("{name}: {error:#}"));
                            tier.failed.push(name);
                        }
                    }
                }
            }
            Err(error) => {
                let skipped = self.checks.iter().map(|(name, _)| format!("{}: {name}: {error:#}", self.name));
                tier.skipped.extend(skipped);
            }
        }
        Ok(())
    }
}

/// All of them, with this build of the program.
pub(super) fn run(binary: &Path) -> Result<Tier> {
    let mut tier = Tier::new("delivery");
    kubernetes::GROUP.run(binary, &mut tier)?;
    monitoring::GROUP.run(binary, &mut tier)?;
    debian::GROUP.run(binary, &mut tier)?;
    image::GROUP.run(binary, &mut tier)?;
    Ok(tier)
}
