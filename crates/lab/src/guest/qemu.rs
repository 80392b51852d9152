//! Starts QEMU, reads what the program in the guest writes, and ends QEMU in any case.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use super::{ExitCode, GuestCommand};
use crate::{Error, packages, process};

/// How much of the guest's console an error quotes.
const LAST_LINES: usize = 25;

/// What `enter.sh` writes behind the program's output.
const END: &str = "\u{1e}exit ";

/// A running QEMU. It is killed when this is dropped.
struct Qemu(Child);

/// What arrives from the guest.
enum Event {
    Line(String),
    Exit(ExitCode),
}

/// Boots a guest whose initramfs is in `folder`, runs its command and hands on its lines.
pub(super) fn run(
    command: &GuestCommand<'_>,
    folder: &Path,
    mut on_line: impl FnMut(&str),
) -> Result<ExitCode, Error> {
    let deadline = Instant::now() + command.time_limit;
    let mut qemu = Qemu::start(command, folder)?;
    let (sender, receiver) = mpsc::channel();
    let output = qemu.0.stdout.take();
    let reader = thread::spawn(move || {
        if let Some(output) = output {
            read_events(output, |event| sender.send(event).is_ok());
        }
    });
    let answer = loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Line(line)) => on_line(&line),
            Ok(Event::Exit(code)) => break Ok(code),
            Err(RecvTimeoutError::Timeout) => {
                break Err(Error::GuestTimeout { limit: command.time_limit, console: last_words(folder) });
            }
            Err(RecvTimeoutError::Disconnected) => {
                break Err(Error::GuestDied { console: last_words(folder) });
            }
        }
    };
    drop(qemu);
    let _ = reader.join();
    answer
}

// === impl Qemu ===

impl Qemu {
    fn start(command: &GuestCommand<'_>, folder: &Path) -> Result<Qemu, Error> {
        let path = folder.join("qemu.log");
        let complaints = File::create(&path).map_err(Error::io(|| format!("create {}", path.display())))?;
        // The kernel kills QEMU when this process is killed and cannot do so itself.
        let mut qemu = process::command(packages::program("setpriv")?);
        qemu.args(["--pdeathsig", "KILL", "--"])
            .arg(packages::program("qemu-system-x86_64")?)
            .args(arguments(command, folder))
            // QEMU takes the end of its input for the end of the port's other side, so there has to be one.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints);
        let child = qemu.spawn().map_err(|source| Error::Start { program: process::show(&qemu), source })?;
        Ok(Qemu(child))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn arguments(command: &GuestCommand<'_>, folder: &Path) -> Vec<OsString> {
    let kernel = &command.guest.kernel;
    // Emulated clocks cost an exit from emulation each time they are read, the processor's counter does not.
    let mut boot = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check".to_owned();
    if command.share.is_some() {
        boot.push_str(" lab.share");
    }
    let mut words: Vec<OsString> = [
        "-cpu",
        "max",
        "-machine",
        "pc",
        "-no-reboot",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-nic",
        "user,model=virtio-net-pci",
        "-device",
        "virtio-serial-pci",
        "-chardev",
        "stdio,id=output,signal=off",
        "-device",
        "virtserialport,chardev=output,name=lab.output",
        "-fsdev",
        "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device",
        "virtio-9p-pci,fsdev=host,mount_tag=host",
    ]
    .map(OsString::from)
    .into();
    // In step with its instructions, a guest can only have one thread of emulation.
    let accelerator: &[&str] = match command.counts_instructions {
        true => &["-accel", "tcg,thread=single", "-icount", "shift=0"],
        false => &["-accel", "tcg,thread=multi"],
    };
    words.extend(accelerator.iter().map(OsString::from));
    words.extend(["-smp".into(), command.processors.to_string().into()]);
    words.extend(["-m".into(), command.memory_mib.to_string().into()]);
    words.extend(["-kernel".into(), kernel.image.clone().into()]);
    words.extend(["-initrd".into(), folder.join("initramfs").into()]);
    words.extend(["-append".into(), boot.into()]);
    words.extend(["-serial".into(), option("file:", &folder.join("console.log"), "")]);
    if let Some(share) = &command.share {
        words.extend([
            "-fsdev".into(),
            option("local,id=share,path=", share, ",security_model=none,multidevs=remap"),
        ]);
        words.extend(["-device".into(), "virtio-9p-pci,fsdev=share,mount_tag=share".into()]);
    }
    words
}

/// One of QEMU's options with a path in it, in which a comma is written twice.
fn option(before: &str, path: &Path, after: &str) -> OsString {
    let path = path.to_string_lossy().replace(',', ",,");
    format!("{before}{path}{after}").into()
}

/// Splits what comes through the port into lines until the mark of the end; `deliver` says whether to go on.
fn read_events(output: impl Read, mut deliver: impl FnMut(Event) -> bool) {
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    while matches!(output.read_until(b'\n', &mut bytes), Ok(1..)) {
        let text = String::from_utf8_lossy(&bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        // A program that does not end its last line has the mark behind it on the same line.
        let end = line.split_once(END).and_then(|(rest, code)| Some((rest, code.parse().ok()?)));
        let (line, code) = end.map_or((line, None), |(rest, code)| (rest, Some(code)));
        if (code.is_none() || !line.is_empty()) && !deliver(Event::Line(line.to_owned())) {
            return;
        }
        if let Some(code) = code {
            deliver(Event::Exit(ExitCode(code)));
            return;
        }
        bytes.clear();
    }
}

/// The end of the guest's console, and QEMU's own complaints.
fn last_words(folder: &Path) -> String {
    let text = |file: &str| {
        let bytes = fs::read(folder.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let all = text("console.log") + &text("qemu.log");
    let lines: Vec<&str> = all.lines().filter(|line| !line.trim().is_empty()).collect();
    let (_, last) = lines.split_at(lines.len().saturating_sub(LAST_LINES));
    last.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Event, read_events};

    fn check(output: &str, expect: &[&str]) {
        let mut seen = Vec::new();
        read_events(output.as_bytes(), |event| {
            seen.push(match event {
                Event::Line(line) => line,
                Event::Exit(code) => format!("exit code {}", code.0),
            });
            true
        });
        assert_eq!(seen, expect);
    }

    #[test]
    fn output_and_exit_code_are_told_apart() {
        check("a\n\nb\n\u{1e}exit 3\n", &["a", "", "b", "exit code 3"]);
        check("unfinished\u{1e}exit 0\n", &["unfinished", "exit code 0"]);
        check("cut", &["cut"]);
        check("\u{1e}exit nonsense\n\u{1e}exit 7\n", &["\u{1e}exit nonsense", "exit code 7"]);
    }
}
