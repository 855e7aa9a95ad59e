//! The section `dns` of a site: what the DNS must answer for the host of its URL.
//!
//! Each type of records is inherited by itself; null forgets what `defaults` says about it. Bounds: 20 records of a type, 4 KiB
//! for a text.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use url::Host;

use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, KeyEntry, Scalar};
use crate::config::sections::notes::Notes;
use crate::config::syntax::fault::Fault;
use crate::config::syntax::tree::{Kind, NodeId};
use crate::model::{Expected, RecordExpectation, RecordKind, RecordWish, Resolver, Site, is_localhost};

/// Longest text, bytes.
const TEXT_MAX: usize = 4 << 10;

/// Replaces what is written in `keys`, and notes what only name servers know.
pub(crate) fn read(keys: &mut Keys<'_, '_>, records: &mut Vec<RecordExpectation>, notes: &mut Notes) {
    let reader = keys.reader();
    for kind in RecordKind::ALL {
        let ValueForm::Records(most) = *keys.form(kind.name()) else {
            unreachable!("{} is declared as records", kind.name())
        };
        let at = keys.key(kind.name());
        let Some(id) = keys.take(kind.name()) else { continue };
        if let Some(at) = at.filter(|_| !kind.is_address() && !reader.is_null(id)) {
            notes.records.push((kind, reader.span(at)));
        }
        records.retain(|before| before.kind != kind);
        let wanted = if reader.is_null(id) { None } else { wish(reader, id, kind, most) };
        records.extend(wanted.map(|wanted| RecordExpectation { kind, wanted }));
    }
    records.sort_by_key(|expected| expected.kind);
}

/// Faults expectations of a host that is no name, and those that need name servers where the system is asked.
pub(crate) fn check<'s>(
    reader: &ConfigReader<'_>,
    sites: impl Iterator<Item = (&'s Range<usize>, &'s Site)>,
    notes: &Notes,
    resolver: &Resolver,
) {
    for (span, site) in sites.filter(|(_, site)| !is_looked_up(site)) {
        if let Some(expected) = site.records.first() {
            let message = format!(
                "the host of this URL is not looked up, so `dns` has nothing to judge; remove it, or write \
                 `dns: {{ {}: null }}` if it comes from `defaults`",
                expected.kind.name()
            );
            reader.fault(Fault::new(span.clone(), message));
        }
    }
    for (kind, span) in notes.records.iter().filter(|_| !resolver.asks_name_servers()) {
        let message = format!(
            "`dns.resolver: system` finds addresses only, so nobody can be asked for {}; remove one of the two",
            kind.name()
        );
        reader.fault(Fault::new(span.clone(), message));
    }
}

/// Whether the host of its URL is neither an address nor this machine.
fn is_looked_up(site: &Site) -> bool {
    matches!(site.url.expose().host(), Some(Host::Domain(name)) if !is_localhost(name))
}

fn wish(reader: &ConfigReader<'_>, id: NodeId, kind: RecordKind, most: usize) -> Option<RecordWish> {
    match reader.kind(id) {
        Kind::Map(_) => contained(reader, id, kind).map(RecordWish::Contains),
        Kind::List(items) if items.is_empty() || items.len() > most => {
            reader.fault_at(id, format!("write 1 to {most} records, or absent"));
            None
        }
        Kind::List(items) => {
            // All are read, so that the user sees every fault at once.
            let all: Vec<Option<_>> = items.iter().map(|&item| one(reader, reader.text(item)?, kind)).collect();
            all.into_iter().collect::<Option<_>>().map(RecordWish::Exactly)
        }
        Kind::Scalar { text, .. } => match text.trim() {
            "present" => Some(RecordWish::Present),
            "absent" => Some(RecordWish::Absent),
            _ => one(reader, reader.text(id)?, kind).map(|record| RecordWish::Exactly(vec![record])),
        },
    }
}

/// The record under `contains` of the mapping at `id`.
fn contained(reader: &ConfigReader<'_>, id: NodeId, kind: RecordKind) -> Option<Expected<String>> {
    if let [KeyEntry { name: "contains", value, .. }] = reader.mapping(id)?.as_slice() {
        return one(reader, reader.text(*value)?, kind);
    }
    reader.fault_at(id, "write the records, or { contains: ONE }");
    None
}

fn one(reader: &ConfigReader<'_>, text: Scalar, kind: RecordKind) -> Option<Expected<String>> {
    match record(&text.value, kind) {
        Ok(what) => Some(Expected { shown: text.masked.unwrap_or_else(|| what.clone()), what }),
        Err(message) => {
            reader.fault(text.fault(message));
            None
        }
    }
}

/// `text` in the form in which records are compared.
fn record(text: &str, kind: RecordKind) -> Result<String, String> {
    let (whole, text) = (text, text.trim());
    if text.is_empty() || whole.len() > TEXT_MAX {
        return Err(format!("a record has 1 byte to {} KiB", TEXT_MAX >> 10));
    }
    match kind {
        RecordKind::A => match text.parse::<Ipv4Addr>() {
            Ok(ip) => Ok(ip.to_string()),
            Err(_) => Err(format!("{text:?} is not an IPv4 address, such as 192.0.2.10")),
        },
        RecordKind::Aaaa => match text.parse::<Ipv6Addr>() {
            Ok(ip) => Ok(ip.to_string()),
            Err(_) => Err(format!("{text:?} is not an IPv6 address, such as 2001:db8::10")),
        },
        RecordKind::Cname | RecordKind::Ns => name(text),
        RecordKind::Mx => match text.split_once(char::is_whitespace) {
            None => name(text),
            Some((preference, host)) => {
                let preference: u16 = preference
                    .parse()
                    .map_err(|_| format!("{text:?} is not a mail server, such as 10 mail.example.com"))?;
                let host = host.trim();
                // A domain without mail (RFC 7505).
                let host = if host == "." { host.to_owned() } else { name(host)? };
                Ok(format!("{preference} {host}"))
            }
        },
        RecordKind::Txt => Ok(whole.to_owned()),
        RecordKind::Caa => caa(text),
    }
}

/// A name in its ASCII form.
fn name(text: &str) -> Result<String, String> {
    match Host::parse(text.trim_end_matches('.')) {
        Ok(Host::Domain(name)) => Ok(name),
        _ => Err(format!("{text:?} is not the name of a host, such as www.example.com")),
    }
}

/// The value of a caa, or flags, a tag and the value.
fn caa(text: &str) -> Result<String, String> {
    let value = |text: &str| text.trim_matches(|c: char| c == '"' || c.is_whitespace()).to_owned();
    let split =
        |text: &str| text.split_once(char::is_whitespace).map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()));
    let flags = |text: &str| split(text).and_then(|(flags, rest)| Some((flags.parse::<u8>().ok()?, rest)));
    let alone = value(text);
    match flags(text).or_else(|| flags(&alone)) {
        Some((flags, rest)) => {
            let (tag, rest) = split(&rest).ok_or_else(|| no_caa(text))?;
            Ok(format!("{flags} {} \"{}\"", tag.to_ascii_lowercase(), value(&rest)))
        }
        None if alone.is_empty() || alone.parse::<u8>().is_ok() => Err(no_caa(text)),
        None => Ok(alone),
    }
}

fn no_caa(text: &str) -> String {
    format!("{text:?} is not a caa, such as 0 issue letsencrypt.org")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_have_one_form() {
        for (kind, text, form) in [
            (RecordKind::A, " 192.0.2.10 ", "192.0.2.10"),
            (RecordKind::Aaaa, "2001:DB8:0:0::10", "2001:db8::10"),
            (RecordKind::Cname, "Bücher.example.", "xn--bcher-kva.example"),
            (RecordKind::Ns, "NS1.example.net", "ns1.example.net"),
            (RecordKind::Mx, "mail.example.com.", "mail.example.com"),
            (RecordKind::Mx, "010   Mail.example.com", "10 mail.example.com"),
            (RecordKind::Mx, "0 .", "0 ."),
            (RecordKind::Txt, " v=spf1 -all", " v=spf1 -all"),
            (RecordKind::Caa, "letsencrypt.org", "letsencrypt.org"),
            (RecordKind::Caa, "\";\"", ";"),
            (RecordKind::Caa, "0  issue  \"\"", "0 issue \"\""),
            (RecordKind::Caa, "\"0 issue a.example\"", "0 issue \"a.example\""),
            (RecordKind::Caa, "0 ISSUE \"letsencrypt.org; x=y\"", "0 issue \"letsencrypt.org; x=y\""),
            (RecordKind::Caa, "128 iodef mailto:a@b.example", "128 iodef \"mailto:a@b.example\""),
        ] {
            assert_eq!(record(text, kind).as_deref(), Ok(form), "{kind:?}");
        }
    }

    #[test]
    fn what_is_no_record_of_its_type_is_told() {
        for (kind, text, part) in [
            (RecordKind::A, "2001:db8::10", "not an IPv4 address"),
            (RecordKind::A, "192.0.2", "not an IPv4 address"),
            (RecordKind::Aaaa, "192.0.2.10", "not an IPv6 address"),
            (RecordKind::Cname, "192.0.2.10", "not the name of a host"),
            (RecordKind::Ns, "a b", "not the name of a host"),
            (RecordKind::Mx, "first mail.example.com", "not a mail server"),
            (RecordKind::Mx, "65536 mail.example.com", "not a mail server"),
            (RecordKind::Mx, "10 192.0.2.10", "not the name of a host"),
            (RecordKind::Caa, "0 issue", "not a caa"),
            (RecordKind::Caa, "0", "not a caa"),
            (RecordKind::Caa, "\"", "not a caa"),
            (RecordKind::Caa, "\" \"", "not a caa"),
            (RecordKind::Txt, "", "1 byte to 4 KiB"),
            (RecordKind::Txt, &"x".repeat(5_000), "1 byte to 4 KiB"),
        ] {
            let message = record(text, kind).unwrap_err();
            assert!(message.contains(part), "{kind:?} {text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn a_form_is_its_own_form(text in ".{0,40}") {
            for kind in RecordKind::ALL {
                if let Ok(form) = record(&text, kind) {
                    prop_assert_eq!(record(&form, kind), Ok(form), "{:?}", kind);
                }
            }
        }
    }
}
