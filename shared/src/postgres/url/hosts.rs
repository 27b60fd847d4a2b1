//! The hosts and ports of a connection URL.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::Host;
use super::parameters::Listed;
use super::reader::{Part, Reader};

const DEFAULT_PORT: u16 = 5432;

impl Reader {
    pub(super) fn authority(&mut self, authority: Part<'_>, hosts: &mut Vec<Host>) {
        if authority.text.is_empty() {
            return;
        }
        for element in authority.split(',') {
            if element.text.contains('@') {
                self.error(
                    element,
                    "the host holds an `@`; an `@` in the user's name or password must be written %40, or everything \
                     after it is taken for the host",
                );
                continue;
            }
            let bracketed = element.text.starts_with('[').then(|| element.text.find(']')).flatten();
            let name_end = bracketed.map_or_else(|| element.text.find(':'), |end| Some(end + 1));
            let name_end = name_end.unwrap_or(element.text.len());
            let (name, port) = (element.sub(0..name_end), element.sub(name_end..element.text.len()));
            let port = match port.text.strip_prefix(':') {
                Some(_) => self.port(port.sub(1..port.text.len())),
                None if port.text.is_empty() => Some(DEFAULT_PORT),
                None => {
                    self.error(
                        port,
                        "there is something other than a port after the `]` of an IPv6 address",
                    );
                    None
                }
            };
            let Some(port) = port else { continue };
            let host = match bracketed {
                Some(end) => self.ipv6(name.sub(1..end)),
                None => self.decode(name, "host").and_then(|decoded| self.host(name, &decoded)),
            };
            hosts.extend(host.map(|host| at_port(host, port)));
        }
    }

    /// A port; 5432 when empty, as in libpq. A placeholder passes for 5432 here, since only its place is judged.
    pub(super) fn port(&mut self, port: Part<'_>) -> Option<u16> {
        if port.text.is_empty() || port.masked() {
            return Some(DEFAULT_PORT);
        }
        let number = port.text.parse().ok().filter(|port| *port != 0);
        if number.is_none() {
            self.error(
                port,
                "the port is not a number from 1 to 65535; a `/` or `:` in the user's name or password must be written \
                 %2F or %3A, and an IPv6 address stands in [brackets]",
            );
        }
        number
    }

    pub(super) fn ipv6(&mut self, address: Part<'_>) -> Option<String> {
        let decoded = self.decode(address, "host")?;
        let plain = decoded.split('%').next().unwrap_or_default();
        if plain.parse::<Ipv6Addr>().is_err() && !address.masked() {
            self.error(address, "what stands in [brackets] is not an IPv6 address");
            return None;
        }
        Some(decoded)
    }

    /// Checks a host that libpq would try to resolve whatever it holds.
    pub(super) fn host(&mut self, part: Part<'_>, host: &str) -> Option<String> {
        if part.masked() || host.starts_with('/') {
            return Some(host.to_owned());
        }
        if host.is_empty() {
            self.error(part, "a host is empty");
        } else if host.contains(':') {
            self.error(
                part,
                "the host holds a `:`; its port stands after it as it is, `{{DB_HOST}}:{{DB_PORT}}`",
            );
        } else if host.contains(|c: char| c.is_whitespace() || c.is_control() || "@/?#%\\\"'".contains(c)) {
            self.error(part, "the host holds a character that no host has");
        } else {
            return Some(host.to_owned());
        }
        None
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
        let ports: Vec<u16> = given.split(',').filter_map(|port| self.port(port)).collect();
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
