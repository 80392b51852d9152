use crate::{
    Errno, Error, Outcome, Refused,
    message::Message,
    replay::{Compare, replay},
};

use super::{
    FLAG_HASHED, FLAG_PERSISTENT, FLAG_SCHEDULER_2, Family, Forwarding, Info, Ipvs, RealServer, Request,
    Stats, Timeouts, VirtualServer, VirtualServerConfig, VirtualServerId, has_family, parse,
};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Of the captures.
const FAMILY: u16 = 0x20;

/// `ipvsadm` sends the whole virtual server with each of its real servers, where its identity is enough, and the
/// type of a tunnel where there is none.
const WITHOUT_EXTRAS: Compare = Compare::Some { header: 4 };

fn ipvs(capture: &str, compare: Compare) -> Ipvs {
    Ipvs { connection: replay(&format!("ipvs/{capture}"), compare), family: FAMILY }
}

#[track_caller]
fn check(capture: &str, compare: Compare, request: Request, expected: Outcome) {
    assert_eq!(ipvs(capture, compare).apply(&[request]), Ok(vec![expected]));
}

fn refused(errno: Errno) -> Outcome {
    Err(Refused { errno, message: None })
}

fn address(protocol: u8, address: &str, port: u16) -> VirtualServerId {
    VirtualServerId::Address { protocol, address: address.parse().unwrap(), port }
}

fn config(id: VirtualServerId, scheduler: &str) -> VirtualServerConfig {
    VirtualServerConfig {
        id,
        scheduler: scheduler.to_owned(),
        flags: 0,
        timeout: 0,
        netmask: 0xffff_ffff,
        persistence_engine: None,
    }
}

fn server(address: &str, port: u16, weight: u32) -> RealServer {
    RealServer {
        address: address.parse().unwrap(),
        port,
        weight,
        forwarding: Forwarding::Masquerade,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn https() -> VirtualServerId {
    address(TCP, "10.96.0.1", 443)
}

fn web() -> VirtualServerConfig {
    VirtualServerConfig {
        flags: FLAG_PERSISTENT,
        timeout: 360,
        netmask: 0xffff_ff00,
        ..config(address(TCP, "10.96.0.2", 80), "sh")
    }
}

fn dns_v6() -> VirtualServerConfig {
    VirtualServerConfig {
        flags: FLAG_PERSISTENT | FLAG_SCHEDULER_2,
        timeout: 10800,
        netmask: 64,
        ..config(address(UDP, "2001:db8::1", 53), "mh")
    }
}

fn sip() -> VirtualServerConfig {
    VirtualServerConfig {
        flags: FLAG_PERSISTENT,
        timeout: 60,
        persistence_engine: Some("sip".to_owned()),
        ..config(address(UDP, "10.96.0.3", 5060), "rr")
    }
}

fn marked() -> VirtualServerId {
    VirtualServerId::FirewallMark { family: Family::Inet, mark: 7 }
}

fn listed(config: VirtualServerConfig) -> VirtualServer {
    let VirtualServerConfig { id, scheduler, flags, timeout, netmask, persistence_engine } = config;
    let (flags, stats) = (flags | FLAG_HASHED, Stats::default());
    VirtualServer { id, scheduler, flags, timeout, netmask, persistence_engine, stats }
}

#[test]
fn adds_and_changes_virtual_servers_as_ipvsadm_does() {
    let add = |capture, config| check(capture, Compare::Bytes, Request::AddVirtualServer(config), Ok(()));
    add("add-virtual-server", config(https(), "rr"));
    add("add-virtual-server-persistent-v4", web());
    add("add-virtual-server-persistent-v6", dns_v6());
    add("add-virtual-server-fwmark", config(marked(), "wlc"));
    add("add-virtual-server-engine", sip());
    let set = Request::SetVirtualServer(config(https(), "wrr"));
    check("set-virtual-server", Compare::Bytes, set, Ok(()));
}

#[test]
fn adds_and_changes_real_servers_as_ipvsadm_does() {
    let add = |capture, service, server| {
        check(capture, WITHOUT_EXTRAS, Request::AddRealServer { service, server }, Ok(()));
    };
    add("add-real-server", https(), server("10.244.1.2", 6443, 1));
    let limited =
        RealServer { upper_threshold: 100, lower_threshold: 50, ..server("2001:db8:1::2", 5353, 5) };
    add("add-real-server-v6", dns_v6().id, limited);
    let tunnelled = RealServer { forwarding: Forwarding::Tunnel, ..server("10.244.1.9", 80, 2) };
    add("add-real-server-fwmark", marked(), tunnelled);
    let drain = Request::SetRealServer { service: https(), server: server("10.244.1.2", 6443, 0) };
    check("set-real-server", WITHOUT_EXTRAS, drain, Ok(()));
}

#[test]
fn deletes_as_ipvsadm_does() {
    let real =
        Request::DeleteRealServer { service: https(), address: "10.244.1.2".parse().unwrap(), port: 6443 };
    check("delete-real-server", WITHOUT_EXTRAS, real.clone(), Ok(()));
    check("delete-real-server-missing", WITHOUT_EXTRAS, real, refused(Errno::ENOENT));
    let service = Request::DeleteVirtualServer(https());
    check("delete-virtual-server", WITHOUT_EXTRAS, service.clone(), Ok(()));
    check("delete-virtual-server-missing", WITHOUT_EXTRAS, service, refused(Errno::ESRCH));
}

#[test]
fn a_refusal_carries_the_kernels_reason() {
    let check = |capture, compare, request, errno| check(capture, compare, request, refused(errno));
    let add = Request::AddVirtualServer(config(https(), "rr"));
    check("add-virtual-server-exists", Compare::Bytes, add, Errno::EEXIST);
    let unknown = Request::AddVirtualServer(config(address(TCP, "10.96.0.9", 443), "nosuch"));
    check("add-virtual-server-unknown-scheduler", Compare::Bytes, unknown, Errno::ENOENT);
    let missing = Request::SetVirtualServer(config(address(TCP, "10.96.0.66", 443), "wrr"));
    check("set-virtual-server-missing", Compare::Bytes, missing, Errno::ESRCH);
    let again = Request::AddRealServer { service: https(), server: server("10.244.1.2", 6443, 1) };
    check("add-real-server-exists", WITHOUT_EXTRAS, again, Errno::EEXIST);
}

/// `ipvsadm -Ln --stats` lists the virtual servers, and then the real servers of each in the order it prints.
#[test]
fn lists_what_ipvsadm_lists() {
    let mut ipvs = ipvs("list", Compare::Bytes);
    let traffic = Stats { connections: 2, packets_in: 12, packets_out: 12, bytes_in: 866, bytes_out: 1324 };
    let mut found = ipvs.virtual_servers().unwrap();
    found.sort_by_key(|server| server.id);
    let web_with_traffic = VirtualServer { stats: traffic, ..listed(web()) };
    let expected = vec![
        listed(config(https(), "wrr")),
        web_with_traffic,
        listed(sip()),
        listed(dns_v6()),
        listed(config(marked(), "wlc")),
    ];
    assert_eq!(found, expected);

    let mut of = |id: VirtualServerId| ipvs.real_servers(&id).unwrap();
    let [https_server] = &of(https())[..] else { panic!("one real server") };
    assert_eq!(https_server.server, server("10.244.1.2", 6443, 0));
    let [web_server] = &of(web().id)[..] else { panic!("one real server") };
    assert_eq!(web_server.server, server("10.1.1.1", 8080, 3));
    assert_eq!(web_server.stats, traffic);
    let connections =
        (web_server.active_connections, web_server.inactive_connections, web_server.persistent_connections);
    assert_eq!(connections, (0, 3, 1));
    assert_eq!(of(sip().id), []);
    let [dns_server] = &of(dns_v6().id)[..] else { panic!("one real server") };
    let limited =
        RealServer { upper_threshold: 100, lower_threshold: 50, ..server("2001:db8:1::2", 5353, 5) };
    assert_eq!(dns_server.server, limited);
    let [tunnelled] = &of(marked())[..] else { panic!("one real server") };
    assert_eq!(tunnelled.server.forwarding, Forwarding::Tunnel);
}

#[test]
fn counters_are_read_without_the_rest() {
    let mut ipvs = ipvs("list", Compare::Bytes);
    let mut found = ipvs.statistics().unwrap();
    found.sort_by_key(|(id, _)| *id);
    let traffic = Stats { connections: 2, packets_in: 12, packets_out: 12, bytes_in: 866, bytes_out: 1324 };
    let idle = |id| (id, Stats::default());
    let expected = [idle(https()), (web().id, traffic), idle(sip().id), idle(dns_v6().id), idle(marked())];
    assert_eq!(found, expected);
    // The rest of the capture.
    for (id, _) in found {
        ipvs.real_servers(&id).unwrap();
    }
}

#[test]
fn what_is_listed_can_be_set_again() {
    assert_eq!(listed(dns_v6()).config(), dns_v6());
}

#[test]
fn reads_and_sets_timeouts() {
    let timeouts = ipvs("timeouts", Compare::Bytes).timeouts();
    assert_eq!(timeouts, Ok(Timeouts { tcp: 900, tcp_fin: 120, udp: 300 }));
    // ipvsadm sends a zero for what it leaves alone, this crate sends nothing.
    let mut setter = ipvs("set-timeouts", Compare::Type);
    assert_eq!(setter.set_timeouts(Timeouts { tcp: 900, tcp_fin: 0, udp: 300 }), Ok(()));
}

#[test]
fn reads_the_version() {
    let info = ipvs("info", Compare::Bytes).info();
    assert_eq!(info, Ok(Info { version: (1, 2, 1), connection_table_size: 4096 }));
}

#[test]
fn resolves_the_family() {
    assert_eq!(Ipvs::over(replay("ipvs/family", Compare::Bytes)).unwrap().family, FAMILY);
}

#[test]
fn a_kernel_without_the_family_is_an_error() {
    let missing = Ipvs::over(replay("ipvs/family-missing", Compare::Type));
    assert_eq!(missing.map(|_| ()), Err(Error::FamilyMissing { name: "IPVS" }));
}

#[test]
fn an_address_family_is_missing_only_if_the_kernel_says_so() {
    let answered = |errno| Error::Kernel { what: "asking", errno, message: None };
    assert_eq!(has_family(Ok(())), Ok(true));
    assert_eq!(has_family(Err(answered(Errno::ESRCH))), Ok(true));
    assert_eq!(has_family(Err(answered(Errno::EAFNOSUPPORT))), Ok(false));
    assert_eq!(has_family(Err(answered(Errno::EPERM))), Err(answered(Errno::EPERM)));
}

pub(crate) fn parse_as_anything(message: &Message<'_>) {
    let _ = (parse::virtual_server(message), parse::timeouts(message), parse::info(message));
    let _ = parse::statistics(message);
    let _ = [Family::Inet, Family::Inet6].map(|family| parse::real_server(message, family));
}
