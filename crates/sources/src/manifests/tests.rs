//! Folders read once, and folders that change while they are watched.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};

use super::load;
use crate::show::show;

mod mutations;
mod watching;

fn check(files: &[(&str, &str)], expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    expected.assert_eq(&load_text(folder.path()));
}

fn load_text(folder: &Path) -> String {
    let text = show(&load(folder).unwrap());
    text.strip_suffix("= Service\n= EndpointSlice\n= Node\n").unwrap().to_owned()
}

/// A Service in YAML.
fn service(name: &str, ip: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{clusterIP: {ip}, ports: [{{port: 80}}]}}\n"
    )
}

#[test]
fn several_documents_and_lists() {
    check(
        &[
            (
                "list.yaml",
                "apiVersion: v1\nkind: List\nitems:\n\
                 - {apiVersion: v1, kind: Node, metadata: {name: n1}}\n\
                 - apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Node, metadata: {name: n2}}\n",
            ),
            (
                "typed.json",
                r#"{"apiVersion": "v1", "kind": "ServiceList", "items": [
                    {"metadata": {"name": "c", "namespace": "x"}, "spec": {"clusterIP": "10.0.0.3"}}]}
                   {"apiVersion": "v1", "kind": "NodeList", "items": null}"#,
            ),
            (
                "two.yml",
                &format!(
                    "# first\n---\n---\n{}---\n{}---\n",
                    service("a", "10.0.0.1"),
                    service("b", "10.0.0.2")
                ),
            ),
            ("comment.yaml", "# nothing here\n"),
            ("empty.yaml", ""),
            (".hidden.yaml", "["),
            ("notes.txt", "["),
        ],
        expect![[r#"
            + Service default/a ClusterIp 10.0.0.1
                port "" 80/TCP
            + Service default/b ClusterIp 10.0.0.2
                port "" 80/TCP
            + Service x/c ClusterIp 10.0.0.3
            + Node n1
            + Node n2
        "#]],
    );
}

#[test]
fn other_kinds_are_named_once_per_file() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n---\n";
    check(
        &[
            ("a.yaml", &format!("{deployment}{deployment}{}", service("a", "10.0.0.1"))),
            ("b.yaml", "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n"),
            ("c.yaml", "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: x}\n"),
            ("d.yaml", "kind: Service\nmetadata: {name: x}\n"),
            ("e.yaml", "- 1\n"),
            ("f.yaml", "apiVersion: v1\nkind: List\nitems: {}\n"),
        ],
        expect![[r#"
            ! a.yaml: apps/v1, kind Deployment: not a kind that is read here (Service, EndpointSlice, Node); ignored
            ! b.yaml: serving.knative.dev/v1, kind Service: not a kind that is read here (Service, EndpointSlice, Node); ignored
            ! c.yaml: discovery.k8s.io/v1beta1, kind EndpointSlice: not a kind that is read here (Service, EndpointSlice, Node); ignored
            ! d.yaml: document 1: has no apiVersion and kind; ignored
            ! e.yaml: document 1: not an object (a mapping with apiVersion and kind); ignored
            ! f.yaml: document 1: items is not a list; ignored
            + Service default/a ClusterIp 10.0.0.1
                port "" 80/TCP
        "#]],
    );
}

#[test]
fn the_first_of_two_files_wins() {
    check(
        &[
            ("a.yaml", &service("web", "10.0.0.1")),
            ("b.yaml", &format!("{}---\n{}", service("web", "10.0.0.2"), service("web", "10.0.0.3"))),
        ],
        expect![[r#"
            ! b.yaml: Service default/web: also in a.yaml, which wins
            ! b.yaml: Service default/web: stands in the file more than once; the one in document 2 is ignored
            + Service default/web ClusterIp 10.0.0.1
                port "" 80/TCP
        "#]],
    );
}

#[test]
fn yaml_1_1_habits() {
    check(
        &[(
            "a.yaml",
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {name: a, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\n\
             ports: [{name: \"\", port: 0120}]\n\
             endpoints:\n- addresses: [10.1.0.1]\n  conditions: {ready: no, serving: yes}\n  nodeName: 12\n",
        )],
        expect![[r#"
            ! a.yaml: EndpointSlice default/a: endpoints[0].nodeName: invalid type: integer `12`, expected a string; ignored
            + EndpointSlice default/a of web IPv4
                port "" 80/TCP
                10.1.0.1 serving
        "#]],
    );
}

#[test]
fn unreadable_files() {
    let nested = format!("a: {}", "[".repeat(100_000));
    let alias_bomb = {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..12 {
            let aliases = vec![format!("*a{}", i - 1); 9].join(",");
            text += &format!("a{i}: &a{i} [{aliases}]\n");
        }
        text
    };
    check(
        &[
            ("bomb.yaml", &alias_bomb),
            ("brackets.yaml", "a: [1,2\nb: 3"),
            ("control.yaml", "a: \u{0}\u{1}"),
            ("cut.json", "{\"apiVersion\": \"v1\",\n\"kind\""),
            ("nested.json", &"[".repeat(100_000)),
            ("nested.yaml", &nested),
            ("tab.yaml", "a:\n\tb: 1"),
            ("twice.yaml", "apiVersion: v1\nkind: Service\nkind: Service\n"),
            ("unknown.yaml", "a: *x"),
        ],
        expect![[r#"
            ! bomb.yaml:6: YAML document too large or too complex: limits breached: Nodes { nodes: 100548 } at line 1, column 20 (defined at line 5, column 9) (used at line 6, column 10); what the file held before, if anything, stays in force
            ! brackets.yaml:2: illegal placement of ':' indicator at line 2, column 2; what the file held before, if anything, stays in force
            ! control.yaml:1: unexpected character: `\u{0}' at line 1, column 4; what the file held before, if anything, stays in force
            ! cut.json:2: EOF while parsing an object at line 2 column 6; what the file held before, if anything, stays in force
            ! nested.json:1: recursion limit exceeded at line 1 column 128; what the file held before, if anything, stays in force
            ! nested.yaml:1: recursion limit exceeded at line 1, column 259; what the file held before, if anything, stays in force
            ! tab.yaml:2: tabs disallowed within this context (block indentation) at line 2, column 2; what the file held before, if anything, stays in force
            ! twice.yaml:3: duplicate mapping key `kind` is not allowed here at line 3, column 1; what the file held before, if anything, stays in force
            ! unknown.yaml:1: reference to unknown value at line 1, column 4; what the file held before, if anything, stays in force
        "#]],
    );
}

#[test]
fn odd_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("binary.yaml"), b"a: 1\nb: \xff\xfe").unwrap();
    fs::create_dir(folder.path().join("folder.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("link.yaml")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket.yaml")).unwrap();
    expect![[r#"
        ! binary.yaml:2: not UTF-8 text; what the file held before, if anything, stays in force
        ! folder.yaml: cannot be read: not a regular file; what the file held before, if anything, stays in force
        ! link.yaml: cannot be read: No such file or directory (os error 2); what the file held before, if anything, stays in force
        ! socket.yaml: cannot be read: not a regular file; what the file held before, if anything, stays in force
    "#]].assert_eq(&load_text(folder.path()));
}

#[test]
fn a_folder_that_is_missing() {
    let error = load(Path::new("/nonexistent/manifests")).unwrap_err();
    expect![[r#"cannot read the folder of manifests "/nonexistent/manifests": No such file or directory (os error 2); it has to be a readable directory"#]].assert_eq(&error.to_string());
}
