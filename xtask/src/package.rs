//! `cargo xtask package`: what is installed, built from the release binary.

pub(crate) mod debian;
pub(crate) mod image;

use std::process::ExitCode;

use anyhow::Result;

use crate::{cargo, progress};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to build
    #[arg(value_enum)]
    what: What,
    /// The image to take packages from, in the place of Debian's own
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// A Debian package with a systemd unit; needs debhelper and help2man
    Deb,
    /// A container image; needs buildah or podman
    Image,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    progress::step("build the program");
    let binary = cargo::build_release_binary("proxy", "kube-ipvs")?;
    let result = match arguments.what {
        What::Deb => debian::build(&binary, &cargo::fresh_folder("deb")?)?.display().to_string(),
        What::Image => {
            let builder = image::Builder::find()?;
            image::build(&builder, &binary, &cargo::fresh_folder("image")?, arguments.base.as_deref())?
        }
    };
    println!("{result}");
    Ok(ExitCode::SUCCESS)
}
