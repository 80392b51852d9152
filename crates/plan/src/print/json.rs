use serde_json::{Value, json as object};

use super::ipvsadm::flag_names;
use super::operations::{change, command};
use crate::rules::{Ruleset, ruleset};
use crate::{Operation, Options, RealServer, SetId, State, VirtualServer, VirtualServerKey};

/// The whole state as one JSON object with the members `virtualServers`, `sets`, `addresses` and `rules`.
pub fn json(state: &State, options: &Options) -> Value {
    let servers: Vec<Value> =
        state.virtual_servers.iter().map(|(key, server)| virtual_server(key, server)).collect();
    let sets = options.families.iter().copied().flat_map(SetId::all).map(|set| {
        let entries: Vec<String> = state.entries(set).map(ToString::to_string).collect();
        object!({ "name": set.to_string(), "type": set.name.set_type().to_string(), "entries": entries })
    });
    let addresses: Vec<String> = state.addresses.iter().map(ToString::to_string).collect();
    let rules = options.families.iter().map(|family| rules(&ruleset(*family, options)));
    object!({
        "virtualServers": servers,
        "sets": sets.collect::<Vec<Value>>(),
        "interface": crate::INTERFACE,
        "addresses": addresses,
        "rules": rules.collect::<Vec<Value>>(),
    })
}

/// Operations as a JSON list of what is done and of the command that would do the same.
pub fn operations_json(operations: &[Operation]) -> Value {
    let list = operations.iter().map(|operation| {
        let (_, change) = change(operation);
        object!({ "change": change, "command": command(operation) })
    });
    list.collect()
}

fn virtual_server(key: &VirtualServerKey, server: &VirtualServer) -> Value {
    object!({
        "address": key.address.to_string(),
        "port": key.port,
        "protocol": key.protocol.to_string(),
        "scheduler": server.config.scheduler.map(|scheduler| scheduler.name()),
        "schedulerFlags": flag_names(&server.config),
        "persistenceSeconds": server.config.persistence,
        "realServers": server.real_servers.iter().map(real_server).collect::<Vec<Value>>(),
    })
}

fn real_server(real: &RealServer) -> Value {
    object!({ "address": real.address.to_string(), "port": real.port, "weight": real.weight })
}

fn rules(ruleset: &Ruleset) -> Value {
    let lines: Vec<String> = ruleset.to_string().lines().map(str::to_owned).collect();
    object!({ "family": ruleset.family.to_string(), "lines": lines })
}
