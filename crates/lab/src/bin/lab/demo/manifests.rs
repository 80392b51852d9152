//! The folder of manifests that kube-ipvs watches, and the changes an API server would make to it.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use lab::Error;
use tempfile::TempDir;

/// A copy of the examples. It is removed when this is dropped.
pub(super) struct Manifests {
    folder: TempDir,
}

// === impl Manifests ===

impl Manifests {
    /// Copies every manifest of a folder.
    pub(super) fn copy_of(examples: &Path) -> Result<Manifests, Error> {
        let listing = || format!("copy {}", examples.display());
        let folder = TempDir::with_prefix("kube-ipvs-demo-").map_err(Error::io(|| "create a folder"))?;
        for entry in fs::read_dir(examples).map_err(Error::io(listing))? {
            let entry = entry.map_err(Error::io(listing))?;
            if Path::new(&entry.file_name()).extension().is_some_and(|ending| ending == "yaml") {
                fs::copy(entry.path(), folder.path().join(entry.file_name())).map_err(Error::io(listing))?;
            }
        }
        Ok(Manifests { folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Says of the endpoints with these addresses that their pod is going away.
    pub(super) fn terminate(&self, file: &str, addresses: [IpAddr; 2]) -> Result<(), Error> {
        self.edit(file, |line| {
            let going = "conditions: {ready: false, serving: true, terminating: true}";
            let is_it = addresses.iter().any(|address| is_endpoint(line, *address));
            vec![if is_it { line.replace("conditions: {ready: true}", going) } else { line.to_owned() }]
        })
    }

    /// Adds an endpoint behind the one with the address of the same family in `behind`.
    pub(super) fn add(
        &self,
        file: &str,
        behind: [IpAddr; 2],
        addresses: [IpAddr; 2],
        node: &str,
    ) -> Result<(), Error> {
        self.edit(file, |line| {
            let new = behind.iter().zip(addresses).find(|(behind, _)| is_endpoint(line, **behind)).map(
                |(_, new)| {
                    format!("- {{addresses: [\"{new}\"], nodeName: {node}, conditions: {{ready: true}}}}")
                },
            );
            [Some(line.to_owned()), new].into_iter().flatten().collect()
        })
    }

    /// Rewrites a file line by line, in one step for whoever reads it.
    fn edit(&self, file: &str, change: impl Fn(&str) -> Vec<String>) -> Result<(), Error> {
        let path = self.folder.path().join(file);
        let hidden = self.folder.path().join(format!(".{file}"));
        let text = fs::read_to_string(&path).map_err(Error::io(|| format!("read {}", path.display())))?;
        let lines: Vec<String> = text.lines().flat_map(change).collect();
        fs::write(&hidden, lines.join("\n") + "\n")
            .map_err(Error::io(|| format!("write {}", hidden.display())))?;
        fs::rename(&hidden, &path).map_err(Error::io(|| format!("replace {}", path.display())))
    }
}

fn is_endpoint(line: &str, address: IpAddr) -> bool {
    line.starts_with(&format!("- {{addresses: [\"{address}\"]"))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::{fs, path::Path};

    use super::Manifests;

    /// The changes rely on how the examples write their endpoints.
    #[test]
    fn endpoints_of_the_examples_are_changed_and_added_in_both_families() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let manifests = Manifests::copy_of(&examples).unwrap();
        let addresses = |last: &str| -> [IpAddr; 2] {
            [format!("10.244.2.{last}").parse().unwrap(), format!("fd00:244:0:2::{last}").parse().unwrap()]
        };
        let text = || fs::read_to_string(manifests.path().join("frontend-rr.yaml")).unwrap();
        let before = text();
        assert!(!before.contains("terminating"));

        manifests.terminate("frontend-rr.yaml", addresses("3")).unwrap();
        assert_eq!(text().matches("terminating: true").count(), 2);
        assert_eq!(text().lines().count(), before.lines().count());

        manifests.add("frontend-rr.yaml", addresses("4"), addresses("5"), "node-2").unwrap();
        assert_eq!(text().lines().count(), before.lines().count() + 2);
        for address in addresses("5") {
            assert!(
                text().contains(&format!("[\"{address}\"], nodeName: node-2, conditions: {{ready: true}}"))
            );
        }
    }
}
