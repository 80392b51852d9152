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
fn a_written_file_is_noticed_and_the_same_again_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.conf");
    fs::write(&path, "one").unwrap();
    let changes = followed(&path);
    assert_eq!(changes.recv_timeout(LONG).unwrap(), "one");
    fs::write(&path, "one").unwrap();
    fs::write(folder.path().join("other"), "x").unwrap();
    fs::write(&path, "two").unwrap();
    assert_eq!(changes.recv_timeout(LONG).unwrap(), "two");
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
