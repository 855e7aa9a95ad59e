//! The section `domain` of a site: whether the end of its domain's registration is watched. Its presence turns that on, `off` turns
//! off what `defaults` says.

use std::time::Duration;

use url::Url;

use crate::config::keys::mapping::Keys;
use crate::config::keys::value::set;
use crate::model::DomainTerms;

/// Replaces what is written under `domain` of `keys`.
pub(crate) fn read(keys: &mut Keys<'_, '_>, terms: &mut Option<DomainTerms>) {
    if keys.take_word("domain", "off") {
        *terms = None;
        return;
    }
    let reader = keys.reader();
    let is_written = keys.place("domain").is_some_and(|id| !reader.is_null(id));
    keys.section("domain", |keys| {
        let mut written = terms.clone().unwrap_or_default();
        let days = |days: u32| Duration::from_hours(24 * u64::from(days));
        set(&mut written.warn, keys.whole("warn_days").map(days));
        set(&mut written.bootstrap, keys.value("bootstrap", bootstrap));
        if is_written {
            *terms = Some(written);
        }
    });
}

/// The URL of a list of registries. The message does not quote the text.
fn bootstrap(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or("this is not the URL of a list of registries, such as https://data.iana.org/rdap/dns.json")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the list of registries is asked for without user and password; remove them".to_owned());
    }
    Ok(url)
}
