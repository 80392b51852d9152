use std::os::unix::fs::symlink;
use std::sync::mpsc::Receiver;

use super::*;

/// Long enough for any machine; a failing test waits for it, a passing one does not.
const LONG: Duration = Duration::from_secs(60);

fn followed(path: &Path) -> Receiver<String> {
    let (sender, changes) = mpsc::channel();
    let read = path.to_owned();
    follow(path, move || {
        // The test is over when nobody listens.
        match sender.send(fs::read_to_string(&read).unwrap()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })
    .unwrap();
    changes
}

#[test]
fn a_written_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.conf");
    fs::write(&path, "one").unwrap();
    let changes = followed(&path);
    assert_eq!(changes.recv_timeout(LONG).unwrap(), "one");
    fs::write(&path, "two").unwrap();
    assert_eq!(changes.recv_timeout(LONG).unwrap(), "two");
}

#[test]
fn the_same_again_is_no_change_nor_is_a_file_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.conf");
    let mut file = File::at(path.clone());
    let mut is_changed_by = |content: Option<&str>| {
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        file.is_changed()
    };
    assert!(is_changed_by(Some("one")));
    assert!(!is_changed_by(Some("one")));
    assert!(!is_changed_by(None));
    assert!(!is_changed_by(Some("one")));
    assert!(is_changed_by(Some("two")));
}

#[test]
fn a_volume_of_a_config_map_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let version = |name: &str, text: &str| {
        let directory = folder.path().join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("config.conf"), text).unwrap();
        let link = folder.path().join("..data_tmp");
        symlink(name, &link).unwrap();
        fs::rename(&link, folder.path().join("..data")).unwrap();
    };
    version("..1", "one");
    let path = folder.path().join("config.conf");
    symlink("..data/config.conf", &path).unwrap();
    let changes = followed(&path);
    assert_eq!(changes.recv_timeout(LONG).unwrap(), "one");
    version("..2", "two");
    assert_eq!(changes.recv_timeout(LONG).unwrap(), "two");
    fs::remove_file(&path).unwrap();
    symlink("..1/config.conf", &path).unwrap();
    assert_eq!(changes.recv_timeout(LONG).unwrap(), "one");
}
