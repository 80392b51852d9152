//! Debian's kernel and busybox, fetched as packages and unpacked: nothing is installed on this machine.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::modules;
use crate::{Error, packages, process};

/// The package that always depends on the newest kernel of the Debian release, in the flavour that has 9p.
const METAPACKAGE: &str = "linux-image-amd64";

/// An unpacked kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Its version, such as `6.1.0-56-amd64`.
    pub(super) version: String,
    /// The file to boot.
    pub(super) image: PathBuf,
    /// The folder with its modules and `modules.dep`.
    pub(super) modules: PathBuf,
    cache: PathBuf,
}

/// How a kernel image is compressed within the file that boot loaders start.
struct Compression {
    magic: &'static [u8],
    program: &'static str,
}

const COMPRESSIONS: [Compression; 3] = [
    Compression { magic: b"\xfd7zXZ", program: "xz" },
    Compression { magic: b"\x28\xb5\x2f\xfd", program: "zstd" },
    Compression { magic: b"\x1f\x8b", program: "gzip" },
];

// === impl Kernel ===

impl Kernel {
    /// The kernel in `cache`, fetched if it is not there.
    pub(super) fn prepare(cache: &Path) -> Result<Kernel, Error> {
        let folder = cache.join("kernel");
        if !folder.exists() {
            let package = newest_kernel_package()?;
            let unpacked = download(cache, &package)?;
            let kernel = Kernel::in_folder(unpacked.path(), cache)?;
            kernel.index_modules()?;
            kernel.decompress()?;
            keep(unpacked, &folder)?;
        }
        Kernel::in_folder(&folder, cache)
    }

    fn in_folder(folder: &Path, cache: &Path) -> Result<Kernel, Error> {
        let bad = |path: &Path, reason: &str| Error::BadCache {
            path: path.to_owned(),
            reason: reason.to_owned(),
            cache: cache.to_owned(),
        };
        let all_modules = ["lib/modules", "usr/lib/modules"]
            .iter()
            .map(|modules| folder.join(modules))
            .find(|modules| modules.is_dir())
            .ok_or_else(|| bad(folder, "there are no kernel modules in it"))?;
        let entry = fs::read_dir(&all_modules)
            .map_err(Error::io(|| format!("list {}", all_modules.display())))?
            .flatten()
            .next()
            .ok_or_else(|| bad(&all_modules, "the folder is empty"))?;
        let version = entry.file_name().to_string_lossy().into_owned();
        let plain = folder.join("vmlinux");
        let packed = folder.join("boot").join(format!("vmlinuz-{version}"));
        let image = if plain.exists() { plain } else { packed };
        if !image.exists() {
            return Err(bad(&image, "the kernel is missing"));
        }
        Ok(Kernel { version, image, modules: entry.path(), cache: cache.to_owned() })
    }

    /// The modules needed at boot, as file names and contents, in the order to insert them.
    pub(super) fn boot_modules(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let path = self.modules.join("modules.dep");
        let dependencies =
            fs::read_to_string(&path).map_err(Error::io(|| format!("read {}", path.display())))?;
        modules::load_order(&dependencies, &modules::BOOT)
            .iter()
            .map(|file| {
                let path = self.modules.join(file);
                let base = file.rsplit('/').next().unwrap_or(file);
                match base.strip_suffix(".xz") {
                    Some(plain) => Ok((plain.to_owned(), unpack("xz", &path)?)),
                    None => {
                        let bytes =
                            fs::read(&path).map_err(Error::io(|| format!("read {}", path.display())))?;
                        Ok((base.to_owned(), bytes))
                    }
                }
            })
            .collect()
    }

    fn index_modules(&self) -> Result<(), Error> {
        let base = self.modules.ancestors().nth(3).unwrap_or(&self.modules);
        let mut depmod = process::command(packages::program("depmod")?);
        process::run(depmod.arg("-b").arg(base).arg(&self.version)).map(drop)
    }

    /// Unpacks the kernel proper beside the compressed one. QEMU starts it directly, and an emulated processor is
    /// spared two seconds of unpacking at every boot. An unknown format is left to the slow way.
    fn decompress(&self) -> Result<(), Error> {
        let image = fs::read(&self.image).map_err(Error::io(|| format!("read {}", self.image.display())))?;
        let Some(payload) = payload(&image) else {
            return Ok(());
        };
        let Some(compression) = COMPRESSIONS.iter().find(|known| payload.starts_with(known.magic)) else {
            return Ok(());
        };
        if process::find(compression.program).is_none() {
            return Ok(());
        }
        let folder = self.image.parent().and_then(Path::parent).unwrap_or(&self.cache);
        let packed = folder.join("vmlinux.packed");
        fs::write(&packed, payload).map_err(Error::io(|| format!("write {}", packed.display())))?;
        let plain = unpack(compression.program, &packed)?;
        fs::remove_file(&packed).map_err(Error::io(|| format!("remove {}", packed.display())))?;
        let path = folder.join("vmlinux");
        fs::write(&path, plain).map_err(Error::io(|| format!("write {}", path.display())))
    }
}

/// The statically linked busybox in `cache`, fetched if it is not there.
pub(super) fn busybox(cache: &Path) -> Result<Vec<u8>, Error> {
    let folder = cache.join("busybox");
    if !folder.exists() {
        keep(download(cache, "busybox-static")?, &folder)?;
    }
    let candidates = [folder.join("bin/busybox"), folder.join("usr/bin/busybox")];
    let path = candidates.iter().find(|path| path.exists()).ok_or_else(|| Error::BadCache {
        path: folder.clone(),
        reason: "there is no busybox in it".to_owned(),
        cache: cache.to_owned(),
    })?;
    fs::read(path).map_err(Error::io(|| format!("read {}", path.display())))
}

fn newest_kernel_package() -> Result<String, Error> {
    let mut depends = process::command("apt-cache");
    depends.args(["depends", "--important", METAPACKAGE]).env("LC_ALL", "C");
    let answer = process::run(&mut depends)?;
    let package = answer.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(package.unwrap_or(METAPACKAGE).to_owned())
}

/// Fetches a package and unpacks it into a folder that is deleted unless it is [kept](keep).
fn download(cache: &Path, package: &str) -> Result<tempfile::TempDir, Error> {
    let folder = || {
        tempfile::tempdir_in(cache).map_err(Error::io(|| format!("create a folder in {}", cache.display())))
    };
    let downloads = folder()?;
    let mut fetch = process::command(packages::program("apt-get")?);
    // Without this, apt warns that its own unprivileged user cannot write here.
    fetch.args(["-q", "-o", "APT::Sandbox::User=root", "download", package]).current_dir(downloads.path());
    process::run(&mut fetch)?;
    let file = fs::read_dir(downloads.path())
        .map_err(Error::io(|| format!("list {}", downloads.path().display())))?
        .flatten()
        .next()
        .ok_or_else(|| Error::BadCache {
            path: downloads.path().to_owned(),
            reason: format!("apt-get download {package} brought no file"),
            cache: cache.to_owned(),
        })?;
    let unpacked = folder()?;
    process::run(
        process::command(packages::program("dpkg")?).arg("-x").arg(file.path()).arg(unpacked.path()),
    )?;
    Ok(unpacked)
}

/// Gives a complete folder its final name, in one step: a half-filled folder never has it.
fn keep(folder: tempfile::TempDir, name: &Path) -> Result<(), Error> {
    let path = folder.keep();
    fs::rename(&path, name).map_err(Error::io(|| format!("rename {} to {}", path.display(), name.display())))
}

/// What a decompressor makes of a file.
fn unpack(program: &str, file: &Path) -> Result<Vec<u8>, Error> {
    let input = File::open(file).map_err(Error::io(|| format!("open {}", file.display())))?;
    let mut command = process::command(packages::program(program)?);
    command.arg("-dc").stdin(input).stderr(Stdio::piped());
    let output =
        command.output().map_err(|source| Error::Start { program: process::show(&command), source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let mut complaint = output.stderr;
    let _ = write!(complaint, " ({})", file.display());
    Err(Error::Program {
        program: process::show(&command),
        status: output.status,
        output: String::from_utf8_lossy(&complaint).into_owned(),
    })
}

/// The compressed kernel within a bzImage, by the header that Linux' `Documentation/x86/boot.rst` describes. The
/// payload's last four bytes are its unpacked size.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let u32_at = |at: usize| -> Option<usize> {
        let bytes = image.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let setup_sectors = match *image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (setup_sectors + 1).checked_mul(512)?.checked_add(u32_at(0x248)?)?;
    let end = start.checked_add(u32_at(0x24c)?)?.checked_sub(4)?;
    image.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn the_payload_of_a_boot_image_is_found_and_a_broken_header_is_not_trusted() {
        let mut image = vec![0_u8; 1536];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&8_u32.to_le_bytes());
        image[1040..1044].copy_from_slice(b"abcd");
        assert_eq!(payload(&image), Some(&b"abcd"[..]));

        image[0x24c..0x250].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(payload(&image), None);
        assert_eq!(payload(b"not a kernel"), None);
    }
}
