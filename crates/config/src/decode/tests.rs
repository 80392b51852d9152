use expect_test::{Expect, expect};

use super::*;

const HEAD: &str = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

/// What becomes of a file with these lines after the head.
fn check(lines: &str, expected: Expect) {
    check_file(&format!("{HEAD}{lines}"), expected);
}

/// The fields that differ from the defaults, and all that is said about the file.
fn check_file(text: &str, expected: Expect) {
    let mut warnings = Vec::new();
    let mut found = match decode(text, &mut warnings) {
        Ok(document) => changed(&document),
        Err(mistake) => format!("error: {mistake}\n"),
    };
    for warning in warnings {
        found.push_str(&format!("warning: {warning}\n"));
    }
    expected.assert_eq(&found);
}

fn changed(document: &KubeProxyConfiguration) -> String {
    let defaults = KubeProxyConfiguration::default().to_json();
    let json = document.to_json();
    let settings = crate::Setting::all().filter_map(|setting| {
        let value = setting.value_in(&json)?;
        (setting.value_in(&defaults) != Some(value)).then(|| format!("{}: {value}\n", setting.field.unwrap()))
    });
    settings.collect()
}

#[test]
fn fields_of_every_kind_are_read() {
    check(
        "ipvs: {scheduler: wrr, strictARP: true, excludeCIDRs: [10.0.0.0/8, \"fd00::/8\"], syncPeriod: 1m30s}\n\
         iptables:\n  masqueradeBit: 15\nclientConnection: {qps: 7.5}\nfeatureGates: {AllAlpha: true}\n\
         logging: {vmodule: [{filePattern: a*, verbosity: 3}], verbosity: 4}\nkubeIpvs: {drainTimeout: 5m}\n",
        expect![[r#"
            kubeIpvs.drainTimeout: "5m0s"
            ipvs.scheduler: "wrr"
            ipvs.syncPeriod: "1m30s"
            ipvs.excludeCIDRs: ["10.0.0.0/8","fd00::/8"]
            iptables.masqueradeBit: 15
            featureGates: {"AllAlpha":true}
            ipvs.strictARP: true
            logging.verbosity: 4
            clientConnection.qps: 7.5
            logging.vmodule: [{"filePattern":"a*","verbosity":3}]
        "#]],
    );
}

#[test]
fn numbers_and_booleans_are_those_of_yaml_1_1() {
    check(
        "oomScoreAdj: 0100\nconntrack: {min: 1e3, maxPerCore: 10.0}\nipvs: {strictARP: on}\n",
        expect![[r#"
            ipvs.strictARP: true
            conntrack.maxPerCore: 10
            conntrack.min: 1000
            oomScoreAdj: 64
        "#]],
    );
}

#[test]
fn a_whole_number_may_be_written_with_an_exponent() {
    check(
        "oomScoreAdj: -5e2\n",
        expect![[r#"
            oomScoreAdj: -500
        "#]],
    );
}

#[test]
fn amounts_of_memory_are_numbers_with_units() {
    for (text, expected) in [
        ("64Ki", "64Ki"),
        ("1024", "1024"),
        ("0.5", "0.5"),
        ("1e3", "1000"),
        ("0Ki", "0"),
        ("0.0", "0"),
        ("\"0.0\"", "0"),
        ("\"-0\"", "0"),
        ("null", "0"),
    ] {
        let lines = format!("{HEAD}logging: {{options: {{text: {{infoBufferSize: {text}}}}}}}\n");
        let found = decode(&lines, &mut Vec::new()).map(|document| document.logging.options.text);
        assert_eq!(found.map(|options| options.info_buffer_size.0), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn a_gate_that_says_nothing_is_off() {
    check(
        "featureGates: {AllAlpha: null, AllBeta: true}\n",
        expect![[r#"
            featureGates: {"AllAlpha":false,"AllBeta":true}
        "#]],
    );
}

#[test]
fn json_is_read_as_well() {
    check_file(
        "{\n  \"kind\": \"KubeProxyConfiguration\",\n  \"apiVersion\": \"kubeproxy.config.k8s.io/v1alpha1\",\n  \
         \"mode\": \"ipvs\",\n  \"ipvs\": {\"strictArp\": true}\n}\n",
        expect![[r#"
            mode: "ipvs"
            warning: line 5: the field ipvs.strictArp is unknown and ignored
        "#]],
    );
}

#[test]
fn null_and_sections_without_fields_are_not_set() {
    check(
        "ipvs:\n  excludeCIDRs: null\n  scheduler:\nconntrack:\noomScoreAdj: null\niptables: {}\n",
        expect![""],
    );
}

#[test]
fn unknown_and_repeated_fields_are_warnings() {
    check(
        "mode: iptables\nipvs:\n  schedular: wrr\n  syncPeriod: 1s\n  syncPeriod: 2s\nmode: ipvs\n\
         udpIdleTimeout: 250ms\nresourceContainer: null\n",
        expect![[r#"
            mode: "ipvs"
            ipvs.syncPeriod: "2s"
            warning: line 8: mode is set a second time; this one counts
            warning: line 9: the field udpIdleTimeout is unknown and ignored
            warning: line 10: the field resourceContainer is unknown and ignored
            warning: line 5: the field ipvs.schedular is unknown and ignored
            warning: line 7: ipvs.syncPeriod is set a second time; this one counts
        "#]],
    );
}

#[test]
fn wrong_types_are_errors_with_line_and_field() {
    check(
        "ipvs:\n  strictARP: \"yes\"\n",
        expect![[r#"
            error: line 4: ipvs.strictARP: found string "yes", expected a boolean
        "#]],
    );
    check(
        "mode: ipvs\nconntrack:\n  min: many\n",
        expect![[r#"
            error: line 5: conntrack.min: found string "many", expected a whole number of up to 32 bits
        "#]],
    );
    check(
        "ipvs:\n  syncPeriod: 30\n",
        expect![[r#"
            error: line 4: ipvs.syncPeriod: found integer `30`, expected a duration such as 30s, 1m0s or 1.5h
        "#]],
    );
    check(
        "ipvs:\n  minSyncPeriod: 5 apples\n",
        expect![[r#"
            error: line 4: ipvs.minSyncPeriod: "5 apples" is no duration; write it like 30s, 1m0s or 1.5h
        "#]],
    );
    check(
        "nodePortAddresses: primary\n",
        expect![[r#"
            error: line 3: nodePortAddresses: found string "primary", expected a list
        "#]],
    );
    check(
        "ipvs:\n  excludeCIDRs:\n  - 10.0.0.0/8\n  - 12\n",
        expect![[r#"
            error: line 6: ipvs.excludeCIDRs[1]: found integer `12`, expected a string
        "#]],
    );
    check(
        "oomScoreAdj: 3000000000\n",
        expect![[r#"
            error: line 3: oomScoreAdj: integer `3000000000` does not fit, expected a whole number of up to 32 bits
        "#]],
    );
    check(
        "ipvs: wrr\n",
        expect![[r#"
            error: line 3: ipvs: found string "wrr", expected a section with fields
        "#]],
    );
}

#[test]
fn what_is_no_configuration_is_refused() {
    check_file(
        "",
        expect![[r#"
        error: apiVersion: must be kubeproxy.config.k8s.io/v1alpha1, found nothing
    "#]],
    );
    check_file(
        "hello\n",
        expect![[r#"
        error: apiVersion: must be kubeproxy.config.k8s.io/v1alpha1, found nothing
    "#]],
    );
    check_file(
        "mode: [ipvs\n",
        expect![[r#"
        error: line 1: unclosed bracket '[' at line 1, column 7
    "#]],
    );
    check_file(
        "apiVersion: v1\nkind: ConfigMap\n",
        expect![[r#"
        error: line 1: apiVersion: must be kubeproxy.config.k8s.io/v1alpha1, found "v1"
    "#]],
    );
    check_file(
        "apiVersion: kubeproxy.config.k8s.io/v1beta1\nkind: KubeProxyConfiguration\n",
        expect![[r#"
        error: line 1: apiVersion: must be kubeproxy.config.k8s.io/v1alpha1, found "kubeproxy.config.k8s.io/v1beta1"
    "#]],
    );
    check_file(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: [x]\n",
        expect![[r#"
        error: line 2: kind: must be KubeProxyConfiguration, found nothing
    "#]],
    );
}

#[test]
fn of_several_documents_the_first_is_read() {
    check(
        "mode: ipvs\n---\n",
        expect![[r#"
        mode: "ipvs"
    "#]],
    );
    check(
        "---\nmode: ipvs\n",
        expect![[r#"
            warning: line 4: only the first document of the file is read, as by kube-proxy
        "#]],
    );
}

/// A file from kubeadm sets a number of nanoseconds, of all fields only there.
#[test]
fn the_flush_frequency_may_be_a_number() {
    check(
        "logging: {flushFrequency: 7000000000, options: {text: {infoBufferSize: 64Ki}, json: {infoBufferSize: 1}}}\n",
        expect![[r#"
            logging.flushFrequency: "7s"
            logging.options.text.infoBufferSize: "64Ki"
            logging.options.json.infoBufferSize: "1"
        "#]],
    );
}

#[test]
fn a_large_whole_number_may_be_written_with_an_exponent() {
    check(
        "logging: {flushFrequency: 7e9}\n",
        expect![[r#"
            logging.flushFrequency: "7s"
        "#]],
    );
    check(
        "logging: {flushFrequency: 1.5}\n",
        expect![[r#"
            error: line 3: logging.flushFrequency: found floating point `1.5`, expected a duration such as 30s, 1m0s or 1.5h
        "#]],
    );
}

/// Whatever a file holds, it is read or refused.
#[test]
fn no_damage_to_a_file_is_fatal() {
    let file = KubeProxyConfiguration::default().complete().to_yaml();
    let (mut read, mut refused) = (0, 0);
    for (at, _) in file.char_indices() {
        for damage in ["", ":", "\n", "["] {
            let (head, tail) = file.split_at(at);
            let tail: String = tail.chars().skip(1).collect();
            match decode(&format!("{head}{damage}{tail}"), &mut Vec::new()) {
                Ok(_) => read += 1,
                Err(mistake) => refused += usize::from(!mistake.reason.is_empty()),
            }
        }
    }
    assert!(read > 1000 && refused > 1000, "{read} were read, {refused} refused with a reason");
}
