//! The Kustomize base, its overlays and the Helm chart.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use super::difference::differences;
use super::{Given, Group, tools};
use crate::{cargo, process};

/// The version of Kubernetes whose schemas are used.
const KUBERNETES: &str = "1.36";

/// What the chart has to be told.
const API_SERVER: [&str; 2] = ["--set", "apiServer=https://API-SERVER:6443"];

pub(super) const GROUP: Group<Equipment> = Group {
    name: "kubernetes",
    prepare: Equipment::get,
    checks: &[
        ("manifests follow the API server's schemas", follow_schemas),
        ("the chart gives what the Kustomize base gives", chart_equals_base),
        ("without the init container no container is privileged", prepared_nodes),
        ("nodes are chosen by a label", labelled_nodes),
        ("the chart's probes follow healthzBindAddress", probes_follow),
        ("the chart refuses what it does not know", chart_refuses),
        ("the program takes the configuration files", configurations),
        ("versions are the workspace's", versions),
    ],
};

/// The tools, and a folder to write to.
pub(super) struct Equipment {
    kubectl: PathBuf,
    helm: PathBuf,
    validate: PathBuf,
    binary: PathBuf,
    folder: PathBuf,
}

/// Objects by kind and name.
type Objects = Map<String, Value>;

// === impl Equipment ===

impl Equipment {
    fn get(given: &Given) -> Result<Equipment> {
        let programs = tools::kubectl_and_helm()?;
        Ok(Equipment {
            kubectl: programs.join("kubectl/kubectl"),
            helm: programs.join("helm/helm"),
            validate: tools::kubernetes_validate()?,
            binary: given.binary.clone(),
            folder: given.folder.clone(),
        })
    }

    /// The manifests of a Kustomize folder.
    fn kustomize(&self, folder: &str) -> Result<String> {
        let mut kubectl = process::command(&self.kubectl);
        process::output(kubectl.arg("kustomize").arg(deploy("kustomize").join(folder)))
    }

    /// The manifests of the chart.
    fn helm(&self, options: &[&str]) -> Result<String> {
        let mut helm = process::command(&self.helm);
        // It would read its user's settings.
        helm.env("HELM_CONFIG_HOME", &self.folder).env("HELM_CACHE_HOME", &self.folder);
        helm.args(["template", "kube-ipvs", "--namespace", "kube-system"]).args(options);
        process::output(helm.arg(deploy("helm/kube-ipvs")))
    }
}

fn deploy(path: &str) -> PathBuf {
    cargo::workspace().join("deploy").join(path)
}

fn follow_schemas(equipment: &Equipment) -> Result<()> {
    let manifests = [
        ("base", equipment.kustomize("base")?),
        ("prepared-nodes", equipment.kustomize("overlays/prepared-nodes")?),
        ("labelled-nodes", equipment.kustomize("overlays/labelled-nodes")?),
        ("chart", equipment.helm(&API_SERVER)?),
        ("diff-pod", fs::read_to_string(deploy("diff-pod.yaml"))?),
    ];
    let mut validate = process::command(&equipment.validate);
    validate.args(["--kubernetes-version", KUBERNETES, "--strict"]);
    for (name, text) in manifests {
        let path = equipment.folder.join(format!("{name}.yaml"));
        fs::write(&path, text)?;
        validate.arg(path);
    }
    process::output(&mut validate).map(drop)
}

fn chart_equals_base(equipment: &Equipment) -> Result<()> {
    let base = objects(&equipment.kustomize("base")?)?;
    let chart = objects(&equipment.helm(&API_SERVER)?)?;
    same(&base, &chart)
}

fn prepared_nodes(equipment: &Equipment) -> Result<()> {
    let overlay = equipment.kustomize("overlays/prepared-nodes")?;
    ensure!(!overlay.contains("privileged"), "the overlay prepared-nodes has a privileged container");
    let mut options = API_SERVER.to_vec();
    options.extend(["--set", "prepareNode=false"]);
    same(&objects(&overlay)?, &objects(&equipment.helm(&options)?)?)
}

fn labelled_nodes(equipment: &Equipment) -> Result<()> {
    let overlay = equipment.kustomize("overlays/labelled-nodes")?;
    ensure!(overlay.contains("kube-ipvs: \"true\""), "the overlay labelled-nodes asks for no label");
    let mut options = API_SERVER.to_vec();
    options.extend(["--set-string", "nodeSelector.kube-ipvs=true"]);
    same(&objects(&overlay)?, &objects(&equipment.helm(&options)?)?)
}

fn probes_follow(equipment: &Equipment) -> Result<()> {
    for (address, port, host) in [
        ("", 10256, None),
        ("[::]:11256", 11256, None),
        ("127.0.0.1:11256", 11256, Some("127.0.0.1")),
        ("2001:db8::1", 10256, Some("2001:db8::1")),
        ("[2001:db8::1]:11256", 11256, Some("2001:db8::1")),
    ] {
        let setting = format!("config.healthzBindAddress={address}");
        let mut options = API_SERVER.to_vec();
        options.extend(["--set", &setting]);
        let objects = objects(&equipment.helm(&options)?)?;
        let daemon_set = objects.get("DaemonSet/kube-ipvs").context("the chart has no DaemonSet")?;
        for probe in ["livenessProbe", "readinessProbe"] {
            let get = format!("/spec/template/spec/containers/0/{probe}/httpGet");
            let get = daemon_set.pointer(&get).with_context(|| format!("the chart has no {probe}"))?;
            let found = (get.get("port").and_then(Value::as_u64), get.get("host").and_then(Value::as_str));
            ensure!(found == (Some(port), host), "with {setting} the {probe} asks {found:?}");
        }
    }
    Ok(())
}

fn chart_refuses(equipment: &Equipment) -> Result<()> {
    for (options, expected) in [
        (vec![], "apiServer is required"),
        (vec!["--set", "apiserver=https://10.0.0.1"], "apiserver"),
        (vec!["--set", "apiServer=10.0.0.1:6443"], "/apiServer"),
        (vec!["--set", "config.mode=iptables"], "/config"),
    ] {
        match equipment.helm(&options) {
            Ok(_) => bail!("helm accepted {options:?}"),
            Err(error) => {
                ensure!(format!("{error:#}").contains(expected), "helm {options:?} said {error:#}");
            }
        }
    }
    Ok(())
}

/// What the program does not like about them it says in its log.
fn configurations(equipment: &Equipment) -> Result<()> {
    let chart = equipment.folder.join("chart-config.yaml");
    let objects = objects(&equipment.helm(&API_SERVER)?)?;
    let config = objects.get("ConfigMap/kube-ipvs").and_then(|object| object.pointer("/data/config.conf"));
    fs::write(&chart, config.context("the chart has no config.conf")?.to_string())?;
    for file in [deploy("kustomize/base/config.conf"), deploy("debian/config.conf"), chart] {
        let written = equipment.folder.join("effective.yaml");
        let mut program = process::command(&equipment.binary);
        program.arg("--config").arg(&file).arg("--write-config-to").arg(&written);
        let said = process::everything_said(&mut program)?;
        ensure!(!said.contains("WARN"), "about {} it says: {said}", file.display());
        ensure!(fs::read_to_string(&written)?.contains("mode: ipvs"), "{} was not read", file.display());
    }
    Ok(())
}

fn versions(equipment: &Equipment) -> Result<()> {
    let image = format!("registry.example/kube-ipvs:{}", env!("CARGO_PKG_VERSION"));
    for text in [equipment.kustomize("base")?, equipment.helm(&API_SERVER)?] {
        ensure!(text.contains(&image), "an image of other than this version is named; {image} is expected");
    }
    Ok(())
}

fn same(base: &Objects, chart: &Objects) -> Result<()> {
    let found = differences(base, chart);
    ensure!(found.is_empty(), "Kustomize and Helm differ:\n{}", found.join("\n"));
    Ok(())
}

/// Reads manifests. Labels of objects tell who made them, and files in a ConfigMap are read as what they are.
fn objects(manifests: &str) -> Result<Objects> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifests).context("manifests are not YAML")?;
    let mut objects = Objects::new();
    for mut object in documents.into_iter().filter(|object| !object.is_null()) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{}/{}", text("/kind"), text("/metadata/name"));
        if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.remove("labels");
        }
        for file in object.pointer_mut("/data").and_then(Value::as_object_mut).into_iter().flatten() {
            let (key, content) = file;
            let text = content.as_str().unwrap_or_default();
            *content = serde_saphyr::from_str(text).with_context(|| format!("{key} is not YAML"))?;
        }
        let other = objects.insert(name.clone(), object);
        ensure!(other.is_none(), "{name} is there twice");
    }
    ensure!(!objects.is_empty(), "manifests are empty");
    Ok(objects)
}
