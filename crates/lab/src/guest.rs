//! A machine with Debian's kernel, under QEMU's emulator, that runs programs of this machine.
//!
//! The guest has no disk image: it mounts this machine's root folder read-only over 9p and lays a folder in memory
//! over it, so a program in it sees the files of this machine and changes none of them. `/run` is empty and `/dev`,
//! `/proc` and `/sys` are the guest's own. Servers on this machine's loopback are reached at [`HOST_ADDRESS`].
//!
//! Emulation (not KVM, which some cloud machines offer but cannot serve) makes everything about twenty times slower
//! and works everywhere, without root.

mod initramfs;
mod kernel;
mod modules;
mod qemu;

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, io, process};

use crate::Error;
use kernel::Kernel;

/// Where a guest reaches servers that listen on this machine's loopback.
pub const HOST_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 2));

/// Where a program in the guest finds the folder given to [`GuestCommand::share`].
pub const SHARE: &str = "/run/lab";

/// Set in the environment of every program that runs in a guest.
pub const IN_GUEST: &str = "KUBE_IPVS_IN_GUEST";

/// A kernel and an initramfs, ready to boot.
#[derive(Debug)]
pub struct Guest {
    kernel: Kernel,
    initramfs: Vec<u8>,
    cache: PathBuf,
}

/// A program to run in a freshly booted guest.
#[derive(Debug)]
pub struct GuestCommand<'a> {
    guest: &'a Guest,
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    memory_mib: u32,
    processors: u32,
    counts_instructions: bool,
    share: Option<PathBuf>,
    time_limit: Duration,
}

/// How a program in the guest ended: as a shell says it, so 128 plus the signal's number if a signal ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(pub u8);

// === impl Guest ===

impl Guest {
    /// Fetches and unpacks what is not in `cache` yet (100 MB of downloads, 500 MB unpacked) and builds the initramfs.
    ///
    /// Several processes may do so at once with the same folder: the later ones wait.
    ///
    /// # Errors
    /// If a program is missing, a download fails or the folder cannot be written.
    pub fn prepare(cache: &Path) -> Result<Guest, Error> {
        if env::consts::ARCH != "x86_64" {
            return Err(Error::Architecture { found: env::consts::ARCH });
        }
        fs::create_dir_all(cache).map_err(Error::io(|| format!("create {}", cache.display())))?;
        let cache = cache.canonicalize().map_err(Error::io(|| format!("find {}", cache.display())))?;
        let path = cache.join("lock");
        let lock = File::create(&path).map_err(Error::io(|| format!("create {}", path.display())))?;
        lock.lock().map_err(Error::io(|| format!("lock {}", path.display())))?;

        let kernel = Kernel::prepare(&cache)?;
        let busybox = kernel::busybox(&cache)?;
        let initramfs = initramfs::base(&kernel, &busybox)?;
        Ok(Guest { kernel, initramfs, cache })
    }

    /// A command that runs `program` of this machine in the guest, in the current folder, with PATH and HOME as here.
    pub fn command(&self, program: impl Into<OsString>) -> GuestCommand<'_> {
        GuestCommand {
            guest: self,
            words: vec![program.into()],
            environment: Vec::new(),
            memory_mib: 2048,
            processors: 2,
            counts_instructions: false,
            share: None,
            time_limit: Duration::from_secs(600),
        }
    }
}

/// The folder used when nothing else is said: `lab` in cargo's target folder.
pub fn default_cache() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).join("target"),
        PathBuf::from,
    );
    target.join("lab")
}

// === impl GuestCommand ===

impl GuestCommand<'_> {
    /// Adds an argument.
    pub fn arg(&mut self, argument: impl Into<OsString>) -> &mut Self {
        self.words.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> &mut Self {
        self.words.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable; of this machine's environment only PATH and HOME are handed on.
    pub fn env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> &mut Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Memory in MiB, 2048 if not said. Files that the guest writes are in it, too.
    pub fn memory_mib(&mut self, memory_mib: u32) -> &mut Self {
        self.memory_mib = memory_mib;
        self
    }

    /// Number of processors, two if not said.
    pub fn processors(&mut self, processors: u32) -> &mut Self {
        self.processors = processors;
        self
    }

    /// Lets the guest's clocks count instructions, a nanosecond each, while any are executed. It has one processor
    /// then.
    pub fn counting_instructions(&mut self) -> &mut Self {
        self.counts_instructions = true;
        self.processors = 1;
        self
    }

    /// A folder of this machine that the guest may write to, mounted at [`SHARE`]. What the program writes there is
    /// on this machine at once. (Mapping a file of it into memory for writing is not possible.)
    pub fn share(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        self.share = Some(folder.into());
        self
    }

    /// How long boot and program may take together, ten minutes if not said.
    pub fn time_limit(&mut self, limit: Duration) -> &mut Self {
        self.time_limit = limit;
        self
    }

    /// Boots, runs the program and calls `on_line` with every line it writes to standard output or standard error,
    /// while it runs. The guest is gone when this returns.
    ///
    /// # Errors
    /// If the guest cannot be started, dies, or the time limit passes. A program that fails is not an error here:
    /// look at the [`ExitCode`].
    pub fn run(&self, on_line: impl FnMut(&str)) -> Result<ExitCode, Error> {
        let runs = self.guest.cache.join("runs");
        fs::create_dir_all(&runs).map_err(Error::io(|| format!("create {}", runs.display())))?;
        remove_stale(&runs);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", process::id()))
            .tempdir_in(&runs)
            .map_err(Error::io(|| format!("create a folder in {}", runs.display())))?;
        let initramfs = self.initramfs().map_err(Error::io(|| "build the initramfs"))?;
        let path = folder.path().join("initramfs");
        fs::write(&path, initramfs).map_err(Error::io(|| format!("write {}", path.display())))?;
        qemu::run(self, folder.path(), on_line)
    }

    /// The base initramfs with one more archive behind it, which holds the command: the kernel unpacks both.
    fn initramfs(&self) -> io::Result<Vec<u8>> {
        let mut all = self.guest.initramfs.clone();
        all.extend(initramfs::command(&self.script()?)?);
        Ok(all)
    }

    /// The command as a shell script.
    fn script(&self) -> io::Result<Vec<u8>> {
        let mut script = b"cd ".to_vec();
        script.extend(quoted(env::current_dir()?.as_os_str().as_bytes()));
        let inherited = ["PATH", "HOME"].iter().filter_map(|name| Some(((*name).into(), env::var_os(name)?)));
        let own = [(IN_GUEST.into(), "1".into()), ("LAB_SHARE".into(), SHARE.into())];
        for (name, value) in inherited.chain(own).chain(self.environment.iter().cloned()) {
            script.extend(b"\nexport ");
            script.extend(name.as_bytes());
            script.push(b'=');
            script.extend(quoted(value.as_bytes()));
        }
        script.extend(b"\nPATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\nexec");
        for word in &self.words {
            script.push(b' ');
            script.extend(quoted(word.as_bytes()));
        }
        script.push(b'\n');
        Ok(script)
    }
}

/// Removes the folders of runs whose process was killed before it could.
fn remove_stale(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.split_once('-').map_or(name.as_str(), |(process, _)| process);
        if !Path::new("/proc").join(process).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A word in single quotes, as a POSIX shell reads it.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

// === impl ExitCode ===

impl ExitCode {
    /// Whether the program ended with 0.
    pub fn success(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        for word in ["plain", "two words", "it's", "a\nb", "$HOME `x` \\ \"q\"", ""] {
            let script = [b"printf %s ".to_vec(), quoted(word.as_bytes())].concat();
            let script = String::from_utf8(script).unwrap();
            assert_eq!(
                crate::process::run(crate::process::command("sh").args(["-c", &script])).unwrap(),
                word
            );
        }
    }
}
