//! Which network an address belongs to, and which addresses count as one host.

use std::net::{IpAddr, Ipv4Addr};

/// The part of the world that is reached in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Realm {
    /// RFC 1918, shared (RFC 6598), unique local and link-local addresses: a LAN or a VPN.
    Private,
    /// All others, but loopback.
    Global,
}

impl Realm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Private, Self::Global];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Global => "global",
        }
    }

    /// The realm of `address`; none for loopback, which is always reachable.
    #[must_use]
    pub fn of(address: IpAddr) -> Option<Self> {
        let is_private = match address.to_canonical() {
            // Linux connects 0.0.0.0 to loopback.
            IpAddr::V4(v4) if v4.is_loopback() || v4.is_unspecified() => return None,
            IpAddr::V6(v6) if v6.is_loopback() || v6.is_unspecified() => return None,
            IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || is_shared(v4),
            IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
        };
        Some(if is_private { Self::Private } else { Self::Global })
    }
}

/// Whether `v4` lies in 100.64.0.0/10, behind a provider's NAT or in an overlay network.
const fn is_shared(v4: Ipv4Addr) -> bool {
    let [first, second, ..] = v4.octets();
    first == 100 && second & 0xc0 == 64
}

/// The unit that counts as one host: an IPv4 /24 or an IPv6 /48. Sites within one likely share a machine, a rack or an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// The first three bytes.
    V4([u8; 3]),
    /// The first six bytes.
    V6([u8; 6]),
    /// This site alone, because it was not reached since the start.
    Site(usize),
}

impl Unit {
    /// The unit of `address`.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(first(v4.octets())),
            IpAddr::V6(v6) => Self::V6(first(v6.octets())),
        }
    }
}

/// The first `N` bytes.
fn first<const N: usize, const ALL: usize>(bytes: [u8; ALL]) -> [u8; N] {
    std::array::from_fn(|place| bytes[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_fall_into_realms() {
        for (address, realm) in [
            ("127.0.0.1", None),
            ("127.9.9.9", None),
            ("::1", None),
            ("::ffff:127.0.0.1", None),
            ("0.0.0.0", None),
            ("10.1.2.3", Some(Realm::Private)),
            ("172.31.0.1", Some(Realm::Private)),
            ("172.32.0.1", Some(Realm::Global)),
            ("192.168.1.1", Some(Realm::Private)),
            ("169.254.0.9", Some(Realm::Private)),
            ("100.64.0.1", Some(Realm::Private)),
            ("100.127.255.255", Some(Realm::Private)),
            ("100.128.0.0", Some(Realm::Global)),
            ("fd00::1", Some(Realm::Private)),
            ("fe80::1", Some(Realm::Private)),
            ("::ffff:192.168.1.1", Some(Realm::Private)),
            ("1.1.1.1", Some(Realm::Global)),
            ("2606:4700::1111", Some(Realm::Global)),
        ] {
            assert_eq!(Realm::of(address.parse().unwrap()), realm, "{address}");
        }
    }

    #[test]
    fn neighbours_are_one_unit() {
        let unit = |address: &str| Unit::of(address.parse().unwrap());
        assert_eq!(unit("203.0.113.7"), unit("203.0.113.250"));
        assert_eq!(unit("203.0.113.7"), unit("::ffff:203.0.113.8"));
        assert_ne!(unit("203.0.113.7"), unit("203.0.114.7"));
        assert_eq!(unit("2001:db8:1:2::1"), unit("2001:db8:1:ffff::9"));
        assert_ne!(unit("2001:db8:1::1"), unit("2001:db8:2::1"));
    }
}
