//! Gets the lab ready: builds its program, installs what that needs, and finds out where it can run.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::{self, Progress};
use crate::{cargo, process};

/// The lab's program, and where its tests run.
pub(crate) struct Equipment {
    /// The lab's program.
    pub(crate) lab: PathBuf,
    pub(crate) place: Place,
}

/// Where programs that need IPVS run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Place {
    /// On this machine's kernel.
    Here,
    /// In a guest under QEMU.
    Guest,
}

// === impl Equipment ===

impl Equipment {
    /// Builds and installs what is missing. Without a wish for a place it is here if this kernel has IPVS.
    pub(crate) fn prepare(wish: Option<Place>) -> Result<Equipment> {
        progress::step("build the lab");
        let lab = cargo::build_binary("lab", "lab")?;
        install(&missing_packages(&lab, &["--namespaces-only"])?)?;
        let place = match wish {
            Some(place) => place,
            None if has_ipvs(&lab)? => Place::Here,
            None => Place::Guest,
        };
        if place == Place::Guest {
            install(&missing_packages(&lab, &[])?)?;
            know_kernel_packages()?;
        }
        Ok(Equipment { lab, place })
    }

    /// How to start a program where IPVS is. In the guest it gets what `options` says, such as a shared folder.
    pub(crate) fn command(&self, options: &[&str], program: &[&str]) -> Command {
        match self.place {
            Place::Here => {
                let mut command = process::command(program.first().copied().unwrap_or("true"));
                command.args(program.iter().skip(1));
                command
            }
            Place::Guest => {
                let mut command = process::command(&self.lab);
                command.arg("guest-run").args(options).arg("--").args(program);
                command
            }
        }
    }
}

fn missing_packages(lab: &PathBuf, options: &[&str]) -> Result<Vec<String>> {
    let mut packages = Vec::new();
    process::lines(process::command(lab).arg("missing-packages").args(options), |line| {
        packages.push(line.to_owned());
    })?;
    Ok(packages)
}

fn has_ipvs(lab: &PathBuf) -> Result<bool> {
    Ok(process::lines(process::command(lab).arg("kernel-has-ipvs"), |_| {})?.success())
}

fn install(packages: &[String]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !is_root()? {
        bail!("these Debian packages are missing, and only root can install them: {list}");
    }
    progress::step(&format!("install {list}"));
    let apt = || {
        let mut apt = process::command("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    let install =
        || apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages).status();
    let attempt = install()
        .context("cannot start apt-get: on other systems than Debian, install by hand what is missing")?;
    if !attempt.success() {
        // A fresh machine has no package lists, an old one has stale ones.
        process::run(apt().args(["update", "--quiet"]))?;
        process::run(apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages))?;
    }
    Ok(())
}

/// The guest's kernel is fetched as a package, which needs package lists.
fn know_kernel_packages() -> Result<()> {
    let known = |package: &str| -> Result<bool> {
        Ok(process::lines(process::command("apt-cache").args(["--quiet=2", "show", package]), |_| {})?
            .success())
    };
    if known("linux-image-amd64")? && known("busybox-static")? || !is_root()? {
        return Ok(());
    }
    let _progress = Progress::start("fetching package lists");
    process::run(process::command("apt-get").args(["update", "--quiet=2"]))
}

fn is_root() -> Result<bool> {
    let mut root = false;
    process::lines(process::command("id").arg("-u"), |line| root = line == "0")?;
    Ok(root)
}
