//! A folder that changes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use model::{Change, Kind};
use tempfile::TempDir;

use super::service;
use crate::Changes;
use crate::manifests::{Options, watch};

/// Longer than anything here takes; it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A watched folder and what a reader of its changes holds.
struct Scene {
    folder: TempDir,
    changes: Changes,
    services: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Scene {
    async fn start(files: &[(&str, &str)]) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Scene::watch(folder, |folder| folder.path().to_owned()).await
    }

    /// A file with two objects of which only the first is written anew so far.
    async fn half_written() -> (Scene, File) {
        let whole = format!("{}---\n{}", service("a", "10.0.0.1"), service("b", "10.0.0.1"));
        let scene = Scene::start(&[("a.yaml", &whole)]).await;
        let mut file = File::create(scene.path("a.yaml")).unwrap();
        file.write_all(service("a", "10.0.0.2").as_bytes()).unwrap();
        (scene, file)
    }

    /// What was told so far, up to a file that is written now, is what was there at the start.
    async fn expect_no_change(&mut self) {
        self.write("c.yaml", &service("c", "10.0.0.1"));
        while !self.services.contains_key("c") {
            self.next().await;
        }
        self.expect(&[("a", "10.0.0.1"), ("b", "10.0.0.1"), ("c", "10.0.0.1")]).await;
    }

    async fn watch(folder: TempDir, path: impl Fn(&TempDir) -> PathBuf) -> Scene {
        let options = Options { debounce: Duration::from_millis(20), poll: Duration::from_millis(200) };
        let changes = watch(&path(&folder), options).unwrap();
        let mut scene = Scene { folder, changes, services: BTreeMap::new(), problems: Vec::new() };
        while scene.next().await != Change::Synced(Kind::Node) {}
        scene
    }

    async fn next(&mut self) -> Change {
        let change = tokio::time::timeout(PATIENCE, self.changes.recv()).await.unwrap().unwrap();
        match &change {
            Change::ServiceApplied(service) => {
                let ip = service.cluster_ips.v4.unwrap().to_string();
                self.services.insert(service.key.name.to_string(), ip);
            }
            Change::ServiceRemoved(key) => {
                self.services.remove(&*key.name).unwrap();
            }
            Change::Problem(problem) => self.problems.push(problem.to_string()),
            _ => (),
        }
        change
    }

    /// Waits until the reader holds exactly these Services.
    async fn expect(&mut self, services: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> =
            services.iter().map(|(name, ip)| ((*name).to_owned(), (*ip).to_owned())).collect();
        while self.services != expected {
            self.next().await;
        }
    }

    async fn expect_problem(&mut self, text: &str) {
        while !self.problems.iter().any(|problem| problem.contains(text)) {
            self.next().await;
        }
        self.problems.clear();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }
}

#[tokio::test]
async fn files_are_added_changed_and_removed() {
    let mut scene = Scene::start(&[("a.yaml", &service("a", "10.0.0.1"))]).await;
    scene.expect(&[("a", "10.0.0.1")]).await;
    scene.write("b.yaml", &service("b", "10.0.0.2"));
    scene.expect(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]).await;
    scene.write("b.yaml", &service("b", "10.0.0.3"));
    scene.expect(&[("a", "10.0.0.1"), ("b", "10.0.0.3")]).await;
    fs::remove_file(scene.path("a.yaml")).unwrap();
    scene.expect(&[("b", "10.0.0.3")]).await;
}

#[tokio::test]
async fn an_editor_renames_its_work_over_the_file() {
    let mut scene = Scene::start(&[("a.yaml", &service("a", "10.0.0.1"))]).await;
    scene.write("a.yaml~", &service("a", "10.0.0.2"));
    fs::rename(scene.path("a.yaml~"), scene.path("a.yaml")).unwrap();
    scene.expect(&[("a", "10.0.0.2")]).await;
    fs::rename(scene.path("a.yaml"), scene.path("b.yml")).unwrap();
    scene.write("c.yaml", &service("c", "10.0.0.3"));
    scene.expect(&[("a", "10.0.0.2"), ("c", "10.0.0.3")]).await;
}

#[tokio::test]
async fn a_broken_file_changes_nothing_until_it_is_whole() {
    let mut scene = Scene::start(&[("a.yaml", &service("a", "10.0.0.1"))]).await;
    scene.write("a.yaml", "a: [");
    scene.expect_problem("a.yaml:1: ").await;
    scene.write("b.yaml", &service("b", "10.0.0.2"));
    scene.expect(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]).await;
    scene.write("a.yaml", &service("a", "10.0.0.3"));
    scene.expect(&[("a", "10.0.0.3"), ("b", "10.0.0.2")]).await;
}

#[tokio::test]
async fn a_broken_object_keeps_its_last_good_version() {
    let mut scene = Scene::start(&[("a.yaml", &service("a", "10.0.0.1"))]).await;
    let broken = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: 7\n";
    scene.write("a.yaml", &format!("{broken}---\n{}", service("b", "10.0.0.2")));
    scene.expect_problem("Service default/a: spec: ").await;
    scene.expect(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]).await;
}

#[tokio::test]
async fn a_service_that_loses_its_address_is_removed() {
    let mut scene = Scene::start(&[("a.yaml", &service("a", "10.0.0.1"))]).await;
    scene.write("b.yaml", &service("b", "10.0.0.2"));
    scene.expect(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]).await;
    scene.write("a.yaml", &service("a", "None"));
    scene.expect(&[("b", "10.0.0.2")]).await;
    let external = "apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {type: ExternalName}\n";
    scene.write("b.yaml", external);
    scene.expect(&[]).await;
}

#[tokio::test]
async fn the_other_file_takes_over() {
    let mut scene =
        Scene::start(&[("a.yaml", &service("web", "10.0.0.1")), ("b.yaml", &service("web", "10.0.0.2"))])
            .await;
    scene.expect(&[("web", "10.0.0.1")]).await;
    scene.expect_problem("b.yaml: Service default/web: also in a.yaml, which wins").await;
    fs::remove_file(scene.path("a.yaml")).unwrap();
    scene.expect(&[("web", "10.0.0.2")]).await;
}

/// Without a write there is no close either.
#[tokio::test]
async fn a_file_gets_another_name() {
    let mut scene = Scene::start(&[("a.yaml.off", &service("a", "10.0.0.1"))]).await;
    fs::hard_link(scene.path("a.yaml.off"), scene.path("a.yaml")).unwrap();
    scene.expect(&[("a", "10.0.0.1")]).await;
    fs::remove_file(scene.path("a.yaml")).unwrap();
    scene.expect(&[]).await;
    symlink("a.yaml.off", scene.path("a.yaml")).unwrap();
    scene.expect(&[("a", "10.0.0.1")]).await;
}

/// What a link leads to is in a folder that is not listened to, so only the poll can find it changed.
#[tokio::test]
async fn the_target_of_a_link_is_polled() {
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("target");
    fs::write(&target, service("a", "10.0.0.1")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    symlink(&target, folder.path().join("a.yaml")).unwrap();
    let mut scene = Scene::watch(folder, |folder| folder.path().to_owned()).await;
    scene.expect(&[("a", "10.0.0.1")]).await;
    fs::write(&target, service("a", "10.0.0.2")).unwrap();
    scene.expect(&[("a", "10.0.0.2")]).await;
}

/// Kubernetes' volumes: files are links through `..data`, which is replaced at once.
#[tokio::test]
async fn a_config_map_volume_is_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let version = |name: &str, ip: &str| {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("a.yaml"), service("a", ip)).unwrap();
    };
    version("..1", "10.0.0.1");
    version("..2", "10.0.0.2");
    symlink("..1", folder.path().join("..data")).unwrap();
    symlink("..data/a.yaml", folder.path().join("a.yaml")).unwrap();
    let mut scene = Scene::watch(folder, |folder| folder.path().to_owned()).await;
    scene.expect(&[("a", "10.0.0.1")]).await;
    symlink("..2", scene.path("..data_tmp")).unwrap();
    fs::rename(scene.path("..data_tmp"), scene.path("..data")).unwrap();
    scene.expect(&[("a", "10.0.0.2")]).await;
}

#[tokio::test]
async fn the_folder_goes_and_comes_back() {
    let parent = tempfile::tempdir().unwrap();
    fs::create_dir(parent.path().join("m")).unwrap();
    fs::write(parent.path().join("m/a.yaml"), service("a", "10.0.0.1")).unwrap();
    let mut scene = Scene::watch(parent, |parent| parent.path().join("m")).await;
    fs::rename(scene.path("m"), scene.path("gone")).unwrap();
    scene.expect_problem("the folder of manifests cannot be read").await;
    scene.expect(&[("a", "10.0.0.1")]).await;
    fs::create_dir(scene.path("m")).unwrap();
    scene.write("m/b.yaml", &service("b", "10.0.0.2"));
    scene.expect(&[("b", "10.0.0.2")]).await;
    scene.write("m/b.yaml", &service("b", "10.0.0.3"));
    scene.expect(&[("b", "10.0.0.3")]).await;
}

/// A link to a folder that is pointed at another one, as deployment tools do.
#[tokio::test]
async fn the_folder_is_a_link_that_is_swapped() {
    let parent = tempfile::tempdir().unwrap();
    for (name, ip) in [("1", "10.0.0.1"), ("2", "10.0.0.2")] {
        fs::create_dir(parent.path().join(name)).unwrap();
        fs::write(parent.path().join(name).join("a.yaml"), service("a", ip)).unwrap();
    }
    symlink("1", parent.path().join("current")).unwrap();
    let mut scene = Scene::watch(parent, |parent| parent.path().join("current")).await;
    symlink("2", scene.path("next")).unwrap();
    fs::rename(scene.path("next"), scene.path("current")).unwrap();
    scene.expect(&[("a", "10.0.0.2")]).await;
    scene.write("2/a.yaml", &service("a", "10.0.0.3"));
    scene.expect(&[("a", "10.0.0.3")]).await;
}

/// Half a file is not read while somebody writes it, however long that takes: nothing but its name would tell that
/// objects are missing.
#[tokio::test]
async fn a_file_is_read_when_it_is_closed() {
    let (mut scene, mut file) = Scene::half_written().await;
    // Longer than it takes for a file to count as complete of which nothing was heard.
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.expect_no_change().await;
    file.write_all(format!("---\n{}", service("b", "10.0.0.2")).as_bytes()).unwrap();
    drop(file);
    scene.expect(&[("a", "10.0.0.2"), ("b", "10.0.0.2"), ("c", "10.0.0.1")]).await;
}

/// What editors leave beside a file says nothing of it.
#[tokio::test]
async fn other_files_are_closed_while_one_is_written() {
    let (mut scene, _file) = Scene::half_written().await;
    for name in [".b.yaml.swp", "4913", "x.yaml~"] {
        scene.write(name, "anything");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    scene.expect_no_change().await;
}
