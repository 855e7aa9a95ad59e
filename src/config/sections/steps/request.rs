//! The keys about one request and its answer that a site and a step share.

use crate::config::keys::mapping::Keys;
use crate::config::keys::value::{self, set};
use crate::config::sections::expect;
use crate::model::{RedirectBody, Redirects, Site};

/// Replaces what is written in `keys`.
pub(crate) fn read_request(keys: &mut Keys<'_, '_>, site: &mut Site) {
    set(&mut site.method, keys.value("method", value::method));
    let max_redirects = keys.whole("max_redirects").map(|number| u8::try_from(number).expect("at most 31"));
    set(&mut site.max_redirects, max_redirects);
    set(&mut site.redirects, keys.choice("redirects", [Redirects::Any, Redirects::SameHost, Redirects::None]));
    set(&mut site.redirect_body, keys.choice("redirect_body", [RedirectBody::SameHost, RedirectBody::Any]));
    set(&mut site.max_body, keys.size("max_body"));
    keys.section("expect", |keys| expect::read(keys, &mut site.expect));
}
