//! Where the server is, and who asks.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use lab::apiserver::Fault;

use super::*;
use crate::kubernetes::{Error, load};

pub(super) fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters: [{{name: c, cluster: {{server: {server:?}}}}}]\n\
         users: [{{name: u, user: {user}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
    )
}

pub(super) fn config(path: &Path) -> Config {
    Config { kubeconfig: Some(path.to_owned()), timing: TIMING, ..Config::in_cluster("n1") }
}

/// A file with a token, relative to the kubeconfig, is read for each request; the line end does not count.
#[tokio::test]
async fn a_token_file_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let server = server();
    server.require_token("one");
    fs::write(folder.path().join("token"), "one\n").unwrap();
    let path = folder.path().join("config");
    fs::write(&path, kubeconfig(&server.url(), "{tokenFile: token}")).unwrap();
    let mut scene = Scene::follow(server, config(&path)).await;
    scene.expect(&START).await;
    scene.server.require_token("two");
    scene.until(|server| server.requests().iter().any(|request| request.ends_with("401"))).await;
    fs::remove_file(folder.path().join("token")).unwrap();
    scene.server.apply(service("b", "10.0.0.2")).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(scene.removed, 0);
    fs::write(folder.path().join("token"), "two").unwrap();
    scene.expect(&[START[0], START[1], START[2], "Service default/b 10.0.0.2"]).await;
}

#[tokio::test]
async fn a_kubeconfig_is_read_again_when_its_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = server();
    server.require_token("one");
    let path = folder.path().join("config");
    fs::write(&path, kubeconfig(&server.url(), "{token: one}")).unwrap();
    let mut scene = Scene::follow(server, config(&path)).await;
    scene.server.require_token("two");
    scene.server.apply(service("b", "10.0.0.2")).unwrap();
    fs::write(&path, "broken: [").unwrap();
    scene.until(|server| server.requests().iter().any(|request| request.ends_with("401"))).await;
    fs::write(&path, kubeconfig(&scene.server.url(), "{token: two}")).unwrap();
    scene.expect(&[START[0], START[1], START[2], "Service default/b 10.0.0.2"]).await;
}

#[tokio::test]
async fn the_master_wins_over_the_kubeconfig() {
    let folder = tempfile::tempdir().unwrap();
    let server = server();
    let path = folder.path().join("config");
    fs::write(&path, kubeconfig("https://192.0.2.1:6443", "{}")).unwrap();
    let master = server.url().replace("http://", "");
    let config = Config { master: Some(master), ..config(&path) };
    Scene::follow(server, config).await.expect(&START).await;
}

#[tokio::test]
async fn configurations_that_make_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let check = async |text: Option<&str>, expected: Expect| {
        match text {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap_or_default(),
        }
        let error = watch(config(&path)).await.unwrap_err();
        let text = error.to_string().replace(&folder.path().display().to_string(), "DIR");
        expected.assert_eq(&text);
    };
    check(None, expect![[r#"cannot use the kubeconfig "DIR/config": No such file or directory (os error 2); --kubeconfig has to name a readable kubeconfig"#]]).await;
    check(Some(""), expect![[r#"cannot use the kubeconfig "DIR/config": failed to determine current context; --kubeconfig has to name a readable kubeconfig"#]]).await;
    check(Some("a: ["), expect![[r#"
        cannot use the kubeconfig "DIR/config": failed to parse kubeconfig YAML: error: line 1 column 4: unclosed bracket '['
         --> <input>:1:4
          |
        1 | a: [
          |    ^ unclosed bracket '['; --kubeconfig has to name a readable kubeconfig"#]]).await;
    check(Some("apiVersion: v1\nkind: Config\n"), expect![[r#"cannot use the kubeconfig "DIR/config": failed to determine current context; --kubeconfig has to name a readable kubeconfig"#]]).await;
    check(Some(&kubeconfig("ftp://x", "{}")), expect![[r#""ftp://x/" is not the URL of an API server (such as https://10.0.0.1:6443): the scheme has to be http or https"#]]).await;
    check(Some(&kubeconfig("", "{}")), expect![[r#"cannot use the kubeconfig "DIR/config": failed to parse cluster url: empty string; --kubeconfig has to name a readable kubeconfig"#]]).await;
    check(
        Some(&kubeconfig("http://x", "{tokenFile: nowhere}")),
        expect![[r#"cannot read the token file "DIR/nowhere": No such file or directory (os error 2)"#]],
    )
    .await;
    check(Some(&kubeconfig("http://x", "{client-certificate: nowhere}")), expect![[r#"cannot set up the connection to the API server: Failed to infer provided configuration: failed to load client certificate: failed to read file '"DIR/nowhere"': No such file or directory (os error 2)"#]]).await;
    check(Some(&kubeconfig("http://x", "{client-certificate-data: \"???\"}")), expect!["cannot set up the connection to the API server: Failed to infer provided configuration: failed to load client certificate: failed to decode base64 data: Invalid symbol 63, offset 0."]).await;
    let bad_master = Config { master: Some("ftp://x".to_owned()), ..Config::in_cluster("n1") };
    expect![[r#""ftp://x/" is not the URL of an API server (such as https://10.0.0.1:6443): the scheme has to be http or https"#]].assert_eq(&watch(bad_master).await.unwrap_err().to_string());
    let nowhere = watch(Config::in_cluster("n1")).await.unwrap_err();
    assert!(matches!(nowhere, Error::NotInCluster(_)), "{nowhere}");
}

#[tokio::test]
async fn one_reading_ends_when_the_server_does_not_answer() {
    let server = server();
    server.fault(Fault::InternalError);
    let timing = Timing { load: Duration::from_millis(500), ..TIMING };
    let config = Config { master: Some(server.url()), timing, ..Config::in_cluster("n1") };
    let error = load(config).await.unwrap_err();
    expect!["the API server was not read within 500ms: HTTP 500 something is broken inside"]
        .assert_eq(&error.to_string());
}

/// A plugin for credentials that takes its time holds up nobody else: this one waits for something that happens on the
/// same thread.
#[tokio::test]
async fn a_plugin_for_credentials_runs_beside_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = server();
    server.require_token("one");
    let go = folder.path().join("go");
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "one"},
    });
    let script = format!(
        "for i in $(seq 500); do [ -e {} ] && echo '{credential}' && exit; sleep 0.01; done; exit 1",
        go.display()
    );
    let user = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "sh", "args": ["-c", script],
    }});
    let path = folder.path().join("config");
    fs::write(&path, kubeconfig(&server.url(), &user.to_string())).unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        fs::write(go, "").unwrap();
    });
    Scene::follow(server, config(&path)).await.expect(&START).await;
}

/// What only JSON can say arrives.
#[tokio::test]
async fn objects_come_in_the_form_that_is_asked_for() {
    let server = server();
    server.apply_as(Resource::Services, "default/bad", json!([1, 2]));
    let config = Config {
        master: Some(server.url()),
        timing: TIMING,
        encoding: Encoding::Json,
        ..Config::in_cluster("n1")
    };
    let mut scene = Scene::follow(server, config).await;
    scene.expect(&START).await;
    scene.expect_problem("Service (name unknown): ").await;
}
