//! kubeadm's configuration file, as a ConfigMap's volume whose content changes while kube-ipvs runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::support::kernel::Dump;
use crate::support::manifests::Service;
use crate::support::testbed::{PODS, Testbed, eventually};

const KUBEADM: &str = include_str!("../data/kubeadm-config.conf");

/// A volume as the kubelet makes it: its files lead through a link that is exchanged.
struct Volume {
    folder: PathBuf,
    version: u32,
}

// === impl Volume ===

impl Volume {
    fn create(folder: &Path, text: &str) -> Self {
        fs::create_dir(folder).unwrap();
        let mut volume = Volume { folder: folder.to_owned(), version: 0 };
        volume.exchange(text);
        symlink("..data/config.conf", volume.file()).unwrap();
        volume
    }

    fn file(&self) -> PathBuf {
        self.folder.join("config.conf")
    }

    fn exchange(&mut self, text: &str) {
        self.version += 1;
        let name = format!("..version_{}", self.version);
        let directory = self.folder.join(&name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("config.conf"), text).unwrap();
        symlink(&name, self.folder.join("..data_tmp")).unwrap();
        fs::rename(self.folder.join("..data_tmp"), self.folder.join("..data")).unwrap();
    }
}

fn dump(testbed: &Testbed) -> Dump {
    Dump::of(&testbed.node().namespace)
}

#[test]
fn a_changed_config_map_is_applied_or_ends_the_process_and_traffic_goes_on() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web);
    // Of all settings, this one is not a network namespace's own.
    let file = KUBEADM.replace("maxPerCore: null", "maxPerCore: 0");
    let mut volume = Volume::create(&testbed.folder.path().join("volume"), &file);
    let flag = format!("--config={}", volume.file().display());
    let mut proxy = testbed.run(&[&flag]);
    assert!(dump(&testbed).virtual_servers.contains("-A -t 10.96.0.10:80 -s rr"));
    let log = proxy.log();
    let (warnings, _) = log.split_once("INFO starting").unwrap();
    assert_eq!(
        warnings.matches(" WARN ").count(),
        1,
        "the one that there are no nodePortAddresses: {warnings}"
    );
    assert_eq!(testbed.command(testbed.node(), "diff", &[&flag]), (Some(0), String::new()));

    let changed =
        file.replace("scheduler: \"\"", "scheduler: lc").replace("strictARP: false", "strictARP: true");
    let changed = changed
        .replace("masqueradeBit: null", "masqueradeBit: 20")
        .replace("udpTimeout: 0s", "udpTimeout: 77s");
    volume.exchange(&changed);
    eventually("the scheduler is changed", || {
        dump(&testbed).virtual_servers.contains("-A -t 10.96.0.10:80 -s lc")
    });
    eventually("rules and settings follow", || {
        testbed.command(testbed.node(), "diff", &[&flag]).0 == Some(0)
    });
    assert_eq!(testbed.client("pod-1", &web).ask_many(8, 2).unwrap().servers(), PODS);

    volume.exchange(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nipvs: {scheduler: 1}\n",
    );
    proxy.wait_for_log("line 3: ipvs.scheduler: found integer `1`, expected a string");
    assert!(dump(&testbed).virtual_servers.contains("-A -t 10.96.0.10:80 -s lc"));

    let before = dump(&testbed);
    volume.exchange(&changed.replace("healthzBindAddress: \"\"", "healthzBindAddress: 0.0.0.0:11256"));
    proxy.wait_for_log("stopping; the kernel keeps what is programmed");
    assert!(proxy.log().contains("healthzBindAddress"), "{}", proxy.log());
    let (status, _) = proxy.stop(Signal::SIGTERM);
    assert!(status.success(), "{status}");
    before.assert_equals(&dump(&testbed));
    assert_eq!(testbed.client("pod-1", &web).ask_many(8, 2).unwrap().servers(), PODS);
}
