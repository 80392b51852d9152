//! Gets the lab ready: builds its program, installs what that needs, and finds out where it can run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{cargo, process, progress};

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

/// Where the guest sees the folder that it shares with this machine, as `crates/lab/src/guest.rs` has it.
const GUEST_SHARE: &str = "/run/lab";

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
            if is_root()? {
                // The guest's kernel is fetched as a package.
                update_unless_known(&["linux-image-amd64", "busybox-static"])?;
            }
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

    /// Where such a program sees the folder that its options share with it.
    pub(crate) fn seen<'a>(&self, shared: &'a Path) -> &'a Path {
        match self.place {
            Place::Here => shared,
            Place::Guest => Path::new(GUEST_SHARE),
        }
    }
}

/// Installs what counts instructions. If that fails, the tests that need it say that it is missing.
pub(crate) fn install_counter() {
    if let Err(error) = install_programs(&[("valgrind", "valgrind")]) {
        progress::step(&format!("instructions cannot be counted: {error:#}"));
    }
}

fn missing_packages(lab: &Path, options: &[&str]) -> Result<Vec<String>> {
    let mut packages = Vec::new();
    process::lines(process::command(lab).arg("missing-packages").args(options), |line| {
        packages.push(line.to_owned());
    })?;
    Ok(packages)
}

fn has_ipvs(lab: &Path) -> Result<bool> {
    Ok(process::lines(process::command(lab).arg("kernel-has-ipvs"), |_| {})?.success())
}

/// Installs the packages of those programs that are missing.
pub(crate) fn install_programs(programs: &[(&str, &str)]) -> Result<()> {
    let is_missing = |program: &str| {
        let mut which = process::command("sh");
        process::output(which.args(["-c", "command -v \"$0\"", program])).is_err()
    };
    let missing = programs.iter().filter(|(program, _)| is_missing(program));
    install(&missing.map(|(_, package)| (*package).to_owned()).collect::<Vec<_>>())
}

pub(crate) fn install(packages: &[String]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !is_root()? {
        bail!("these Debian packages are missing, and only root can install them: {list}");
    }
    update_unless_known(packages)?;
    progress::step(&format!("install {list}"));
    let install = || {
        let mut apt = apt_get("install");
        // dpkg has several lines for each package; what goes wrong comes on the other stream.
        apt.args(["--yes", "--no-install-recommends"]).args(packages).stdout(Stdio::null());
        apt
    };
    let attempt = process::status(&mut install())
        .context("on other systems than Debian, what is missing has to be installed by hand")?;
    if !attempt.success() {
        // Old package lists name files that are gone.
        process::run(&mut apt_get("update"))?;
        process::run(&mut install())?;
    }
    Ok(())
}

/// A fresh machine has no package lists.
pub(crate) fn update_unless_known(packages: &[impl AsRef<str>]) -> Result<()> {
    for package in packages {
        let mut show = process::command("apt-cache");
        show.args(["--quiet=2", "show", package.as_ref()]).stderr(Stdio::null());
        if !process::lines(&mut show, |_| {})?.success() {
            progress::step("fetch package lists");
            return process::run(&mut apt_get("update"));
        }
    }
    Ok(())
}

fn apt_get(verb: &str) -> Command {
    let mut apt = process::command("apt-get");
    apt.args([verb, "--quiet=2"]).env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

pub(crate) fn is_root() -> Result<bool> {
    let mut root = false;
    process::lines(process::command("id").arg("-u"), |line| root = line == "0")?;
    Ok(root)
}
