//! The zone of a link-local address: the number of the interface that it is reached through.

use std::net::SocketAddr;

use dns_lookup::{AddrInfoHints, SockType, getaddrinfo};

/// The number of the interface that is called `zone`, or has it as its number.
pub(super) fn index(zone: &str) -> Option<u32> {
    if let Ok(number) = zone.parse() {
        return Some(number);
    }
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    // An address is not looked up, so this takes no time; any link-local one has the number of its zone.
    let found = getaddrinfo(Some(&format!("fe80::1%{zone}")), None, Some(hints)).ok()?;
    found.flatten().find_map(|found| match found.sockaddr {
        SocketAddr::V6(address) => Some(address.scope_id()),
        SocketAddr::V4(_) => None,
    })
}
