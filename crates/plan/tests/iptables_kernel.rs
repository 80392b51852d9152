//! The planned sets and rules, put into a real kernel by the tools that operators use and read back by them.
//!
//! Each test works in a network namespace of its own. IPVS is not needed.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect;
use lab::{Need, require};
use model::{Family, PerFamily, Protocol};
use nix::sched::{CloneFlags, unshare};
use plan::rules::repair::repair;
use plan::rules::{Ruleset, ruleset};
use plan::{Entry, LocalDetector, Member, Options, SetName, SetType, State, print};

/// One of the two implementations of iptables.
#[derive(Clone, Copy)]
struct Tool {
    save: &'static str,
    restore: &'static str,
    family: Family,
}

const LEGACY: Tool =
    Tool { save: "iptables-legacy-save", restore: "iptables-legacy-restore", family: Family::V4 };
const LEGACY_6: Tool =
    Tool { save: "ip6tables-legacy-save", restore: "ip6tables-legacy-restore", family: Family::V6 };
const NFT: Tool = Tool { save: "iptables-nft-save", restore: "iptables-nft-restore", family: Family::V4 };
const NFT_6: Tool = Tool { save: "ip6tables-nft-save", restore: "ip6tables-nft-restore", family: Family::V6 };

impl Tool {
    /// Goes into a fresh namespace, in which the planned sets stand. False if this machine cannot.
    #[track_caller]
    fn enter(self) -> bool {
        let needs = [self.save, self.restore, "ipset"].map(Need::Program);
        if ![Need::Root].into_iter().chain(needs).all(require) {
            return false;
        }
        fresh_namespace();
        run("ipset", &["restore"], &print::ipset_save(&State::default(), &Options::default()));
        true
    }

    fn save(self) -> String {
        run(self.save, &[], "")
    }

    /// Adds to what stands, as the proxy does.
    fn restore(self, input: &str) {
        run(self.restore, &["--noflush", "--wait", "5"], input);
    }

    /// Mends what has to be mended, once.
    fn repair(self, expected: &Ruleset) -> Vec<String> {
        let Some(needed) = repair(expected, &self.save()) else { return Vec::new() };
        self.restore(&needed.input);
        needed.findings
    }

    /// Fails unless the kernel holds `expected`, each rule printed as it was planned.
    fn assert_stands(self, expected: &Ruleset) {
        let saved = self.save();
        assert_eq!(repair(expected, &saved), None, "{saved}");
        let planned = expected.to_string();
        let rules = planned.lines().filter(|line| line.starts_with("-A "));
        let missing: Vec<&str> = rules.filter(|rule| !saved.lines().any(|line| line == *rule)).collect();
        assert!(missing.is_empty(), "printed differently: {missing:#?}\n{saved}");
    }
}

/// Every way to masquerade.
fn all_options() -> Vec<Options> {
    let base = Options { bridge_netfilter: bridge_netfilter(), ..Options::default() };
    let detecting = |detector: fn(Family) -> LocalDetector| Options {
        local_detector: PerFamily { v4: Some(detector(Family::V4)), v6: Some(detector(Family::V6)) },
        ..base.clone()
    };
    vec![
        base.clone(),
        Options { masquerade_all: true, ..base.clone() },
        Options { masquerade_mark: 1 << 31, ..base.clone() },
        detecting(|family| match family {
            Family::V4 => LocalDetector::Cidr("10.244.1.7/16".parse().unwrap()),
            Family::V6 => LocalDetector::Cidr("fd00:244::7/32".parse().unwrap()),
        }),
        detecting(|family| match family {
            Family::V4 => LocalDetector::Cidr("10.244.0.7/32".parse().unwrap()),
            Family::V6 => LocalDetector::Cidr("fd00:244::7/128".parse().unwrap()),
        }),
        detecting(|family| match family {
            Family::V4 => LocalDetector::Cidr("0.0.0.0/0".parse().unwrap()),
            Family::V6 => LocalDetector::Cidr("::/0".parse().unwrap()),
        }),
        detecting(|_| LocalDetector::Interface("cbr0".to_owned())),
        detecting(|_| LocalDetector::InterfacePrefix("veth".to_owned())),
    ]
}

/// Whether rules may ask for bridge ports. To try it would load `br_netfilter`, which changes how the bridges
/// of this machine work.
fn bridge_netfilter() -> bool {
    Path::new("/proc/sys/net/bridge").exists()
}

fn fresh_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
}

#[expect(clippy::disallowed_methods, reason = "the tools are what is tested")]
fn run(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}\n{input}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn check_every_mode(tool: Tool) {
    for options in all_options() {
        if !tool.enter() {
            return;
        }
        let expected = ruleset(tool.family, &options);
        assert_eq!(tool.repair(&expected).len(), 12 + 10);
        tool.assert_stands(&expected);
    }
}

#[test]
fn legacy_prints_what_was_planned() {
    check_every_mode(LEGACY);
}

#[test]
fn legacy_prints_what_was_planned_for_ipv6() {
    check_every_mode(LEGACY_6);
}

#[test]
fn nft_prints_what_was_planned() {
    check_every_mode(NFT);
}

#[test]
fn nft_prints_what_was_planned_for_ipv6() {
    check_every_mode(NFT_6);
}

/// Damage of every kind is mended in one go, and what other people put there stays where it is.
#[track_caller]
fn check_damage(tool: Tool) {
    if !tool.enter() {
        return;
    }
    let options = Options { bridge_netfilter: bridge_netfilter(), ..Options::default() };
    let expected = ruleset(tool.family, &options);
    tool.repair(&expected);
    let comment = "-m comment --comment";
    tool.restore(&format!(
        "*nat\n\
         :FOREIGN - [0:0]\n\
         -A FOREIGN {comment} harmless -j RETURN\n\
         -I PREROUTING -j FOREIGN\n\
         -I POSTROUTING {comment} \"kubernetes postrouting rules\" -j KUBE-POSTROUTING\n\
         -D OUTPUT {comment} \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -D KUBE-SERVICES 1\n\
         -I KUBE-NODE-PORT -p tcp -j ACCEPT\n\
         -F KUBE-MARK-MASQ\n\
         COMMIT\n\
         *filter\n\
         -I INPUT -p tcp --dport 22 -j ACCEPT\n\
         -D OUTPUT {comment} \"kubernetes ipvs access filter\" -j KUBE-IPVS-OUT-FILTER\n\
         -X KUBE-IPVS-OUT-FILTER\n\
         COMMIT\n"
    ));
    let mut findings = tool.repair(&expected);
    findings.sort();
    expect![[r#"
        filter KUBE-IPVS-OUT-FILTER: missing
        filter OUTPUT: missing: -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
        nat KUBE-MARK-MASQ: other rules than ours
        nat KUBE-NODE-PORT: other rules than ours
        nat KUBE-SERVICES: other rules than ours
        nat OUTPUT: missing: -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        nat POSTROUTING: 2 times: -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING"#]]
    .assert_eq(&findings.join("\n"));
    tool.assert_stands(&expected);
    let saved = tool.save();
    for foreign in ["-A PREROUTING -j FOREIGN", "-A FOREIGN -m comment --comment", "--dport 22 -j ACCEPT"] {
        assert_eq!(saved.matches(foreign).count(), 1, "{foreign}\n{saved}");
    }
}

#[test]
fn damage_is_mended_with_legacy() {
    check_damage(LEGACY);
}

#[test]
fn damage_is_mended_with_legacy_for_ipv6() {
    check_damage(LEGACY_6);
}

#[test]
fn damage_is_mended_with_nft() {
    check_damage(NFT);
}

#[test]
fn damage_is_mended_with_nft_for_ipv6() {
    check_damage(NFT_6);
}

/// What kube-proxy left is taken over, and a change of mode changes the one chain that it concerns.
#[track_caller]
fn check_takeover(tool: Tool) {
    if !tool.enter() {
        return;
    }
    let recorded = match tool.family {
        Family::V4 => include_str!("../src/rules/testdata/node-b-masquerade-all.iptables-save.txt"),
        Family::V6 => include_str!("../src/rules/testdata/node-b-masquerade-all.ip6tables-save.txt"),
    };
    let possible =
        |line: &&str| !line.contains("-m ipvs") && (bridge_netfilter() || !line.contains("physdev"));
    tool.restore(&recorded.lines().filter(possible).flat_map(|line| [line, "\n"]).collect::<String>());
    let base = Options { bridge_netfilter: bridge_netfilter(), ..Options::default() };
    let masquerade_all = ruleset(tool.family, &Options { masquerade_all: true, ..base.clone() });
    let findings = tool.repair(&masquerade_all);
    // kube-proxy has nothing in the mangle table.
    let (mangle, shared): (Vec<&String>, Vec<&String>) =
        findings.iter().partition(|finding| finding.starts_with("mangle "));
    assert_eq!(mangle.len(), 2, "{mangle:?}");
    assert!(!shared.is_empty() && shared.iter().all(|finding| finding.ends_with("other rules than ours")));
    tool.assert_stands(&masquerade_all);

    let only_node = ruleset(tool.family, &base);
    assert_eq!(tool.repair(&only_node), ["nat KUBE-SERVICES: other rules than ours"]);
    tool.assert_stands(&only_node);
}

#[test]
fn legacy_rules_of_kube_proxy_are_taken_over() {
    check_takeover(LEGACY);
    check_takeover(LEGACY_6);
}

#[test]
fn nft_rules_of_kube_proxy_are_taken_over() {
    check_takeover(NFT);
    check_takeover(NFT_6);
}

/// An entry of every set, in the form that its type asks for.
fn filled(family: Family) -> State {
    let (ip, net, host): (IpAddr, _, _) = match family {
        Family::V4 => ("192.0.2.1".parse().unwrap(), "198.51.100.0/24", "203.0.113.7/32"),
        Family::V6 => ("2001:db8::1".parse().unwrap(), "2001:db8:5::/48", "2001:db8:6::7/128"),
    };
    let entries = SetName::ALL.into_iter().flat_map(|name| match name.set_type() {
        SetType::HashIp => vec![(name, Entry::Ip(ip))],
        SetType::HashIpPort => [(Protocol::Tcp, 443), (Protocol::Udp, 53), (Protocol::Sctp, 5060)]
            .map(|(protocol, port)| (name, Entry::IpPort(ip, protocol, port)))
            .into(),
        SetType::HashIpPortIp => vec![(name, Entry::IpPortIp(ip, Protocol::Tcp, 8080, ip))],
        SetType::HashIpPortNet => [net, host]
            .map(|net| (name, Entry::IpPortNet(ip, Protocol::Tcp, 443, net.parse().unwrap())))
            .into(),
        SetType::BitmapPort => vec![(name, Entry::Port(0)), (name, Entry::Port(65535))],
    });
    let members = entries.map(|(name, entry)| Member::new(name, family, entry)).collect();
    State { members, ..State::default() }
}

#[test]
fn ipset_prints_what_was_planned() {
    if ![Need::Root, Need::Program("ipset")].into_iter().all(require) {
        return;
    }
    for family in Family::ALL {
        fresh_namespace();
        let options = Options { families: [family].into(), ..Options::default() };
        let planned = print::ipset_save(&filled(family), &options);
        run("ipset", &["restore"], &planned);
        let saved = run("ipset", &["save"], "");
        // Newer versions print a random seed and a bucket size behind what was asked for.
        let known = |line: &str| line.split(" bucketsize").next().unwrap_or(line).to_owned();
        let mut saved: Vec<String> = saved.lines().map(known).collect();
        let mut planned: Vec<&str> = planned.lines().collect();
        saved.sort();
        planned.sort_unstable();
        assert_eq!(saved, planned);
    }
}
