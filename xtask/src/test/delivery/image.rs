//! The container image, built from Debian's packages without a registry.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::{Given, Group, tools};
use crate::package::image::{self, Builder};
use crate::{equipment, process};

/// The name of the image of a new Debian system.
const BASE: &str = "localhost/debian:bookworm";

/// Everything in the image that is started by the program or by those who look at a node.
const PROGRAMS: [&str; 7] = [
    "kube-ipvs",
    // What kubeadm's DaemonSet starts.
    "/usr/local/bin/kube-proxy",
    "iptables-nft-save",
    "ip6tables-nft-restore",
    "iptables-legacy-save",
    "ip6tables-legacy-restore",
    "modprobe",
];

pub(super) const GROUP: Group<Equipment> = Group {
    name: "image",
    prepare: Equipment::get,
    checks: &[
        ("its programs start", programs_start),
        ("iptables finds its extensions", extensions_are_found),
        ("it has no shell and no plain iptables-save", what_it_lacks),
    ],
};

/// The image's files.
pub(super) struct Equipment {
    root: PathBuf,
}

// === impl Equipment ===

impl Equipment {
    fn get(given: &Given) -> Result<Equipment> {
        ensure!(equipment::is_root()?, "only root can look into the image");
        equipment::install_programs(&[("buildah", "buildah")])?;
        let builder = Builder::confined_to(&given.folder);
        import_base(&builder)?;
        let image = image::build(&builder, &given.binary, &given.folder, Some(BASE))?;
        let container = process::output(builder.command().args(["from", &image]))?;
        let root = process::output(builder.command().args(["mount", container.trim()]))?;
        Ok(Equipment { root: root.trim().into() })
    }

    fn inside(&self, arguments: &[&str]) -> Result<String> {
        let mut chroot = process::command("chroot");
        chroot.arg(&self.root).args(arguments).env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin");
        process::output(&mut chroot)
    }
}

/// Makes an image of a new Debian system, since there is no registry to take one from.
fn import_base(builder: &Builder) -> Result<()> {
    let container = process::output(builder.command().args(["from", "scratch"]))?;
    let container = container.trim();
    let system = tools::debian_system()?;
    process::output(builder.command().args(["add", "--quiet", container]).arg(&system).arg("/"))?;
    process::output(builder.command().args(["commit", "--quiet", "--rm", container, BASE])).map(drop)
}

fn programs_start(equipment: &Equipment) -> Result<()> {
    for program in PROGRAMS {
        equipment.inside(&[program, "--version"]).with_context(|| format!("{program} does not start"))?;
    }
    Ok(())
}

/// A rule's help text is in its extension, which is a library that is looked for while the program runs.
fn extensions_are_found(equipment: &Equipment) -> Result<()> {
    for program in ["iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"] {
        for extension in ["set", "addrtype", "comment", "conntrack", "mark", "physdev"] {
            let help = equipment.inside(&[program, "-m", extension, "--help"])?;
            ensure!(help.contains("match options:"), "{program} does not know {extension}:\n{help}");
        }
        for target in ["MARK", "MASQUERADE", "REJECT"] {
            let help = equipment.inside(&[program, "-j", target, "--help"])?;
            ensure!(help.contains("target options:"), "{program} does not know {target}:\n{help}");
        }
    }
    Ok(())
}

fn what_it_lacks(equipment: &Equipment) -> Result<()> {
    for name in ["bin/sh", "usr/bin/sh", "usr/bin/bash", "usr/sbin/iptables-save", "usr/bin/apt-get"] {
        if equipment.root.join(name).symlink_metadata().is_ok() {
            bail!("/{name} is in the image");
        }
    }
    Ok(())
}
