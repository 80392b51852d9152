//! The traffic of Services, added up from that of their virtual servers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use dataplane::Traffic;
use model::ObjectKey;
use plan::VirtualServerKey;
use prometheus::proto::MetricFamily;

use super::{catalogue, number};

/// What was counted for the Services that are shown. A virtual server that goes takes its counters with it; what it
/// had counted stays in the sum of its Service, so that the sum never falls.
#[derive(Debug, Default)]
pub(super) struct Totals {
    services: BTreeMap<ObjectKey, Total>,
}

#[derive(Debug, Default)]
struct Total {
    sum: Traffic,
    /// What each virtual server had counted when it was last looked at.
    seen: HashMap<VirtualServerKey, Traffic>,
}

/// The virtual servers of Services, with what the kernel has counted for each.
type Counted = BTreeMap<ObjectKey, Vec<(VirtualServerKey, Traffic)>>;

// === impl Totals ===

impl Totals {
    /// Takes in what the kernel has counted, of the `most` Services with the most packets. The others are not
    /// remembered. Says how many they are.
    pub(super) fn take(&mut self, counted: Counted, most: usize) -> usize {
        let mut ranked: Vec<_> = counted.into_iter().collect();
        let left_out = ranked.len().saturating_sub(most);
        if left_out > 0 {
            ranked.sort_by_cached_key(|(service, servers)| (Reverse(packets(servers)), service.clone()));
            ranked.truncate(most);
        }
        let mut before = std::mem::take(&mut self.services);
        for (service, servers) in ranked {
            let mut total = before.remove(&service).unwrap_or_default();
            total.take(servers);
            self.services.insert(service, total);
        }
        left_out
    }

    /// The virtual servers of the Services that are shown, with their Services, as far as anybody connected to them.
    pub(super) fn used_servers(&self) -> Vec<(ObjectKey, Vec<VirtualServerKey>)> {
        let used = |total: &Total| {
            let servers = total.seen.iter().filter(|(_, traffic)| traffic.connections > 0);
            servers.map(|(server, _)| *server).collect()
        };
        self.services.iter().map(|(service, total)| (service.clone(), used(total))).collect()
    }

    /// The sums as metrics.
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let of = |read: fn(&Traffic) -> u64| {
            self.services.iter().map(move |(service, total)| (labels(service), number(read(&total.sum))))
        };
        let both = |into: fn(&Traffic) -> u64, out: fn(&Traffic) -> u64| {
            let directed = |direction: &'static str| {
                move |([namespace, service], value): ([String; 2], f64)| {
                    ([namespace, service, direction.to_owned()], value)
                }
            };
            of(into).map(directed("in")).chain(of(out).map(directed("out")))
        };
        vec![
            catalogue::SERVICE_CONNECTIONS.family(of(|traffic| traffic.connections)),
            catalogue::SERVICE_PACKETS
                .family(both(|traffic| traffic.packets_in, |traffic| traffic.packets_out)),
            catalogue::SERVICE_BYTES.family(both(|traffic| traffic.bytes_in, |traffic| traffic.bytes_out)),
        ]
    }
}

/// The values of the labels that name a Service.
pub(super) fn labels(service: &ObjectKey) -> [String; 2] {
    [service.namespace.to_string(), service.name.to_string()]
}

/// Puts virtual servers in order by the Services that own them; those of others are left out.
pub(super) fn by_service(
    counted: Vec<(VirtualServerKey, Traffic)>,
    owners: impl IntoIterator<Item = Option<ObjectKey>>,
) -> Counted {
    let mut services = Counted::new();
    for (server, owner) in counted.into_iter().zip(owners) {
        if let Some(owner) = owner {
            services.entry(owner).or_default().push(server);
        }
    }
    services
}

fn packets(servers: &[(VirtualServerKey, Traffic)]) -> u64 {
    servers.iter().map(|(_, traffic)| traffic.packets_in.saturating_add(traffic.packets_out)).sum()
}

// === impl Total ===

impl Total {
    fn take(&mut self, servers: Vec<(VirtualServerKey, Traffic)>) {
        let before = std::mem::take(&mut self.seen);
        for (server, now) in servers {
            let before = before.get(&server).copied().unwrap_or_default();
            // A virtual server that was made anew begins at 0 again.
            let before = if now.packets_in < before.packets_in { Traffic::default() } else { before };
            self.add(now, before);
            self.seen.insert(server, now);
        }
    }

    fn add(&mut self, now: Traffic, before: Traffic) {
        let sum = &mut self.sum;
        sum.connections += now.connections.saturating_sub(before.connections);
        sum.packets_in += now.packets_in.saturating_sub(before.packets_in);
        sum.packets_out += now.packets_out.saturating_sub(before.packets_out);
        sum.bytes_in += now.bytes_in.saturating_sub(before.bytes_in);
        sum.bytes_out += now.bytes_out.saturating_sub(before.bytes_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(number: u8) -> VirtualServerKey {
        VirtualServerKey { address: [10, 96, 0, number].into(), port: 80, protocol: model::Protocol::Tcp }
    }

    fn traffic(count: u64) -> Traffic {
        Traffic {
            connections: count,
            packets_in: count,
            packets_out: count,
            bytes_in: count,
            bytes_out: count,
        }
    }

    /// `service` has virtual servers that have counted so much.
    fn of(service: &str, servers: &[(u8, u64)]) -> (ObjectKey, Vec<(VirtualServerKey, Traffic)>) {
        let servers = servers.iter().map(|(number, count)| (server(*number), traffic(*count)));
        (ObjectKey::new("shop", service), servers.collect())
    }

    fn shown(totals: &Totals) -> Vec<(String, u64)> {
        totals.services.iter().map(|(key, total)| (key.name.to_string(), total.sum.connections)).collect()
    }

    #[test]
    fn a_sum_never_falls() {
        let mut totals = Totals::default();
        let mut check = |servers: &[(u8, u64)], expected| {
            assert_eq!(totals.take([of("web", servers)].into(), 10), 0);
            assert_eq!(shown(&totals), [("web".to_owned(), expected)], "{servers:?}");
        };
        check(&[(1, 5), (2, 7)], 12);
        check(&[(1, 6)], 13);
        check(&[(1, 6), (2, 3)], 16);
        check(&[(1, 2), (2, 3)], 18);
    }

    #[test]
    fn the_busiest_are_shown_and_the_others_counted() {
        let mut totals = Totals::default();
        let services = [of("a", &[(1, 1)]), of("b", &[(2, 9), (3, 9)]), of("c", &[(4, 10)])];
        assert_eq!(totals.take(services.clone().into(), 2), 1);
        assert_eq!(shown(&totals), [("b".to_owned(), 18), ("c".to_owned(), 10)]);
        assert_eq!(totals.take(services.into(), 3), 0);
        assert_eq!(totals.take(Counted::new(), 3), 0);
        assert_eq!(shown(&totals), []);
    }

    #[test]
    fn virtual_servers_that_belong_to_no_service_are_left_out() {
        let web = ObjectKey::new("shop", "web");
        let counted = vec![(server(1), traffic(1)), (server(2), traffic(2))];
        let services = by_service(counted, [None, Some(web.clone())]);
        assert_eq!(services, Counted::from([(web, vec![(server(2), traffic(2))])]));
    }
}
