//! The Debian package, by debhelper from `deploy/debian`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{cargo, process};

/// Builds the package of a program in an empty folder and returns the path of the package.
pub(crate) fn build(binary: &Path, folder: &Path) -> Result<PathBuf> {
    let source = folder.join("source");
    copy_folder(&cargo::workspace().join("deploy/debian"), &source.join("debian"))?;
    fs::rename(source.join("debian/config.conf"), source.join("config.conf"))?;
    fs::copy(binary, source.join("kube-ipvs"))
        .with_context(|| format!("cannot copy {}", binary.display()))?;
    fs::write(source.join("debian/changelog"), changelog())?;
    let mut build = process::command("dpkg-buildpackage");
    build.args(["--build=binary", "--no-sign", "--no-pre-clean", "--post-clean"]).current_dir(&source);
    process::output(build.env("DEB_BUILD_OPTIONS", "noautodbgsym nocheck"))?;
    find_package(folder)
}

/// Debian's change log carries the version; the changes themselves are in `CHANGELOG.md`.
fn changelog() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "kube-ipvs ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md of this version.\n\n \
         -- The kube-ipvs authors <kube-ipvs@kube-ipvs.invalid>  Mon, 23 Nov 2026 12:00:00 +0000\n"
    )
}

fn find_package(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("dpkg-buildpackage left no package in {}", folder.display()))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        let copy = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &copy)?;
        } else {
            fs::copy(&path, &copy).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}
