//! The guest's first root folder: busybox, the modules that reach this machine's files, and a script that moves there.

use std::io::{self, Cursor};

use cpio::NewcBuilder;

use super::kernel::Kernel;
use super::modules;
use crate::Error;

const INIT: &str = include_str!("init.sh");
const ENTER: &str = include_str!("enter.sh");

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;

/// One entry of an archive: path, mode, content.
type Entry = (String, u32, Vec<u8>);

/// The part that every guest shares.
pub(super) fn base(kernel: &Kernel, busybox: &[u8]) -> Result<Vec<u8>, Error> {
    let boot = kernel.boot_modules()?;
    let order: String = boot.iter().map(|(name, _)| format!("{name}\n")).collect();
    let settings =
        format!("MODULES_FOLDER='{}'\nMODULES='{}'\n", kernel.modules.display(), modules::LAB.join(" "));

    let mut entries: Vec<Entry> = ["bin", "dev", "proc", "host", "memory", "root", "modules"]
        .map(|folder| (folder.to_owned(), FOLDER, Vec::new()))
        .into();
    entries.push(("init".to_owned(), PROGRAM, INIT.into()));
    entries.push(("enter".to_owned(), PROGRAM, ENTER.into()));
    entries.push(("settings".to_owned(), FILE, settings.into()));
    entries.push(("bin/busybox".to_owned(), PROGRAM, busybox.to_vec()));
    entries.push(("modules/order".to_owned(), FILE, order.into()));
    entries.extend(boot.into_iter().map(|(name, bytes)| (format!("modules/{name}"), FILE, bytes)));
    archive(entries).map_err(Error::io(|| "build the initramfs"))
}

/// The part of one run: the command as a shell script.
pub(super) fn command(script: &[u8]) -> io::Result<Vec<u8>> {
    archive(vec![("command".to_owned(), FILE, script.to_vec())])
}

fn archive(entries: Vec<Entry>) -> io::Result<Vec<u8>> {
    let inputs = entries
        .into_iter()
        .map(|(path, mode, content)| (NewcBuilder::new(&path).mode(mode), Cursor::new(content)));
    let mut bytes = cpio::write_cpio(inputs, Vec::new())?;
    // An archive that follows has to start on a four-byte boundary; zeros between archives are skipped.
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}
