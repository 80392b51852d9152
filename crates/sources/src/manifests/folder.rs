//! The whole folder: what its files hold together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::{Change, Kind, ObjectKey, Problem};

use super::file::{self, Contents, Unreadable};
use super::snapshot::{self, Changed, Look, Trust};
use crate::decode::{Decoded, Object, Outcome};
use crate::pool::Pool;
use crate::told::Told;

/// An object, wherever it stands.
type Id = (Kind, ObjectKey);

/// A folder, what its files held when they were last read, and what was told of it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    files: BTreeMap<OsString, File>,
    /// The files that hold an object; the first by name is in force.
    holders: HashMap<Id, BTreeSet<OsString>>,
    /// The objects that several files hold.
    shared: BTreeSet<Id>,
    told: [Told; Kind::ALL.len()],
    pool: Pool,
    told_problems: BTreeSet<Problem>,
}

#[derive(Debug)]
struct File {
    look: Look,
    /// The last good content.
    contents: Contents,
    /// Why the present content is not the one in force.
    unreadable: Option<Problem>,
    /// Whether the kernel did not let it be read, which may be different next time although the file is the same.
    is_refused: bool,
}

// === impl Folder ===

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Folder {
            path: path.to_owned(),
            files: BTreeMap::new(),
            holders: HashMap::new(),
            shared: BTreeSet::new(),
            told: Kind::ALL.map(Told::new),
            pool: Pool::default(),
            told_problems: BTreeSet::new(),
        }
    }

    /// Reads what has changed since the last look, and says what follows from it. If the names of the changed
    /// files are known only these are looked at. Fails without consequences if the folder cannot be listed.
    pub(super) fn look(&mut self, trust: &Trust) -> io::Result<Vec<Change>> {
        let looks: Vec<(OsString, Option<Look>)> = match &trust.changed {
            Changed::Named(names) => {
                // Files that went with their folder are not taken for removed.
                fs::metadata(&self.path)?;
                names.iter().map(|name| (name.clone(), snapshot::look_at(&self.path, name))).collect()
            }
            Changed::Unknown | Changed::Everything => {
                let mut snapshot = snapshot::take(&self.path)?;
                let known: Vec<OsString> = self.files.keys().cloned().collect();
                let known = known.into_iter().map(|name| (name.clone(), snapshot.remove(&name)));
                let known: Vec<_> = known.collect();
                known.into_iter().chain(snapshot.into_iter().map(|(name, look)| (name, Some(look)))).collect()
            }
        };
        let mut touched = BTreeSet::new();
        let mut changed = false;
        for (name, look) in looks {
            let known = self.files.get(&name).filter(|file| !file.is_refused).map(|file| &file.look);
            let to_read = look.as_ref().is_none_or(|look| look.is_complete(&name, trust));
            if known != look.as_ref() && to_read {
                self.replace(name, look, &mut touched);
                changed = true;
            }
        }
        Ok(if changed { self.tell(touched) } else { Vec::new() })
    }

    /// Reads a file again, or forgets one that is gone, and notes the objects of which it holds another
    /// version now.
    fn replace(&mut self, name: OsString, look: Option<Look>, touched: &mut BTreeSet<Id>) {
        let before = self.files.remove(&name).map(|file| file.contents).unwrap_or_default();
        for id in before.objects.keys() {
            self.drop_holder(id, &name);
        }
        touched.extend(before.objects.keys().cloned());
        let Some(look) = look else { return };
        let file = self.read(&name, look, before);
        for id in file.contents.objects.keys() {
            let holders = self.holders.entry(id.clone()).or_default();
            holders.insert(name.clone());
            if holders.len() > 1 {
                self.shared.insert(id.clone());
            }
        }
        touched.extend(file.contents.objects.keys().cloned());
        self.files.insert(name, file);
    }

    fn read(&mut self, name: &OsStr, look: Look, before: Contents) -> File {
        let path = self.path.join(name);
        let read = match &look {
            Look::File(_) => file::read(&path, &before, &mut self.pool),
            Look::Odd(reason) => Err(Unreadable::Io(io::Error::other(reason.clone()))),
        };
        match read {
            Ok(contents) => File { look, contents, unreadable: None, is_refused: false },
            Err(error) => File {
                is_refused: matches!((&look, &error), (Look::File(_), Unreadable::Io(_))),
                look,
                contents: before,
                unreadable: Some(unreadable(name, &error)),
            },
        }
    }

    fn drop_holder(&mut self, id: &Id, name: &OsStr) {
        let Some(holders) = self.holders.get_mut(id) else { return };
        holders.remove(name);
        if holders.len() < 2 {
            self.shared.remove(id);
        }
        if holders.is_empty() {
            self.holders.remove(id);
        }
    }

    /// Compares the touched objects with what was told of them before.
    fn tell(&mut self, touched: BTreeSet<Id>) -> Vec<Change> {
        let problems = self.problems();
        let new = problems.difference(&self.told_problems).cloned().map(Change::Problem);
        let mut changes: Vec<Change> = new.collect();
        self.told_problems = problems;
        for id in touched {
            let object = self.in_force(&id).cloned();
            let (kind, key) = id;
            let Some(told) = self.told.iter_mut().find(|told| told.kind() == kind) else { continue };
            match object {
                Some(object) => {
                    let outcome = Outcome::Object(Box::new(object));
                    changes.extend(told.tell(Decoded { outcome, problems: Vec::new() }));
                }
                None => changes.extend(told.remove(key)),
            }
        }
        changes
    }

    fn in_force(&self, id: &Id) -> Option<&Object> {
        let name = self.holders.get(id)?.first()?;
        self.files.get(name)?.contents.objects.get(id)
    }

    /// Everything that is wrong with the files now.
    fn problems(&self) -> BTreeSet<Problem> {
        let mut problems = BTreeSet::new();
        for (name, file) in &self.files {
            problems.extend(file.unreadable.clone());
            problems.extend(file.contents.problems.iter().map(|problem| in_file(name, problem)));
        }
        for id in &self.shared {
            let mut holders = self.holders.get(id).into_iter().flatten();
            let Some(winner) = holders.next() else { continue };
            for loser in holders {
                let object = self.files.get(loser).and_then(|file| file.contents.objects.get(id));
                let reason = format!("also in {}, which wins", winner.display());
                problems.extend(object.map(|object| in_file(loser, &Problem::new(object.subject(), reason))));
            }
        }
        problems
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
