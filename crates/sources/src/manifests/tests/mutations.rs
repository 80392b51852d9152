//! Folders with files that are broken in every way.

use std::fs;

use model::{Change, Problem};
use proptest::prelude::*;

use super::{load_text, service};
use crate::decode::tests::mutations;
use crate::manifests::load;

/// What a folder holds: problems and names of Services.
fn read(files: &[(&str, &[u8])]) -> (Vec<Problem>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut problems = Vec::new();
    let mut services = Vec::new();
    for change in load(folder.path()).unwrap() {
        match change {
            Change::Problem(problem) => problems.push(problem),
            Change::ServiceApplied(service) => services.push(service.key.to_string()),
            _ => (),
        }
    }
    (problems, services)
}

#[test]
fn each_malformed_object_is_named_and_costs_no_other() {
    let mutations = mutations::all();
    let documents: Vec<String> = mutations.iter().map(|mutation| mutation.object.to_string()).collect();
    let broken = documents.join("\n---\n");
    let good = service("good", "10.0.0.1");
    let inside = format!("{}---\n{broken}", service("first", "10.0.0.2"));
    let (problems, services) = read(&[("broken.yaml", inside.as_bytes()), ("good.yaml", good.as_bytes())]);
    assert!(services.contains(&"default/good".to_owned()) && services.contains(&"default/first".to_owned()));
    for mutation in mutations.iter().filter(|m| !matches!(m.pointer.as_str(), "/metadata" | "/metadata/name"))
    {
        let named = problems.iter().any(|problem| {
            problem.subject.ends_with(&format!("/{}", mutation.name))
                || problem.subject.ends_with(&format!("Node {}", mutation.name))
        });
        assert!(named, "{} of {}", mutation.pointer, mutation.object);
    }
}

#[test]
fn a_file_that_is_cut_anywhere() {
    let whole = format!("{}---\n{}", service("a", "10.0.0.1"), service("b", "10.0.0.2"));
    let good = service("good", "10.0.0.3");
    for length in 0..whole.len() {
        let cut = whole.get(..length).unwrap();
        let (problems, services) = read(&[("cut.yaml", cut.as_bytes()), ("good.yaml", good.as_bytes())]);
        assert!(services.contains(&"default/good".to_owned()), "{length}");
        assert!(problems.iter().all(|problem| problem.subject.starts_with("cut.yaml")), "{problems:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "[ -~\\n]{0,200}|\\PC{0,100}") {
        for name in ["any.yaml", "any.json"] {
            read(&[(name, text.as_bytes())]);
        }
    }

    /// Characters that mean something to YAML, so that more than the first line is read.
    #[test]
    fn any_yaml(text in "([a-c]|[-:?,&*!|>'\"%@`{}#\\[\\]]|[ \\n]|<<|---|: |- ){0,80}") {
        read(&[("any.yaml", text.as_bytes())]);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["any.yaml", "any.json"] {
            read(&[(name, &bytes)]);
        }
    }

    /// A good file with some bytes replaced does not touch its neighbour.
    #[test]
    fn any_damage(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = service("a", "10.0.0.1").into_bytes();
        for (index, byte) in edits {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let good = service("good", "10.0.0.3");
        let (_, services) = read(&[("damaged.yaml", &bytes), ("good.yaml", good.as_bytes())]);
        prop_assert!(services.contains(&"default/good".to_owned()));
    }
}

/// A file of a megabyte in which nothing is wrong is no problem.
#[test]
fn a_large_file() {
    let folder = tempfile::tempdir().unwrap();
    let services: Vec<String> = (0..8000).map(|i| service(&format!("s{i}"), "10.0.0.1")).collect();
    fs::write(folder.path().join("large.yaml"), services.join("---\n")).unwrap();
    assert_eq!(load_text(folder.path()).matches("+ Service").count(), 8000);
}
