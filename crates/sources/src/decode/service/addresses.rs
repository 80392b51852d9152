//! The addresses at which a Service is reached, and from where.

use std::fmt::Display;
use std::net::IpAddr;

use bytestring::ByteString;
use ipnet::IpNet;
use model::{Family, PerFamily};

use super::raw::{Spec, Status};
use crate::decode::address::{parse_host_ip, parse_range};
use crate::decode::field::Field;
use crate::decode::reader::Reader;

/// The cluster IP of each family: without `ipFamilies` it is `clusterIP` for its own family, else the element
/// of `clusterIPs` that stands where `ipFamilies` names the family (`GetClusterIPByFamily` in kube-proxy).
pub(super) fn cluster_ips(reader: &mut Reader, spec: &mut Spec) -> PerFamily<Option<IpAddr>> {
    let mut ips = PerFamily::default();
    let first = match std::mem::take(&mut spec.cluster_ip) {
        Field::Malformed(reason) => {
            reader.complain("spec.clusterIP", format_args!("{reason}; the Service is not served"));
            return ips;
        }
        field => field.as_ref().cloned().unwrap_or_default(),
    };
    let all = reader.read_list("spec.clusterIPs", std::mem::take(&mut spec.cluster_ips));
    let families = reader.read_list("spec.ipFamilies", std::mem::take(&mut spec.ip_families));
    if first.is_empty() {
        reader.complain("spec.clusterIP", "empty, so the Service has no address and is not served");
        return ips;
    }
    if families.is_empty() {
        if let Some(ip) = read_ip(reader, "spec.clusterIP", &first) {
            *ips.get_mut(Family::of(&ip)) = Some(ip);
        }
        for (index, text) in all.iter().filter(|(_, text)| *text != first) {
            let reason = format_args!("{text:?} is not served, because spec.ipFamilies is empty");
            reader.complain(format_args!("spec.clusterIPs[{index}]"), reason);
        }
        return ips;
    }
    for (index, name) in families {
        let path = format_args!("spec.ipFamilies[{index}]");
        let Some(family) = Family::named(&name) else {
            reader.complain(path, format_args!("{name:?} is neither IPv4 nor IPv6; ignored"));
            continue;
        };
        let Some((_, text)) = all.iter().find(|(position, _)| *position == index) else {
            reader.complain(path, format_args!("spec.clusterIPs has no address for {name}; not served"));
            continue;
        };
        let path = format_args!("spec.clusterIPs[{index}]");
        match read_ip(reader, path, text) {
            Some(ip) if Family::of(&ip) != family => {
                reader.complain(path, format_args!("{text:?} is not an {family} address; ignored"));
            }
            Some(ip) if ips.get(family).is_none() => *ips.get_mut(family) = Some(ip),
            Some(_) | None => (),
        }
    }
    ips
}

/// `externalIPs`; blank entries are allowed and mean nothing.
pub(super) fn external_ips(reader: &mut Reader, field: Field<Vec<Field<ByteString>>>) -> Vec<IpAddr> {
    let texts = reader.read_list("spec.externalIPs", field);
    let filled = texts.into_iter().filter(|(_, text)| !text.trim().is_empty());
    filled
        .filter_map(|(index, text)| read_ip(reader, format_args!("spec.externalIPs[{index}]"), &text))
        .collect()
}

/// The addresses under `status.loadBalancer.ingress` for which traffic arrives with the load balancer's own
/// address as destination: `ipMode` absent or `VIP`.
pub(super) fn load_balancer_ips(reader: &mut Reader, status: Field<Status>) -> Vec<IpAddr> {
    let status = reader.read("status", status).unwrap_or_default();
    let load_balancer = reader.read("status.loadBalancer", status.load_balancer).unwrap_or_default();
    let mut ips = Vec::new();
    for (index, ingress) in reader.read_list("status.loadBalancer.ingress", load_balancer.ingress) {
        let path = format_args!("status.loadBalancer.ingress[{index}]");
        let text = reader.read(format_args!("{path}.ip"), ingress.ip).unwrap_or_default();
        let mode = match ingress.ip_mode {
            // What was meant is unknown, and serving an address that was not asked for is the worse mistake.
            Field::Malformed(reason) => {
                reader
                    .complain(format_args!("{path}.ipMode"), format_args!("{reason}; the entry is ignored"));
                continue;
            }
            mode => mode.as_ref().cloned(),
        };
        match mode.as_deref() {
            _ if text.is_empty() => (),
            None | Some("VIP") => ips.extend(read_ip(reader, format_args!("{path}.ip"), &text)),
            Some("Proxy") => (),
            Some(other) => {
                let reason = format_args!("{other:?} is neither VIP nor Proxy; the entry is ignored");
                reader.complain(format_args!("{path}.ipMode"), reason);
            }
        }
    }
    ips
}

/// `loadBalancerSourceRanges`. A range that covers a whole family lifts the restriction for that family, so
/// then none of its ranges remains (Kubernetes 1.35, kubernetes#132722).
pub(super) fn source_ranges(reader: &mut Reader, field: Field<Vec<Field<ByteString>>>) -> Vec<IpNet> {
    let mut ranges = Vec::new();
    for (index, text) in reader.read_list("spec.loadBalancerSourceRanges", field) {
        match parse_range(text.trim()) {
            Ok(range) => ranges.push(range),
            Err(reason) => reader.complain(
                format_args!("spec.loadBalancerSourceRanges[{index}]"),
                format_args!("{text:?} is {reason}; ignored"),
            ),
        }
    }
    let open: Vec<Family> = ranges
        .iter()
        .filter(|range| range.prefix_len() == 0)
        .map(|range| Family::of(&range.addr()))
        .collect();
    ranges.retain(|range| !open.contains(&Family::of(&range.addr())));
    ranges
}

fn read_ip(reader: &mut Reader, path: impl Display, text: &str) -> Option<IpAddr> {
    match parse_host_ip(text) {
        Ok(ip) => Some(ip),
        Err(reason) => {
            reader.complain(path, format_args!("{text:?} is {reason}; ignored"));
            None
        }
    }
}
