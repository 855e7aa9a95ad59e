//! The curl line that repeats a check, for a POSIX shell.
//!
//! Invariants: a value of which webmon treats any part as a secret is `***`: bodies, headers other than [`BENIGN`], and what a URL hides.
//! Contents of certificate files have no name here, so they are `***`, too. A WebSocket is asked for over http or https, because few
//! versions of curl know its schemes; what it sends is not repeated.

use std::borrow::Cow;
use std::fmt::Write as _;

use url::Position;

use super::{ConnectTo, Family, HttpOffer, Protocol, ProxyKind, ProxyRule, Site};

/// Headers whose values in sites.yaml are no secrets, unless a variable gave them.
pub const BENIGN: [&str; 10] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-type",
    "host",
    "origin",
    "range",
    "referer",
    "user-agent",
];

/// The headers of a WebSocket's handshake; any 16 bytes will do as a key.
const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// What is there in place of a secret.
const STARS: &str = "***";

/// The line for `site`, or for the first step of its journey, without an end of line.
#[must_use]
pub fn line(site: &Site) -> String {
    match site.steps.first().and_then(|first| first.outline(site)) {
        Some(first) => request(&first),
        None => request(site),
    }
}

/// The line for the one request of `site`.
fn request(site: &Site) -> String {
    let mut words = vec!["curl".to_owned(), "-sSi".to_owned()];
    let mut add = |option: &str, value: Option<&str>| {
        words.push(option.to_owned());
        words.extend(value.map(quoted));
    };
    match (&*site.method, &site.body) {
        ("GET", None) => {}
        ("HEAD", None) => add("--head", None),
        (method, _) => add("-X", Some(method)),
    }
    match site.family {
        Family::Any => {}
        Family::V4 => add("-4", None),
        Family::V6 => add("-6", None),
    }
    let is_tls = site.url.expose().scheme() == "https";
    match (site.http, is_tls) {
        (HttpOffer::Auto, _) => {}
        (HttpOffer::V11, _) => add("--http1.1", None),
        (HttpOffer::V2, true) => add("--http2", None),
        (HttpOffer::V2, false) => add("--http2-prior-knowledge", None),
        (HttpOffer::V3, _) => add("--http3-only", None),
    }
    let place = Place::of(site);
    way(site, &place, is_tls, &mut add);
    if site.follows_redirects() {
        add("-L", None);
        add("--max-redirs", Some(&site.max_redirects.to_string()));
    }
    add("--max-time", Some(&seconds(site)));
    let has = |wanted: &str| site.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if !has("user-agent") {
        add("-A", Some(concat!("webmon/", env!("CARGO_PKG_VERSION"))));
    }
    if let Some(host) = place.host.filter(|_| !has("host")) {
        add("-H", Some(&format!("Host: {host}")));
    }
    for (name, value) in &site.headers {
        add("-H", Some(&header(site, name, value.expose())));
    }
    if site.protocol == Protocol::WebSocket {
        for header in HANDSHAKE {
            add("-H", Some(header));
        }
    }
    if site.body.is_some() {
        if !has("content-type") {
            // curl would send the type of a form.
            add("-H", Some("Content-Type:"));
        }
        add("--data-raw", Some(STARS));
    }
    if site.shown.contains(['{', '}']) || site.shown.matches('[').count() > usize::from(site.shown.contains("://[")) {
        add("-g", None);
    }
    words.push(quoted(&place.url));
    words.join(" ")
}

/// Adds how the server is reached and verified.
fn way(site: &Site, place: &Place, is_tls: bool, add: &mut dyn FnMut(&str, Option<&str>)) {
    if site.tls.insecure {
        add("-k", None);
    }
    if !site.tls.pins.is_empty() {
        let pins: Vec<String> = site.tls.pins.iter().map(|pin| format!("sha256//{}", pin.base64())).collect();
        add("--pinnedpubkey", Some(&pins.join(";")));
    }
    if let ProxyRule::One(proxy) = &site.proxy {
        add("-x", Some(&proxy.for_curl()));
        if proxy.kind != ProxyKind::Socks5 && !is_tls {
            // curl would hand a plain request to the proxy.
            add("-p", None);
        }
    }
    if let Some(connect_to) = &place.connect_to {
        add("--connect-to", Some(connect_to));
    }
    if let Some(files) = site.tls.files.as_ref().filter(|_| is_tls) {
        if !files.roots.is_empty() {
            add("--cacert", Some(STARS));
        }
        if files.identity.is_some() {
            add("--cert", Some(STARS));
            add("--key", Some(STARS));
        }
    }
}

/// Where curl connects, and what it has to be told for that.
struct Place {
    /// The value of `--connect-to`.
    connect_to: Option<String>,
    /// The host of the site's URL, if curl has to ask for another one: it takes the name for TLS from the URL.
    host: Option<String>,
    url: String,
}

impl Place {
    fn of(site: &Site) -> Self {
        let url = site.url.expose();
        let host = &url[Position::BeforeHost..Position::AfterHost];
        let port = url.port_or_known_default().unwrap_or_default();
        let name = site.tls.server_name.as_deref().filter(|_| url.scheme() == "https");
        let shown = match site.shown.strip_prefix(site.protocol.scheme(url)) {
            Some(rest) => Cow::Owned(format!("{}{rest}", url.scheme())),
            None => Cow::Borrowed(&*site.shown),
        };
        // A host that came out of a variable is not to be seen, so any host is meant then.
        let begin = format!("{}://{host}", url.scheme());
        let rest = shown.strip_prefix(&*begin).filter(|rest| rest.starts_with(['/', ':', '?']));
        let is_same_place = site.connect_to.is_none() && name.is_none();
        let Some(rest) = rest.filter(|_| !is_same_place) else {
            let to = |to: &ConnectTo| format!("::{}", Self::target(site, Some(to), STARS, port));
            return Self { connect_to: site.connect_to.as_ref().map(to), host: None, url: shown.into_owned() };
        };
        let target = Self::target(site, site.connect_to.as_ref(), host, port);
        let asked = name.map_or(Cow::Borrowed(host), |name| site.secrets.hidden_in(name).into());
        Self {
            connect_to: Some(format!("{asked}:{port}:{target}")),
            host: name.map(|_| url[Position::BeforeHost..Position::AfterPort].to_owned()),
            url: format!("{}://{asked}{rest}", url.scheme()),
        }
    }

    /// Host and port of `to`, or else these.
    fn target(site: &Site, to: Option<&ConnectTo>, host: &str, port: u16) -> String {
        let host = to.map_or_else(|| host.to_owned(), |to| site.secrets.hidden_in(&to.host.to_string()));
        format!("{host}:{}", to.and_then(|to| to.port).unwrap_or(port))
    }
}

fn header(site: &Site, name: &str, value: &str) -> String {
    let is_benign = BENIGN.iter().any(|benign| name.eq_ignore_ascii_case(benign));
    let shown = if is_benign && site.secrets.hidden_in(value) == value { value } else { STARS };
    // curl sends a header without a value if a semicolon ends its name.
    if value.is_empty() { format!("{name};") } else { format!("{name}: {shown}") }
}

fn seconds(site: &Site) -> String {
    let millis = site.timeout.as_millis();
    let mut text = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    text
}

/// `word` as one word of a POSIX shell.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    // `a=b` in front of a command, `~` and words such as `-n` are plain where they stand here: after an option.
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('\'');
    for c in word.chars() {
        match c {
            '\'' => quoted.push_str("'\\''"),
            _ => quoted.write_char(c).expect("a string takes any character"),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{KnownSecrets, Pin, Proxy, Redirects, Secret, SecretUrl, TlsFiles, TlsRules};
    use proptest::prelude::*;
    use url::Url;

    fn site(url: &str) -> Site {
        Site::new("api", Url::parse(url).unwrap())
    }

    const AGENT: &str = concat!("-A webmon/", env!("CARGO_PKG_VERSION"));

    #[test]
    fn a_plain_check_is_a_short_line() {
        assert_eq!(
            line(&site("https://api.example.org/health")),
            format!("curl -sSi -L --max-redirs 10 --max-time 10 {AGENT} https://api.example.org/health")
        );
    }

    #[test]
    fn every_setting_of_the_request_is_an_option() {
        let full = Site {
            method: "POST".to_owned(),
            headers: [("Accept", "text/html"), ("X-Empty", ""), ("User-Agent", "it's me")]
                .map(|(name, value)| (name.to_owned(), Secret::new(value)))
                .to_vec(),
            body: Some(Secret::new("{}")),
            timeout: Duration::from_millis(1_500),
            http: HttpOffer::V11,
            family: Family::V6,
            redirects: Redirects::None,
            tls: TlsRules {
                insecure: true,
                files: Some(TlsFiles { roots: vec![vec![1]].into(), identity: None }.into()),
                ..TlsRules::default()
            },
            ..site("https://[::1]/a?q=1")
        };
        assert_eq!(
            line(&full),
            "curl -sSi -X POST -6 --http1.1 -k --cacert '***' --max-time 1.5 -H 'Accept: text/html' -H 'X-Empty;' \
             -H 'User-Agent: it'\\''s me' -H Content-Type: --data-raw '***' 'https://[::1]/a?q=***'"
        );
        let other = Site { method: "HEAD".to_owned(), http: HttpOffer::V2, ..site("http://a.test/{x}") };
        assert!(line(&other).starts_with("curl -sSi --head --http2-prior-knowledge "), "{}", line(&other));
        let other = Site { http: HttpOffer::V3, ..other };
        assert!(line(&other).starts_with("curl -sSi --head --http3-only "), "{}", line(&other));
        assert!(line(&other).ends_with(" -g 'http://a.test/%7Bx%7D'") || line(&other).ends_with("/%7Bx%7D"));
    }

    #[test]
    fn another_place_and_another_name_are_told() {
        let pins = vec![Pin::new([0; 32]), Pin::new([255; 32])];
        let to = |text: &str| ConnectTo::parse(text);
        let named = |name: &str| TlsRules { server_name: Some(name.into()), ..TlsRules::default() };
        let other = |url: &str, connect_to, tls| line(&Site { connect_to, tls, ..site(url) });
        for (line, parts) in [
            (
                other("https://a.test/x", None, TlsRules { pins, ..TlsRules::default() }),
                &["--pinnedpubkey 'sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;sha256//////////"][..],
            ),
            (
                other("https://a.test/x", to("203.0.113.7"), TlsRules::default()),
                &["--connect-to a.test:443:203.0.113.7:443 ", " https://a.test/x"],
            ),
            (
                other("http://[::1]:81/x", to("[::2]:82"), TlsRules::default()),
                &["--connect-to '[::1]:81:[::2]:82' ", " 'http://[::1]:81/x'"],
            ),
            (
                other("https://203.0.113.7:444/x", None, named("a.test")),
                &["--connect-to a.test:444:203.0.113.7:444 ", "-H 'Host: 203.0.113.7:444' ", " https://a.test:444/x"],
            ),
            (
                other("https://b.test/", to("lb.test:1"), named("a.test")),
                &["--connect-to a.test:443:lb.test:1 ", "-H 'Host: b.test' ", " https://a.test/"],
            ),
        ] {
            for part in parts {
                assert!(line.contains(part) || line.ends_with(part), "{part:?} in {line}");
            }
        }
        assert!(!other("http://b.test/", None, named("a.test")).contains("a.test"));
        let hidden = Site {
            shown: "https://***/".into(),
            secrets: KnownSecrets::new(["a.test", "203.0.113.7"]),
            connect_to: to("203.0.113.7"),
            ..site("https://a.test/")
        };
        let line = line(&hidden);
        assert!(line.contains("--connect-to '::***:443'") && !line.contains("a.test"), "{line}");
    }

    #[test]
    fn the_way_through_a_proxy_is_told_without_its_password() {
        let through = |url: &str, proxy: Proxy| line(&Site { proxy: ProxyRule::One(proxy.into()), ..site(url) });
        let parsed = |text: &str| Proxy::parse(text).unwrap();
        for (line, part) in [
            (through("https://a.test/", parsed("http://ada:hunter2@p.test:3128")), " -x 'http://***@p.test:3128' -L"),
            (through("http://a.test/", parsed("https://p.test")), " -x https://p.test:443 -p -L"),
            (through("http://a.test/", parsed("socks5://p.test")), " -x socks5h://p.test:1080 -L"),
            (through("https://a.test/", parsed("http://p.test").hidden()), " -x 'http://***' -L"),
        ] {
            assert!(line.contains(part) && !line.contains("hunter2"), "{part:?} in {line}");
        }
    }

    #[test]
    fn no_secret_is_in_it() {
        let secret = "S3CRET-VALUE";
        let headers = [("Authorization", secret), ("X-Short", "abc"), ("Referer", "https://a.test/S3CRET-VALUE")];
        let hiding = Site {
            headers: headers.map(|(name, value)| (name.to_owned(), Secret::new(value))).to_vec(),
            body: Some(Secret::new(secret)),
            url: SecretUrl::new(Url::parse("https://a.test/S3CRET-VALUE").unwrap()),
            shown: "https://a.test/***".into(),
            secrets: KnownSecrets::new([secret]),
            ..site("https://a.test/")
        };
        let line = line(&hiding);
        assert!(!line.contains("S3CRET") && !line.contains("abc"), "{line}");
        assert!(line.contains("-H 'Authorization: ***' -H 'X-Short: ***' -H 'Referer: ***'"), "{line}");
    }

    #[cfg(unix)]
    fn read_by_a_shell(words: &[String]) -> Vec<String> {
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let script = format!("printf '%s\\0' {}", line.join(" "));
        let read = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(read.status.success(), "{script:?}");
        let text = String::from_utf8(read.stdout).unwrap();
        text.strip_suffix('\0').unwrap().split('\0').map(ToOwned::to_owned).collect()
    }

    #[cfg(unix)]
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// A shell reads each quoted word as it was.
        #[test]
        fn a_shell_reads_what_was_quoted(words in prop::collection::vec("[ -~\n\té'\"$`\\\\*!~#;&|<>(){}]{0,12}", 1..8)) {
            prop_assert_eq!(read_by_a_shell(&words), words);
        }
    }
}
