//! A file that cannot be read for a moment. A process has one limit of open files, so this has a process of its own.

use std::fs;
use std::time::Duration;

use model::Change;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sources::manifests::{Options, watch};

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n\
                       spec: {clusterIP: 10.0.0.1, ports: [{port: 80}]}\n";

#[test]
fn a_file_that_could_not_be_read_is_read_later() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { debounce: Duration::from_millis(20), poll: Duration::from_millis(200) };
    let mut changes = watch(folder.path(), options).unwrap();
    fs::write(folder.path().join("unfinished"), SERVICE).unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 0, hard).unwrap();
    fs::rename(folder.path().join("unfinished"), folder.path().join("a.yaml")).unwrap();
    let mut next = || changes.blocking_recv().unwrap();
    let problem = loop {
        if let Change::Problem(problem) = next()
            && problem.subject == "a.yaml"
        {
            break problem.to_string();
        }
    };
    assert!(problem.contains("Too many open files"), "{problem}");
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    while !matches!(next(), Change::ServiceApplied(service) if &*service.key.name == "a") {}
}
