//! The hosts and ports of a connection URL.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::Host;
use super::parameters::Listed;
use crate::database::url::{Part, Reader};

const DEFAULT_PORT: u16 = 5432;

impl Reader {
    pub(super) fn authority(&mut self, authority: Part<'_>, hosts: &mut Vec<Host>) {
        if authority.text.is_empty() {
            return;
        }
        for element in authority.split(',') {
            let found = self.host_and_port(element, DEFAULT_PORT);
            hosts.extend(found.map(|(host, port)| at_port(host, port)));
        }
    }

    /// `?host=a,b&port=1,2`: one port for all hosts, or one for each.
    pub(super) fn listed_hosts(&mut self, listed: Listed<'_>, whole: Part<'_>, hosts: &mut Vec<Host>) {
        if let Some((part, names)) = listed.hosts {
            if !hosts.is_empty() {
                self.error(part, "the host is given twice, before the path and as a parameter");
                return;
            }
            let names: Vec<String> = names
                .split(',')
                .filter_map(|name| self.listed_host(part, name))
                .collect();
            hosts.extend(names.into_iter().map(|name| at_port(name, DEFAULT_PORT)));
        }
        let Some(given) = listed.ports else { return };
        let ports: Vec<u16> = given
            .split(',')
            .filter_map(|port| self.port(port, DEFAULT_PORT))
            .collect();
        match ports.as_slice() {
            [port] => hosts.iter_mut().for_each(|host| set_port(host, *port)),
            ports if ports.len() == hosts.len() => {
                hosts
                    .iter_mut()
                    .zip(ports)
                    .for_each(|(host, port)| set_port(host, *port));
            }
            _ if whole.masked() => {}
            _ => self.error(given, "there must be one port, or as many as there are hosts"),
        }
    }

    pub(super) fn listed_host(&mut self, part: Part<'_>, name: &str) -> Option<String> {
        if name.parse::<Ipv6Addr>().is_ok() {
            Some(name.to_owned())
        } else {
            self.host(part, name)
        }
    }
}

fn at_port(name: String, port: u16) -> Host {
    if name.starts_with('/') {
        Host::Unix {
            folder: PathBuf::from(name),
            port,
        }
    } else {
        Host::Tcp { name, port }
    }
}

fn set_port(host: &mut Host, to: u16) {
    match host {
        Host::Tcp { port, .. } | Host::Unix { port, .. } => *port = to,
    }
}
