//! What cargo builds, and where it puts it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::process;

/// Something that can be run.
#[derive(Debug)]
pub(crate) struct Executable {
    /// The target's name: that of the crate, the binary or the file in `tests/`.
    pub(crate) name: String,
    /// The source file it starts with.
    pub(crate) source: PathBuf,
    /// The folder of its package, which is where tests run.
    pub(crate) package: PathBuf,
    pub(crate) file: PathBuf,
    /// Whether libtest's harness is in it.
    pub(crate) is_test: bool,
}

/// One of cargo's messages, see `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    profile: Option<Profile>,
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

// === impl Executable ===

impl Executable {
    /// A name that is unique in the workspace: the package's folder, and the target's name if it is not the library.
    pub(crate) fn label(&self) -> String {
        let package = self.package.file_name().unwrap_or_default().to_string_lossy();
        let folder = self.source.parent().and_then(Path::file_name).unwrap_or_default();
        let file = self.source.file_name().unwrap_or_default();
        if folder == "src" && file == "lib.rs" {
            return package.into_owned();
        }
        let kind = if folder == "tests" { "tests" } else { "bin" };
        format!("{package}/{kind}/{}", self.name)
    }
}

/// Cargo in the workspace's folder.
pub(crate) fn command() -> Command {
    let mut cargo = process::command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

/// The workspace's folder.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo's target folder.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), |folder| workspace().join(folder))
}

/// An empty folder for what a command of xtask writes.
pub(crate) fn fresh_folder(name: &str) -> Result<PathBuf> {
    let folder = target_folder().join("xtask").join(name);
    make_empty(&folder)?;
    Ok(folder)
}

/// Makes a folder, without what was in it.
pub(crate) fn make_empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Runs cargo with the arguments of a build and returns what it built that can be run.
pub(crate) fn build(arguments: &[&str]) -> Result<Vec<Executable>> {
    let mut executables = Vec::new();
    let mut cargo = command();
    cargo.args(arguments).arg("--message-format=json-render-diagnostics");
    let status = process::lines(&mut cargo, |line| executables.extend(executable(line)))?;
    if !status.success() {
        bail!("cargo {} failed ({status})", arguments.join(" "));
    }
    Ok(executables)
}

/// Builds one binary and returns its path.
pub(crate) fn build_binary(package: &str, binary: &str) -> Result<PathBuf> {
    built_binary(&["build", "--package", package, "--bin", binary], package, binary)
}

/// The same as it is delivered: optimised.
pub(crate) fn build_release_binary(package: &str, binary: &str) -> Result<PathBuf> {
    built_binary(&["build", "--release", "--package", package, "--bin", binary], package, binary)
}

fn built_binary(arguments: &[&str], package: &str, binary: &str) -> Result<PathBuf> {
    build(arguments)?
        .into_iter()
        .find(|built| built.name == binary)
        .map(|built| built.file)
        .with_context(|| format!("cargo built {package} without naming the binary {binary}"))
}

fn executable(line: &str) -> Option<Executable> {
    let message: Message = serde_json::from_str(line).ok()?;
    if message.reason != "compiler-artifact" {
        return None;
    }
    let target = message.target?;
    Some(Executable {
        name: target.name,
        source: target.src_path,
        package: message.manifest_path?.parent()?.to_owned(),
        file: message.executable?,
        is_test: message.profile?.test,
    })
}
