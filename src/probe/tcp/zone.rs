//! The zone of a link-local address: the number of the interface that it is reached through.
//!
//! The system is asked each time, since interfaces come and go. One that is not there is a matter of this machine and
//! says nothing of the site, as a machine without a network says nothing.

use std::net::SocketAddr;

use dns_lookup::{AddrInfoHints, SockType, getaddrinfo};
use url::Url;

use crate::model::{Cause, Site};
use crate::probe::failure::Failure;

/// The zone of the host of `url`, 0 for none: that of `site`, on its own host.
pub(crate) fn scope(site: &Site, url: &Url) -> Result<u32, Failure> {
    let Some(zone) = site.zone.as_deref().filter(|_| url.host() == site.url.expose().host()) else { return Ok(0) };
    index(zone).ok_or_else(|| {
        let missing = format!("this machine has no network interface {zone}, which the address names as its zone");
        Failure::new(Cause::Local, missing)
    })
}

/// The number of the interface that is called `zone`, or has it as its number.
pub(crate) fn index(zone: &str) -> Option<u32> {
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
