//! Network namespaces, each a small machine of its own as far as the network goes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::{Error, packages, process};

/// Where `ip netns` keeps namespaces.
const FOLDER: &str = "/run/netns";

/// A named network namespace, as `ip netns add` makes it. If it was created here, it is removed when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: Arc<File>,
    is_ours: bool,
}

// === impl Namespace ===

impl Namespace {
    /// Creates a namespace whose loopback is up and whose IPv6 addresses can be used at once.
    ///
    /// # Errors
    /// If the name is taken, or this is not root.
    pub fn create(name: impl Into<String>) -> Result<Namespace, Error> {
        let namespace = Namespace::create_quiet(&name.into())?;
        namespace.ip(["link set lo up"])?;
        Ok(namespace)
    }

    /// The same with the loopback still down, for whoever calls `ip` next anyway: no process is started.
    pub(crate) fn create_quiet(name: &str) -> Result<Namespace, Error> {
        share_folder().map_err(Error::io(|| format!("make {FOLDER} a place for namespaces")))?;
        let path = path(name);
        let failed = || format!("create the namespace {name}");
        File::create_new(&path).map_err(Error::io(failed))?;
        let make = || -> io::Result<()> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            for scope in ["all", "default"] {
                // Duplicate address detection keeps an address unusable for a second or two.
                fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/accept_dad"), "0")?;
                // A namespace inherits this from the machine, which may drop what comes in on another way than the
                // answer would leave on.
                fs::write(format!("/proc/sys/net/ipv4/conf/{scope}/rp_filter"), "0")?;
            }
            Ok(())
        };
        let made = thread::scope(|scope| {
            scope.spawn(make).join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        });
        if let Err(error) = made {
            remove(name);
            return Err(Error::io(failed)(error));
        }
        let mut namespace = Namespace::open(name)?;
        namespace.is_ours = true;
        Ok(namespace)
    }

    /// A namespace that somebody else has created.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn open(name: &str) -> Result<Namespace, Error> {
        let path = path(name);
        let file = File::open(&path).map_err(Error::io(|| format!("open {}", path.display())))?;
        Ok(Namespace { name: name.to_owned(), file: Arc::new(file), is_ours: false })
    }

    /// The name for `ip netns exec`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does something in the namespace, on a thread that enters it and ends. Sockets opened there stay there.
    ///
    /// # Errors
    /// If the namespace cannot be entered.
    ///
    /// # Panics
    /// If `work` does.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| enter(&self.name, &self.file).map(|()| work()));
            worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    /// Starts a thread that lives in the namespace.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<Result<T, Error>> {
        let (name, file) = (self.name.clone(), Arc::clone(&self.file));
        thread::spawn(move || enter(&name, &file).map(|()| work()))
    }

    /// A program to be started in the namespace, with `/sys` of the namespace.
    ///
    /// # Errors
    /// If `ip` is not installed.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command, Error> {
        let mut command = process::command(packages::program("ip")?);
        command.args(["netns", "exec", &self.name]).arg(program);
        Ok(command)
    }

    /// What a program writes to its standard output in the namespace. `/sys` stays that of this process.
    ///
    /// # Errors
    /// If it cannot be started or fails.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Result<String, Error> {
        // A process starts in the namespace of the thread that starts it, which costs a third of `ip netns exec`.
        let mut command = process::command(packages::program(program)?);
        self.run(|| process::run(command.args(arguments)))?.map_err(|error| match error {
            Error::Program { program, status, output } => {
                Error::Program { program: format!("{program} in {}", self.name), status, output }
            }
            other => other,
        })
    }

    /// Carries out commands of `ip`, such as `link set lo up`, in one process.
    ///
    /// # Errors
    /// With what `ip` said about the first that failed.
    pub fn ip<'a>(&self, commands: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
        let batch: Vec<&str> = commands.into_iter().collect();
        if batch.is_empty() {
            return Ok(());
        }
        let mut ip = process::command(packages::program("ip")?);
        ip.args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let program = format!("{} in {}", process::show(&ip), self.name);
        let mut child = ip.spawn().map_err(|source| Error::Start { program: program.clone(), source })?;
        if let Some(mut input) = child.stdin.take() {
            input
                .write_all((batch.join("\n") + "\n").as_bytes())
                .map_err(Error::io(|| "write to ip -batch"))?;
        }
        let output = child.wait_with_output().map_err(Error::io(|| "wait for ip -batch"))?;
        if output.status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        Err(Error::Program {
            program,
            status: output.status,
            output: format!("{complaint}\n{}", batch.join("\n")),
        })
    }

    /// Sets a kernel setting of the namespace, named as `sysctl` names it.
    ///
    /// # Errors
    /// If the kernel has no such setting or refuses the value.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<(), Error> {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        // What /proc/sys/net shows is the namespace of the thread that opens the file.
        self.run(|| fs::write(&path, value))?.map_err(Error::io(|| format!("set {name} to {value}")))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.is_ours {
            remove(&self.name);
        }
    }
}

/// Makes the folder of namespaces a mount that all mount namespaces share, as `ip netns add` does: else namespaces that
/// are removed live on where `ip netns exec` was in the meantime.
fn share_folder() -> io::Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    fs::create_dir_all(FOLDER)?;
    let share =
        || mount(None::<&str>, FOLDER, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    match share() {
        // It is not a mount yet.
        Err(Errno::EINVAL) => {
            mount(Some(FOLDER), FOLDER, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
            Ok(share()?)
        }
        answer => Ok(answer?),
    }
}

/// Moves this thread into a namespace.
fn enter(name: &str, file: &File) -> Result<(), Error> {
    setns(file, CloneFlags::CLONE_NEWNET)
        .map_err(|errno| Error::Io { doing: format!("enter the namespace {name}"), source: errno.into() })
}

/// Removes namespaces whose names begin with `prefix` and go on with the number of a process that is no more.
pub(crate) fn remove_stale(prefix: &str) {
    for entry in fs::read_dir(FOLDER).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            remove(&name);
        }
    }
}

fn remove(name: &str) {
    let path = path(name);
    let _ = umount2(&path, MntFlags::MNT_DETACH);
    let _ = fs::remove_file(&path);
}

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}
