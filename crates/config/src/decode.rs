//! From the file's text to its document: strict as far as a mistake would go unnoticed, lenient as far as there is
//! something to go on with, as kube-proxy is.

mod reader;
mod tree;

use std::cell::RefCell;

use serde::Deserialize as _;

use self::reader::Reader;
use crate::document::{API_VERSION, KIND, KubeProxyConfiguration};
use crate::error::Mistake;

/// Reads a file. Fields that are unknown or stand there twice are warnings, of which the last counts.
///
/// # Errors
/// If it is neither YAML nor JSON, no `KubeProxyConfiguration` of version v1alpha1, or something in it has a
/// wrong type.
pub(crate) fn decode(text: &str, warnings: &mut Vec<String>) -> Result<KubeProxyConfiguration, Mistake> {
    let mut documents = tree::parse(text)?.into_iter();
    let tree = documents.next().unwrap_or_else(tree::Node::nothing);
    if let Some(next) = documents.next() {
        warnings.push(format!(
            "line {}: only the first document of the file is read, as by kube-proxy",
            next.line
        ));
    }
    let found = RefCell::default();
    check_type(&tree)?;
    let document = KubeProxyConfiguration::deserialize(Reader::new(&tree, &found))?;
    warnings.extend(found.into_inner());
    Ok(document)
}

fn check_type(tree: &tree::Node) -> Result<(), Mistake> {
    for (field, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let found = tree.field(field);
        let text = found.and_then(tree::Node::text);
        if text != Some(wanted) {
            let found_text = text.map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
            return Err(Mistake {
                line: found.map(|node| node.line),
                field: field.to_owned(),
                reason: format!("must be {wanted}, found {found_text}"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
