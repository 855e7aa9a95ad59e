//! The zone of a link-local address: the index of the interface that leads to it.
//!
//! Interfaces come and go, so the system is asked each time. A missing one says nothing about the site, like a missing network.

use std::net::SocketAddr;

use dns_lookup::{AddrInfoHints, SockType, getaddrinfo};
use url::Url;

use crate::model::{Cause, Site};
use crate::probe::failure::Failure;

/// The zone for the host of `url`: that of `site` on its own host, otherwise 0.
pub(crate) fn scope(site: &Site, url: &Url) -> Result<u32, Failure> {
    let Some(zone) = site.zone.as_deref().filter(|_| url.host() == site.url.expose().host()) else { return Ok(0) };
    index(zone).ok_or_else(|| {
        let missing = format!("this machine has no network interface {zone}, the zone of the address");
        Failure::new(Cause::Local, missing)
    })
}

/// The index of the interface that is named `zone`, or has it as its index.
pub(crate) fn index(zone: &str) -> Option<u32> {
    if let Ok(number) = zone.parse() {
        return Some(number);
    }
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    // This looks up no name and takes no time; any link-local address carries the index of its zone.
    let found = getaddrinfo(Some(&format!("fe80::1%{zone}")), None, Some(hints)).ok()?;
    found.flatten().find_map(|found| match found.sockaddr {
        SocketAddr::V6(address) => Some(address.scope_id()),
        SocketAddr::V4(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_an_interface_of_this_machine() {
        let url = |text: &str| Url::parse(text).unwrap();
        let zoned = |zone: &str| Site { zone: Some(zone.into()), ..Site::new("a", url("http://[fe80::1]/")) };
        assert_eq!(scope(&zoned("7"), &url("http://[fe80::1]:81/x")), Ok(7));
        assert_eq!(scope(&zoned("7"), &url("http://[fe80::2]/")), Ok(0));
        assert_eq!(scope(&zoned("no-such-if0"), &url("http://b.test/")), Ok(0));
        assert_eq!(scope(&Site::new("a", url("http://[fe80::1]/")), &url("http://[fe80::1]/")), Ok(0));
        let failure = scope(&zoned("no-such-if0"), &url("http://[fe80::1]/")).unwrap_err();
        assert!(failure.cause == Cause::Local && failure.detail.contains("no network interface no-such-if0"));
        #[cfg(target_os = "linux")]
        assert!(scope(&zoned("lo"), &url("http://[fe80::1]/")).is_ok_and(|scope| scope > 0));
    }
}
