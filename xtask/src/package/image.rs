//! The container image, by an existing builder from `deploy/image/Containerfile`.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, process};

/// A program that builds images.
pub(crate) struct Builder {
    program: &'static str,
    /// Its options before the command.
    options: Vec<OsString>,
}

// === impl Builder ===

impl Builder {
    /// The one that is installed, with its own settings.
    pub(crate) fn find() -> Result<Builder> {
        for program in ["buildah", "podman"] {
            if process::output(process::command(program).arg("--version")).is_ok() {
                return Ok(Builder { program, options: Vec::new() });
            }
        }
        bail!("neither buildah nor podman is installed");
    }

    /// Buildah with everything that it keeps in `folder`, and in no need of anything from the kernel but `chroot`.
    pub(crate) fn confined_to(folder: &Path) -> Builder {
        let mut options: Vec<OsString> = vec!["--storage-driver".into(), "vfs".into()];
        for (option, name) in [("--root", "images"), ("--runroot", "run")] {
            options.extend([option.into(), folder.join(name).into()]);
        }
        Builder { program: "buildah", options }
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = process::command(self.program);
        command.args(&self.options);
        // Only buildah reads this; it is then a matter of chroot alone.
        if !self.options.is_empty() {
            command.env("BUILDAH_ISOLATION", "chroot");
        }
        command
    }
}

/// Builds the image of a program and returns its name.
pub(crate) fn build(builder: &Builder, binary: &Path, folder: &Path, base: Option<&str>) -> Result<String> {
    let context = folder.join("context");
    fs::create_dir_all(&context).with_context(|| format!("cannot create {}", context.display()))?;
    fs::copy(binary, context.join("kube-ipvs"))
        .with_context(|| format!("cannot copy {}", binary.display()))?;
    let name = format!("localhost/kube-ipvs:{}", env!("CARGO_PKG_VERSION"));
    let mut build = builder.command();
    build.args(["build", "--network", "host", "--tag", &name, "--file"]);
    build.arg(cargo::workspace().join("deploy/image/Containerfile"));
    if let Some(base) = base {
        build.args(["--build-arg", &format!("BASE={base}")]);
    }
    process::output(build.arg(&context))?;
    Ok(name)
}
