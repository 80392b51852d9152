//! The Debian package and its systemd unit.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::{Given, Group, tools};
use crate::{cargo, equipment, package, process};

pub(super) const GROUP: Group<Equipment> = Group {
    name: "debian",
    prepare: Equipment::get,
    checks: &[
        ("the package holds what it should", contents),
        ("lintian finds nothing", lintian),
        ("systemd understands the unit", unit_is_understood),
        ("the unit's exposure is 2.5 at most", unit_exposure),
        ("the package installs, runs and goes", install_and_remove),
    ],
};

/// The package, and a folder to write to.
pub(super) struct Equipment {
    package: PathBuf,
    folder: PathBuf,
}

// === impl Equipment ===

impl Equipment {
    fn get(given: &Given) -> Result<Equipment> {
        ensure!(equipment::is_root()?, "only root can install a package");
        equipment::install_programs(&[
            ("dpkg-buildpackage", "dpkg-dev"),
            ("dh", "debhelper"),
            ("help2man", "help2man"),
            ("lintian", "lintian"),
            ("systemd-analyze", "systemd"),
        ])?;
        let package = package::debian::build(&given.binary, &given.folder)?;
        Ok(Equipment { package, folder: given.folder.clone() })
    }
}

fn contents(equipment: &Equipment) -> Result<()> {
    let mut dpkg = process::command("dpkg-deb");
    let list = process::output(dpkg.arg("--contents").arg(&equipment.package))?;
    let files: Vec<&str> = list
        .lines()
        .filter(|line| !line.starts_with('d'))
        .filter_map(|line| line.split_whitespace().nth(5))
        .collect();
    let expected = [
        "./etc/default/kube-ipvs",
        "./etc/kube-ipvs/config.conf",
        "./lib/systemd/system/kube-ipvs.service",
        "./usr/bin/kube-ipvs",
        "./usr/lib/tmpfiles.d/kube-ipvs.conf",
        "./usr/share/doc/kube-ipvs/changelog.gz",
        "./usr/share/doc/kube-ipvs/copyright",
        "./usr/share/man/man8/kube-ipvs.8.gz",
    ];
    ensure!(files == expected, "it holds {files:?}");
    Ok(())
}

fn lintian(equipment: &Equipment) -> Result<()> {
    let mut lintian = process::command("lintian");
    lintian.args(["--allow-root", "--fail-on", "error,warning"]).arg(&equipment.package);
    process::output(&mut lintian).map(drop)
}

fn unit_is_understood(equipment: &Equipment) -> Result<()> {
    // The programs that it starts have to be there, so it is checked where the package is unpacked.
    let root = equipment.folder.join("unpacked");
    let mut unpack = process::command("dpkg-deb");
    process::output(unpack.arg("--extract").arg(&equipment.package).arg(&root))?;
    for unit in
        ["network-online.target", "multi-user.target", "sysinit.target", "shutdown.target", "basic.target"]
    {
        fs::write(root.join("lib/systemd/system").join(unit), "[Unit]\n")?;
    }
    let mut verify = process::command("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=one"]).arg(format!("--root={}", root.display()));
    process::output(verify.arg("kube-ipvs.service")).map(drop)
}

/// By systemd's own measure, from 0 to 10: without any of its restrictions the unit would have 9.6. The option
/// counts in tenths.
fn unit_exposure(_: &Equipment) -> Result<()> {
    let unit = cargo::workspace().join("deploy/debian/kube-ipvs.service");
    let mut security = process::command("systemd-analyze");
    security.args(["security", "--offline=yes", "--threshold=25", "--no-pager"]).arg(unit);
    process::output(&mut security).map(drop)
}

fn install_and_remove(equipment: &Equipment) -> Result<()> {
    let root = equipment.folder.join("root");
    fs::create_dir_all(&root)?;
    let mut unpack = process::command("tar");
    process::output(
        unpack.arg("--extract").arg("--file").arg(tools::debian_system()?).arg("--directory").arg(&root),
    )?;
    let name = equipment.package.file_name().context("the package has no name")?;
    fs::copy(&equipment.package, root.join("tmp").join(name))?;
    // How this machine reaches Debian's packages is its own affair.
    fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf"))?;
    let inside = |arguments: &[&str]| {
        let mut chroot = process::command("chroot");
        chroot.arg(&root).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        process::output(&mut chroot)
    };
    let package = format!("/tmp/{}", name.to_string_lossy());
    inside(&["apt-get", "update", "--quiet=2"])?;
    inside(&["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", &package])?;
    let version = inside(&["/usr/bin/kube-ipvs", "--version"])?;
    ensure!(version.contains(env!("CARGO_PKG_VERSION")), "it says {version}");
    inside(&["iptables-save", "--version"])?;
    let enabled = root.join("etc/systemd/system/multi-user.target.wants/kube-ipvs.service");
    ensure!(!enabled.exists(), "the service is enabled without having been asked for");
    inside(&["apt-get", "purge", "--yes", "--quiet=2", "kube-ipvs"])?;
    for gone in ["usr/bin/kube-ipvs", "etc/kube-ipvs", "lib/systemd/system/kube-ipvs.service"] {
        ensure!(!root.join(gone).exists(), "{gone} is still there after a purge");
    }
    Ok(())
}
