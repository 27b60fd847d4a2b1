//! Origins: the addresses that a token may be used from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// An address, or a network of them.
///
/// An IPv4 address that is mapped into IPv6 (`::ffff:203.0.113.9`) is that IPv4 address, on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(IpNet);

/// A text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Neither an address nor a network.
    #[error("{0:?} is neither an address such as 203.0.113.9 nor a network such as 203.0.113.0/24")]
    Malformed(String),
    /// An address in a network, so that it is not certain which of the two is meant.
    #[error("{written} is an address in a network: write {network} for the network, or the address alone")]
    Beyond {
        /// As it was written.
        written: String,
        /// The network that it lies in.
        network: IpNet,
    },
}

impl Origin {
    /// Whether the address is one of these.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let malformed = || OriginError::Malformed(text.to_owned());
        if !text.contains('/') {
            let address: IpAddr = text.parse().map_err(|_| malformed())?;
            return Ok(Self(address.to_canonical().into()));
        }
        let network: IpNet = text.parse().map_err(|_| malformed())?;
        if network.trunc() != network {
            return Err(OriginError::Beyond {
                written: text.to_owned(),
                network: network.trunc(),
            });
        }
        Ok(Self(unmapped(network)))
    }
}

/// A network of mapped IPv4 addresses as the IPv4 network that it is.
fn unmapped(network: IpNet) -> IpNet {
    /// The bits before the IPv4 address (RFC 4291, section 2.5.5.2).
    const MAPPED: u8 = 96;
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(MAPPED));
    match v4.map(|(address, prefix)| Ipv4Net::new(address, prefix)) {
        Some(Ok(v4)) => v4.into(),
        _ => network,
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(formatter)
        } else {
            self.0.fmt(formatter)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_holds_its_addresses_and_no_others() {
        for (origin, inside, outside) in [
            (
                "203.0.113.0/24",
                &["203.0.113.0", "203.0.113.255", "::ffff:203.0.113.7"][..],
                &["203.0.112.255", "203.0.114.0", "::203.0.113.7", "::ffff:203.0.112.255"][..],
            ),
            (
                "203.0.113.9",
                &["203.0.113.9", "::ffff:203.0.113.9"],
                &["203.0.113.8", "203.0.113.10"],
            ),
            (
                "::ffff:203.0.113.9",
                &["203.0.113.9", "::ffff:cb00:7109"],
                &["203.0.113.8"],
            ),
            ("::ffff:203.0.113.0/120", &["203.0.113.9"], &["203.0.114.9"]),
            (
                "2001:db8::/32",
                &["2001:db8::", "2001:db8:ffff::1"],
                &["2001:db9::", "203.0.113.9"],
            ),
            ("2001:db8::1", &["2001:db8:0::1"], &["2001:db8::2"]),
            ("0.0.0.0/0", &["203.0.113.9", "::ffff:203.0.113.9"], &["2001:db8::1"]),
            ("::/0", &["2001:db8::1"], &["203.0.113.9", "::ffff:203.0.113.9"]),
        ] {
            let origin: Origin = origin.parse().unwrap();
            for (addresses, expected) in [(inside, true), (outside, false)] {
                for address in addresses {
                    assert_eq!(
                        origin.contains(address.parse().unwrap()),
                        expected,
                        "{address} in {origin}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for (text, expected) in [
            ("", "\"\" is neither an address such as"),
            ("localhost", "\"localhost\" is neither"),
            ("203.0.113.0/33", "\"203.0.113.0/33\" is neither"),
            ("203.0.113/24", "\"203.0.113/24\" is neither"),
            ("203.0.113.9/", "\"203.0.113.9/\" is neither"),
            (" 203.0.113.9", "\" 203.0.113.9\" is neither"),
            ("010.0.0.1", "\"010.0.0.1\" is neither"),
            (
                "203.0.113.9/24",
                "203.0.113.9/24 is an address in a network: write 203.0.113.0/24 for the network, or the address alone",
            ),
            (
                "2001:db8::1/32",
                "2001:db8::1/32 is an address in a network: write 2001:db8::/32 for",
            ),
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn an_origin_is_shown_as_one_would_write_it() {
        for text in ["203.0.113.0/24", "203.0.113.9", "2001:db8::/32", "2001:db8::1"] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
        assert_eq!("203.0.113.9/32".parse::<Origin>().unwrap().to_string(), "203.0.113.9");
    }
}
