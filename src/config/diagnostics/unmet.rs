//! Warns of expectations that no answer can meet, and of keys without effect beside others.

use url::Host;

use crate::config::keys::value::format_size;
use crate::model::time::duration;
use crate::model::{BodyExpectations, Protocol, Redirects, Site, StatusSet};

/// Passes the warnings about `site` to `add`.
pub(crate) fn expectations(site: &Site, add: &mut dyn FnMut(String)) {
    names(site, add);
    handshake(site, add);
    if site.steps.is_empty() {
        return request(site, add);
    }
    for step in &*site.steps {
        let Some(outline) = step.outline(site) else { continue };
        request(&outline, &mut |text| add(format!("{}: {text}", step.title())));
    }
    response_time(site, add);
}

/// Of a site's only request, or of a step.
fn request(site: &Site, add: &mut dyn FnMut(String)) {
    address(site, add);
    statuses(site, add);
    body(site, add);
    response_time(site, add);
    if site.redirects == Redirects::None && site.max_redirects != 0 && site.max_redirects != 10 {
        add("max_redirects has no effect with `redirects: none`".to_owned());
    }
}

fn response_time(site: &Site, add: &mut dyn FnMut(String)) {
    if let Some(limit) = site.expect.max_response_time.filter(|limit| *limit >= site.timeout) {
        let (limit, timeout) = (duration::format(limit), duration::format(site.timeout));
        add(format!("max_response_time {limit} has no effect: the timeout {timeout} ends the check first"));
    }
}

fn address(site: &Site, add: &mut dyn FnMut(String)) {
    if let (Some(Host::Ipv6(ip)), None, None) = (site.url.expose().host(), &site.zone, &site.connect_to)
        && ip.is_unicast_link_local()
    {
        add(format!("the link-local address {ip} needs its interface, as in http://[{ip}%25eth0]/"));
    }
}

fn names(site: &Site, add: &mut dyn FnMut(String)) {
    if !site.records.is_empty() && site.proxy.for_url(site.url.expose()).is_some() {
        add("dns is judged by what this machine's name servers say, but the proxy looks the name up itself".to_owned());
    }
    if site.domain.is_some() && site.registrable_host().is_none() {
        add("domain has no effect: the host of the URL is no part of a registered domain; `domain: off` says so"
            .to_owned());
    }
}

fn handshake(site: &Site, add: &mut dyn FnMut(String)) {
    // A redirect may lead to https on the same host.
    let steps = site.steps.iter().filter_map(|step| step.outline(site));
    let is_redirected = if site.steps.is_empty() {
        site.follows_redirects()
    } else {
        steps.into_iter().any(|step| step.follows_redirects())
    };
    if site.is_https() || is_redirected {
        return;
    }
    for (key, is_set) in [("pin", !site.tls.pins.is_empty()), ("server_name", site.tls.server_name.is_some())] {
        if is_set {
            add(format!("tls.{key} has no effect: the URL is http, and redirects are not followed"));
        }
    }
}

fn statuses(site: &Site, add: &mut dyn FnMut(String)) {
    let set = &site.expect.status;
    if site.follows_redirects()
        && let Some((low, high)) = set.names_redirect()
    {
        // 304 and similar ones between them are not followed.
        let redirects = [(301, 303), (307, 308)].map(|(first, last)| (low.max(first), high.min(last)));
        let followed = StatusSet::from_ranges(redirects.into_iter().filter(|(low, high)| low <= high).collect());
        add(format!(
            "the status {followed} is never seen, because redirects are followed; add `redirects: none` to see it"
        ));
    }
    // 101 is final: the server changes the protocol.
    let provisional = |&(low, high): &(u16, u16)| high <= 199 && !(low..=high).contains(&101);
    if let Some(&range) = set.ranges().iter().find(|range| provisional(range)) {
        let range = StatusSet::from_ranges(vec![range]);
        add(format!("the status {range} is never seen: a final one follows it"));
    }
}

fn body(site: &Site, add: &mut dyn FnMut(String)) {
    if site.body_max() < site.max_body {
        let read = format_size(site.body_max());
        add(format!("max_body is above {read}, but a body that is searched is read no further"));
    }
    let expect = &site.expect;
    let BodyExpectations { contains, regex, json, is_taken_from, .. } = &*expect.body;
    let is_meant = [
        ("body_contains", !contains.is_empty()),
        ("body_regex", regex.as_ref().is_some_and(|pattern| !pattern.what.is_match(b""))),
        ("json", !json.is_empty()),
        ("take", *is_taken_from),
    ];
    let Some((key, _)) = is_meant.into_iter().find(|(_, is_meant)| *is_meant) else { return };
    let bodiless = |&(low, high): &(u16, u16)| (low..=high).all(|code| matches!(code, 100..=199 | 204 | 304));
    if site.protocol != Protocol::Http {
        // What another protocol says is the body.
    } else if site.method == "HEAD" {
        add(format!("{key} is never met: an answer to HEAD has no body; use GET"));
    } else if expect.status.ranges().iter().all(bodiless) {
        add(format!("{key} is never met: an answer with status {} has no body", expect.status));
    }
    if contains.iter().any(|part| part.what.len() as u64 > site.max_body) {
        let most = format_size(site.max_body);
        add(format!("body_contains is never met: it is longer than the {most} that max_body reads"));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse;

    fn warnings(keys: &str) -> String {
        let text = format!("sites: [{{ name: a, url: 'https://a.example', {keys} }}]");
        let config = parse(&text, "sites.yaml", Path::new("/etc"), &|_| None);
        config.unwrap_or_else(|error| panic!("{keys}: {error}")).warnings.join("\n")
    }

    #[test]
    fn impossible_expectations_are_reported() {
        for (keys, part) in [
            ("expect: { status: 301 }", "the status 301 is never seen, because redirects are followed"),
            ("expect: { status: '200,301-308' }", "the status 301-303,307-308 is never seen"),
            ("expect: { status: [303, '305-307'] }", "the status 303 is never seen"),
            ("expect: { status: '304-307' }", "the status 307 is never seen"),
            ("expect: { status: 301 }, redirects: same-host", "never seen"),
            ("expect: { status: 100 }", "the status 100 is never seen: a final one"),
            ("method: HEAD, expect: { body_contains: ok }", "body_contains is never met: an answer to HEAD"),
            ("method: HEAD, expect: { json: { /a: 1 } }", "json is never met: an answer to HEAD"),
            ("method: HEAD, expect: { body_regex: ok }", "body_regex is never met: an answer to HEAD"),
            ("expect: { status: '204,304', body_contains: ok }", "an answer with status 204,304 has no body"),
            ("max_body: 1B, expect: { body_contains: ok }", "longer than the 1B"),
            ("expect: { max_response_time: 10s }", "max_response_time 10s has no effect"),
            ("redirects: none, max_redirects: 3", "max_redirects has no effect"),
            ("proxy: 'http://proxy.example', dns: { a: present }", "the proxy looks the name up itself"),
        ] {
            let said = warnings(keys);
            assert!(said.contains(part) && said.lines().count() == 1, "{keys}: {said:?}");
        }
    }

    #[test]
    fn what_is_said_of_tls_is_of_use_with_tls_alone() {
        let pin = "pin: sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        for (keys, key) in [(pin, "tls.pin"), ("server_name: b.example", "tls.server_name")] {
            for (url, redirects, warns) in [
                ("http://a.example", "none", true),
                ("http://a.example", "any", false),
                ("https://a.example", "none", false),
            ] {
                let text = format!("sites: [{{ url: '{url}', redirects: {redirects}, tls: {{ {keys} }} }}]");
                let config = parse(&text, "sites.yaml", Path::new("/etc"), &|_| None).unwrap();
                let said = config.warnings.join("\n");
                assert_eq!(said.contains(&format!("{key} has no effect")), warns, "{text}: {said}");
            }
        }
    }

    #[test]
    fn possible_expectations_are_not() {
        for keys in [
            "expect: { status: 301 }, max_redirects: 0",
            "expect: { status: 301 }, redirects: none",
            "expect: { status: '200-399' }",
            "expect: { status: '101,304' }",
            "method: HEAD, expect: { body_regex: '^$' }",
            "method: HEAD, expect: { body_not_contains: error }",
            "expect: { status: '200,204', body_contains: ok }",
            "max_body: 2B, expect: { body_contains: ok }",
            "redirects: none, max_redirects: 0",
            "max_redirects: 3",
            "connect_to: 203.0.113.7, dns: { a: present }",
            "domain: { warn_days: 7 }",
        ] {
            assert_eq!(warnings(keys), "", "{keys}");
        }
    }
}
