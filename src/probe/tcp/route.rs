//! Tells whether this machine has a network at all.
//!
//! Connecting a UDP socket sends nothing: the kernel only looks for a route. That costs microseconds and needs no privileges. The
//! first addresses for "any network" are reserved for documentation (RFC 5737, RFC 3849), so no host answers there. Some machines
//! discard packets to reserved addresses by a route of its own, so two that are in use stand beside them: those of the root name
//! server a.root-servers.net.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

const ANYWHERE: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30)),
];

/// Whether the kernel has a route to `address`.
///
/// Yes if it cannot be asked, for lack of a file descriptor for instance: that must not turn an outage into "unknown".
#[must_use]
pub fn has_route(address: IpAddr) -> bool {
    let local: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = match UdpSocket::bind(SocketAddr::new(local, 0)) {
        Ok(socket) => socket,
        // A machine without the whole address family.
        Err(error) => return !matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable),
    };
    socket.connect(SocketAddr::new(address, 443)).is_ok()
}

/// Whether the kernel has a route to any network, by `has_route`.
#[must_use]
pub fn route_to_anywhere(has_route: fn(IpAddr) -> bool) -> bool {
    ANYWHERE.into_iter().any(has_route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_always_has_a_route() {
        assert!(has_route(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn one_family_is_enough_to_be_somewhere() {
        assert!(route_to_anywhere(|address| address.is_ipv4()));
        assert!(route_to_anywhere(|address| address.is_ipv6()));
        assert!(!route_to_anywhere(|_| false));
    }

    #[test]
    fn a_machine_that_discards_reserved_addresses_is_somewhere() {
        assert!(route_to_anywhere(|ip| ip == IpAddr::from([198, 41, 0, 4])));
        assert!(route_to_anywhere(|ip| ip.is_ipv6() && !ip.to_string().starts_with("2001:db8:")));
    }
}
