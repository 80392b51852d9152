//! The alerts for Prometheus and the dashboard for Grafana.
#[cfg(test)]
mod names;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Given, Group, tools};
use crate::{cargo, process};

pub(super) const GROUP: Group<Equipment> = Group {
    name: "monitoring",
    prepare: Equipment::get,
    checks: &[
        ("the alerts' own tests pass", alerts),
        ("the dashboard's queries are PromQL", dashboard_queries),
    ],
};

/// The tool, and a folder to write to.
pub(super) struct Equipment {
    promtool: PathBuf,
    folder: PathBuf,
}

// === impl Equipment ===

impl Equipment {
    fn get(given: &Given) -> Result<Equipment> {
        Ok(Equipment { promtool: tools::promtool()?, folder: given.folder.clone() })
    }

    fn promtool(&self, arguments: &[&str], file: &Path) -> Result<()> {
        process::output(process::command(&self.promtool).args(arguments).arg(file)).map(drop)
    }
}

fn alerts(equipment: &Equipment) -> Result<()> {
    equipment.promtool(&["check", "rules"], &monitoring("alerts.yaml"))?;
    equipment.promtool(&["test", "rules"], &monitoring("alerts.test.yaml"))
}

/// Grafana puts in what `$__rate_interval` and the like stand for; then each query is a rule.
fn dashboard_queries(equipment: &Equipment) -> Result<()> {
    let rules: Vec<Value> = dashboard_expressions()?
        .into_iter()
        .enumerate()
        .map(|(number, query)| {
            let query = query.replace("$__rate_interval", "5m");
            serde_json::json!({ "record": format!("query{number}"), "expr": query })
        })
        .collect();
    let file = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let path = equipment.folder.join("dashboard-queries.yaml");
    fs::write(&path, file.to_string())?;
    equipment.promtool(&["check", "rules"], &path)
}

fn monitoring(file: &str) -> PathBuf {
    cargo::workspace().join("deploy/monitoring").join(file)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn dashboard_expressions() -> Result<Vec<String>> {
    let path = monitoring("dashboard.json");
    let dashboard: Value = serde_json::from_str(&read(&path)?)?;
    Ok(values_of("expr", &dashboard))
}

/// All texts under a key, wherever it is.
fn values_of(key: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == key => vec![text.clone()],
                value => values_of(key, value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(|value| values_of(key, value)).collect(),
        _ => Vec::new(),
    }
}
