//! From what was written to what it means. All mistakes are found in one go, each with its field or flag.

mod addresses;
mod checker;

use ipnet::IpNet;
use model::{Family, PerFamily};

use self::addresses::Parsed as _;
pub(crate) use self::checker::Checker;
pub use self::checker::Naming;
use crate::configuration::{
    ApiServer, Conntrack, LocalMode, LocalTrafficPolicy, LogFormat, NodePortAddresses, Own,
};
use crate::document::{CLUSTER_CIDR, KubeProxyConfiguration};
use crate::{Configuration, Error, feature_gates};

/// The only mode that there is here.
const IPVS: &str = "ipvs";

/// The modes of kube-proxy, after any of which a node can be cleaned up.
const MODES: [&str; 3] = ["iptables", IPVS, "nftables"];

/// The only version of which metrics can be hidden.
const PREVIOUS_VERSION: &str = "1.35";

/// Says what is wrong with the name of a scheduler, if anything is.
pub type SchedulerCheck = fn(&str) -> Result<(), String>;

/// What a configuration is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// To serve Services, in the mode ipvs, with a scheduler that the check accepts.
    Serve(SchedulerCheck),
    /// To remove what a proxy left on the node, whatever its mode and its scheduler were.
    CleanUp,
}

/// Checks a document, whose mode is filled in if it is not set.
pub(crate) fn check(
    mut document: KubeProxyConfiguration,
    master: Option<String>,
    naming: Naming,
    purpose: Purpose,
    warnings: &mut Vec<String>,
) -> Result<Configuration, Error> {
    let mut checker = Checker::new(naming);
    checker.mode(&mut document, purpose, warnings);
    warn_of_gates(&document, warnings);
    checker.what_has_no_effect(&document);
    checker.logging(&document);
    document.forget_other_modes();
    let configuration = checker.configuration(document, master, purpose);
    checker.conclude(configuration)
}

/// The name of a node as Kubernetes has it: in lower case, without white space around it; none if nothing is left.
pub fn node_name(text: &str) -> Option<String> {
    let name = text.trim().to_lowercase();
    (!name.is_empty()).then_some(name)
}

// === impl Checker ===

impl Checker {
    /// The parts of which each is a fitting stand-in if it is wrong, so that the others can be looked at.
    fn configuration(
        &mut self,
        mut document: KubeProxyConfiguration,
        master: Option<String>,
        purpose: Purpose,
    ) -> Configuration {
        let hostname_override = self.hostname(&document.hostname_override);
        document.hostname_override = hostname_override.clone().unwrap_or_default();
        let one = &document;
        let sync_period = self.period("ipvs.syncPeriod", one.ipvs.sync_period);
        let min_sync_period = self.duration("ipvs.minSyncPeriod", one.ipvs.min_sync_period);
        if one.ipvs.min_sync_period > one.ipvs.sync_period {
            let longest = format!("must not be longer than {}", self.name("ipvs.syncPeriod"));
            self.wrong("ipvs.minSyncPeriod", one.ipvs.min_sync_period, longest);
        }
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        Configuration {
            hostname_override,
            api_server: ApiServer {
                kubeconfig: text(&one.client_connection.kubeconfig).map(Into::into),
                master,
                content_types: text(&one.client_connection.accept_content_types)
                    .unwrap_or_else(|| one.client_connection.content_type.clone()),
            },
            bind_address: self.parse("bindAddress", &one.bind_address),
            healthz_address: self.optional("healthzBindAddress", &one.healthz_bind_address),
            metrics_address: self.optional("metricsBindAddress", &one.metrics_bind_address),
            bind_address_hard_fail: one.bind_address_hard_fail,
            sync_period,
            min_sync_period: min_sync_period.min(sync_period),
            scheduler: self.scheduler(&one.ipvs.scheduler, purpose),
            exclude_cidrs: self.list("ipvs.excludeCIDRs", &one.ipvs.exclude_cidrs),
            serve_external_ips: feature_gates::serve_external_ips(&one.feature_gates),
            masquerade_all: one.iptables.masquerade_all,
            masquerade_bit: self.masquerade_bit(one.iptables.masquerade_bit),
            local_mode: self.local_mode(one),
            node_port_addresses: self.node_port_addresses(&one.node_port_addresses),
            strict_arp: one.ipvs.strict_arp,
            ipvs_timeouts: [
                self.duration("ipvs.tcpTimeout", one.ipvs.tcp_timeout),
                self.duration("ipvs.tcpFinTimeout", one.ipvs.tcp_fin_timeout),
                self.duration("ipvs.udpTimeout", one.ipvs.udp_timeout),
            ],
            conntrack: self.conntrack(one),
            oom_score_adj: self.within("oomScoreAdj", one.oom_score_adj, -1000, 1000),
            verbosity: one.logging.verbosity,
            log_format: self.log_format(&one.logging.format),
            own: self.own(one),
            document,
        }
    }

    fn mode(&mut self, document: &mut KubeProxyConfiguration, purpose: Purpose, warnings: &mut Vec<String>) {
        match (document.mode.as_str(), purpose) {
            (IPVS, _) => {}
            (mode, Purpose::CleanUp) if mode.is_empty() || MODES.contains(&mode) => {}
            ("", Purpose::Serve(_)) => {
                IPVS.clone_into(&mut document.mode);
                // Who writes a file writes it for kube-proxy as well; a command line may be ours alone.
                if matches!(self.naming, Naming::Fields(_)) {
                    warnings.push(
                        "mode is not set, for which kube-proxy takes iptables; kube-ipvs takes ipvs, as always"
                            .to_owned(),
                    );
                }
            }
            (other, Purpose::Serve(_)) => {
                self.wrong(
                    "mode",
                    format!("{other:?}"),
                    "kube-ipvs has the mode ipvs only; use ipvs, or kube-proxy",
                );
            }
            (other, Purpose::CleanUp) => {
                let wanted = format!("must be one of kube-proxy's modes, {}, or empty", MODES.join(", "));
                self.wrong("mode", format!("{other:?}"), wanted);
            }
        }
    }

    /// What kube-proxy checks although it means nothing here: a mistake would show only on the way back.
    fn what_has_no_effect(&mut self, document: &KubeProxyConfiguration) {
        if document.client_connection.burst < 0 {
            self.wrong("clientConnection.burst", document.client_connection.burst, "must not be negative");
        }
        self.period("configSyncPeriod", document.config_sync_period);
        let version = &document.show_hidden_metrics_for_version;
        if !["", PREVIOUS_VERSION].contains(&version.as_str()) {
            let wanted = format!("must be {PREVIOUS_VERSION}, the version before kube-proxy 1.36, or empty");
            self.wrong("showHiddenMetricsForVersion", format!("{version:?}"), wanted);
        }
    }

    fn logging(&mut self, document: &KubeProxyConfiguration) {
        let logging = &document.logging;
        if !logging.flush_frequency.0.0.is_positive() {
            self.wrong("logging.flushFrequency", logging.flush_frequency.0, "must be longer than 0s");
        }
        if !logging.vmodule.is_empty() && logging.format != "text" {
            self.wrong(
                "logging.vmodule",
                &logging.format,
                "patterns are for log lines in the format text only",
            );
        }
        for (index, pattern) in logging.vmodule.iter().enumerate() {
            let text = &pattern.file_pattern;
            if text.is_empty() || text.contains(['=', ',']) {
                let field = format!("logging.vmodule[{index}]");
                self.wrong(&field, format!("{text:?}"), "must be a file pattern without = and comma");
            }
        }
        let alpha = feature_gates::allow_alpha_options_of_logs(&document.feature_gates);
        for (field, stream) in
            [("logging.options.text", &logging.options.text), ("logging.options.json", &logging.options.json)]
        {
            if stream.split_stream && !alpha {
                self.wrong(
                    &format!("{field}.splitStream"),
                    true,
                    "needs the feature gate LoggingAlphaOptions",
                );
            }
            let size = &stream.info_buffer_size;
            let size_field = format!("{field}.infoBufferSize");
            if !size.is_valid() {
                self.wrong(&size_field, format!("{:?}", size.0), "must be a quantity such as 512 or 64Ki");
            } else if !size.is_zero() && !alpha {
                self.wrong(&size_field, &size.0, "needs the feature gate LoggingAlphaOptions");
            }
        }
    }

    fn log_format(&mut self, text: &str) -> LogFormat {
        match text {
            "json" => LogFormat::Json,
            "text" => LogFormat::Text,
            other => {
                self.wrong("logging.format", format!("{other:?}"), "must be text or json");
                LogFormat::Text
            }
        }
    }

    fn hostname(&mut self, text: &str) -> Option<String> {
        let name = node_name(text);
        if name.is_none() && !text.is_empty() {
            self.wrong(
                "hostnameOverride",
                format!("{text:?}"),
                "it is blank; give the name of this node's Node object",
            );
        }
        name
    }

    fn scheduler(&mut self, name: &str, purpose: Purpose) -> String {
        // kube-proxy takes an empty name for its default.
        if !name.is_empty()
            && let Purpose::Serve(check) = purpose
            && let Err(reason) = check(name)
        {
            self.refuse("ipvs.scheduler", reason);
        }
        name.to_owned()
    }

    fn masquerade_bit(&mut self, bit: i32) -> u8 {
        u8::try_from(self.within("iptables.masqueradeBit", bit, 0, 31)).unwrap_or_default()
    }

    fn local_mode(&mut self, document: &KubeProxyConfiguration) -> LocalMode {
        let detect = &document.detect_local;
        match document.detect_local_mode.as_str() {
            CLUSTER_CIDR => LocalMode::ClusterCidr(self.cluster_cidr(&document.cluster_cidr)),
            "NodeCIDR" => LocalMode::NodeCidr,
            "BridgeInterface" => LocalMode::BridgeInterface(
                self.not_empty("detectLocal.bridgeInterface", &detect.bridge_interface),
            ),
            "InterfaceNamePrefix" => LocalMode::InterfaceNamePrefix(
                self.not_empty("detectLocal.interfaceNamePrefix", &detect.interface_name_prefix),
            ),
            other => {
                let modes = "must be ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix";
                self.wrong("detectLocalMode", format!("{other:?}"), modes);
                LocalMode::NodeCidr
            }
        }
    }

    fn cluster_cidr(&mut self, text: &str) -> PerFamily<Option<IpNet>> {
        let mut networks: PerFamily<Option<IpNet>> = PerFamily::default();
        if text.is_empty() {
            return networks;
        }
        for cidr in text.split(',').map(str::trim) {
            let Some(network) = IpNet::parsed(cidr) else {
                self.wrong("clusterCIDR", format!("{cidr:?}"), IpNet::WANTED);
                continue;
            };
            let slot = networks.get_mut(Family::of(&network.addr()));
            if slot.is_some() {
                self.wrong("clusterCIDR", text, "must be one network, or one for each family");
            }
            *slot = Some(network);
        }
        networks
    }

    fn node_port_addresses(&mut self, words: &[String]) -> NodePortAddresses {
        const PRIMARY: &str = "primary";
        match words {
            [] => NodePortAddresses::All,
            [word] if word == PRIMARY => NodePortAddresses::Primary,
            words if words.iter().any(|word| word == PRIMARY) => {
                self.wrong(
                    "nodePortAddresses",
                    words.join(","),
                    "must be networks or the word primary, not both",
                );
                NodePortAddresses::Primary
            }
            words => NodePortAddresses::Networks(self.list("nodePortAddresses", words)),
        }
    }

    fn conntrack(&mut self, document: &KubeProxyConfiguration) -> Conntrack {
        let conntrack = &document.conntrack;
        Conntrack {
            max_per_core: self.count("conntrack.maxPerCore", conntrack.max_per_core),
            min: self.count("conntrack.min", conntrack.min),
            tcp_established_timeout: self
                .duration("conntrack.tcpEstablishedTimeout", conntrack.tcp_established_timeout),
            tcp_close_wait_timeout: self
                .duration("conntrack.tcpCloseWaitTimeout", conntrack.tcp_close_wait_timeout),
            tcp_be_liberal: conntrack.tcp_be_liberal,
            udp_timeout: self.duration("conntrack.udpTimeout", conntrack.udp_timeout),
            udp_stream_timeout: self.duration("conntrack.udpStreamTimeout", conntrack.udp_stream_timeout),
        }
    }

    fn own(&mut self, document: &KubeProxyConfiguration) -> Own {
        let own = &document.kube_ipvs;
        let number = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Own {
            drain_timeout: self.duration("kubeIpvs.drainTimeout", own.drain_timeout),
            local_traffic_policy: match own.local_traffic_policy.as_str() {
                "strict" => LocalTrafficPolicy::Strict,
                "kube-proxy" => LocalTrafficPolicy::KubeProxy,
                other => {
                    self.wrong(
                        "kubeIpvs.localTrafficPolicy",
                        format!("{other:?}"),
                        "must be strict or kube-proxy",
                    );
                    LocalTrafficPolicy::Strict
                }
            },
            guard_node_addresses: own.guard_node_addresses,
            node_addresses: self.list("kubeIpvs.nodeAddresses", &own.node_addresses),
            max_bound_addresses: number(own.max_bound_addresses),
            max_service_metrics: number(own.max_service_metrics),
        }
    }
}

/// A gate of another version is no reason to leave a node without a proxy.
fn warn_of_gates(document: &KubeProxyConfiguration, warnings: &mut Vec<String>) {
    let mut without_effect = Vec::new();
    for (name, value) in &document.feature_gates {
        match feature_gates::check(name, *value) {
            Err(reason) => warnings
                .push(format!("feature gate {name}={value}: {reason}, so that it would not start with it")),
            Ok(()) if !feature_gates::has_effect(name) => without_effect.push(name.as_str()),
            Ok(()) => {}
        }
    }
    if !without_effect.is_empty() {
        warnings.push(format!("feature gates without effect here: {}", without_effect.join(", ")));
    }
}

#[cfg(test)]
mod tests;
