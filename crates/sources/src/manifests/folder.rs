//! The whole folder: what its files hold together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use model::{Change, Kind, ObjectKey, Problem};

use super::file::{self, Contents, Unreadable};
use super::snapshot::{self, Look, Trust};
use crate::decode::{Decoded, Outcome};
use crate::told::Told;

/// A folder, what its files held when they were last read, and what was told of it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    files: BTreeMap<OsString, File>,
    told: [Told; Kind::ALL.len()],
    told_problems: BTreeSet<Problem>,
}

#[derive(Debug)]
struct File {
    look: Look,
    /// The last good content.
    contents: Contents,
    /// Why the present content is not the one in force.
    unreadable: Option<Problem>,
}

// === impl Folder ===

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Folder {
            path: path.to_owned(),
            files: BTreeMap::new(),
            told: Kind::ALL.map(Told::new),
            told_problems: BTreeSet::new(),
        }
    }

    /// Reads what has changed since the last look, and says what follows from it. Fails without consequences
    /// if the folder cannot be listed.
    pub(super) fn look(&mut self, trust: &Trust) -> io::Result<Vec<Change>> {
        let snapshot = snapshot::take(&self.path)?;
        let mut changed = false;
        let known = self.files.len();
        self.files.retain(|name, _| snapshot.contains_key(name));
        changed |= self.files.len() != known;
        for (name, look) in snapshot {
            let unchanged = self.files.get(&name).is_some_and(|file| file.look == look);
            if !unchanged && look.is_complete(&name, trust) {
                self.read(name, look);
                changed = true;
            }
        }
        Ok(if changed { self.tell() } else { Vec::new() })
    }

    fn read(&mut self, name: OsString, look: Look) {
        let path = self.path.join(&name);
        let before = self.files.remove(&name).map(|file| file.contents).unwrap_or_default();
        let read = match &look {
            Look::File(_) => file::read(&path, &before),
            Look::Odd(reason) => Err(Unreadable::Io(io::Error::other(reason.clone()))),
        };
        let file = match read {
            Ok(contents) => File { look, contents, unreadable: None },
            Err(error) => File { look, contents: before, unreadable: Some(unreadable(&name, &error)) },
        };
        self.files.insert(name, file);
    }

    /// Compares what the files say together with what was told before.
    fn tell(&mut self) -> Vec<Change> {
        let mut owners: HashMap<(Kind, &ObjectKey), &OsStr> = HashMap::new();
        let mut problems = BTreeSet::new();
        let mut changes = Vec::new();
        self.told.iter_mut().for_each(Told::begin_listing);
        for (name, file) in &self.files {
            problems.extend(file.unreadable.clone());
            problems.extend(file.contents.problems.iter().map(|problem| in_file(name, problem)));
            for ((kind, key), object) in &file.contents.objects {
                if let Some(owner) = owners.get(&(*kind, key)) {
                    let reason = format!("also in {}, which wins", owner.display());
                    problems.insert(in_file(name, &Problem::new(object.subject(), reason)));
                    continue;
                }
                owners.insert((*kind, key), name);
                for told in self.told.iter_mut().filter(|told| told.kind() == *kind) {
                    let outcome = Outcome::Object(Box::new(object.clone()));
                    changes.extend(told.tell(Decoded { outcome, problems: Vec::new() }));
                }
            }
        }
        changes.extend(self.told.iter_mut().flat_map(Told::end_listing));
        let new: Vec<Change> =
            problems.difference(&self.told_problems).cloned().map(Change::Problem).collect();
        self.told_problems = problems;
        changes.splice(0..0, new);
        changes
    }
}

fn in_file(name: &OsStr, problem: &Problem) -> Problem {
    Problem::new(format_args!("{}: {}", name.display(), problem.subject), &problem.reason)
}

fn unreadable(name: &OsStr, error: &Unreadable) -> Problem {
    let subject = match error.line() {
        Some(line) => format!("{}:{line}", name.display()),
        None => name.display().to_string(),
    };
    Problem::new(subject, format_args!("{error}; what the file held before, if anything, stays in force"))
}
