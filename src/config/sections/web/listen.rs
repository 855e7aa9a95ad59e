//! The sections `listen` and `metrics`: where webmon serves by HTTP, and to whom.
//!
//! Invariants: what is read is fit for its address ([`ListenAccess::check`]); the token is in no message.

use std::time::Duration;

use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::value;
use crate::config::syntax::fault::Fault;
use crate::config::syntax::tree::Kind;
use crate::model::{ListenAccess, ListenAddress, ListenTarget, Part, Secret, View, text};

use crate::config::sections::notes::Notes;
use crate::config::sections::tls::server_identity;

/// The timeframe of the view that the quantiles of `/metrics` are those of.
pub const QUANTILES_OF: Duration = Duration::from_mins(10);

/// Shortest token, bytes: a shorter one can be guessed.
const TOKEN_MIN: usize = 8;

/// Longest token, bytes.
const TOKEN_MAX: usize = 1_024;

/// Longest name of a host (RFC 1035, section 2.3.4).
const HOST_MAX: usize = 253;

/// The target under `listen`. Adds a token that is written out to `notes`.
pub(crate) fn listen(keys: &mut Keys<'_, '_>, notes: &mut Notes) -> ListenTarget {
    let reader = keys.reader();
    let address_at = keys.place("address");
    let address = keys.value("address", ListenAddress::parse).map(|address| match address {
        ListenAddress::Unix(path) => ListenAddress::Unix(reader.scope().base_dir.join(path)),
        tcp @ ListenAddress::Tcp(_) => tcp,
    });
    let mut hosts = Vec::new();
    for written in keys.names("hosts").unwrap_or_default() {
        match host(&written.value) {
            Ok(host) => hosts.push(host),
            Err(message) => reader.fault(written.fault(message)),
        }
    }
    let has_token = keys.place("token").is_some();
    let token = keys.take("token").and_then(|id| reader.text(id)).and_then(|text| {
        notes.credential(&text, "the listener's token");
        let refused = token(&text.value).err().map(|message| reader.fault(Fault::new(text.span.clone(), message)));
        refused.is_none().then(|| Secret::new(text.value))
    });
    let public = public(keys);
    let tls = keys.section("tls", server_identity);
    let access = ListenAccess { hosts, token, public, tls };
    if let (Some(address), Some(at)) = (&address, address_at) {
        // A token that is not known here may be known where it counts.
        let known = ListenAccess {
            token: access.token.clone().or_else(|| has_token.then(|| Secret::new("unknown"))),
            ..access.clone()
        };
        if let Err(message) = known.check(address) {
            reader.fault_of_several(Fault::new(reader.span(at), message));
        }
    }
    ListenTarget { address, access }
}

/// Whether `/metrics` has quantiles, which are those of one of the `views`.
pub(crate) fn metrics(keys: &mut Keys<'_, '_>, views: &[View], notes: &mut Notes) -> bool {
    let reader = keys.reader();
    let at = keys.key("quantiles").map_or(0, |key| reader.span(key).start);
    let is_wanted = keys.boolean("quantiles").unwrap_or(false);
    if is_wanted && views.iter().all(|view| view.timeframe.length() != QUANTILES_OF) {
        let lacks = "quantiles are those of a view of 10m, which `dashboard.views` lacks: `/metrics` has none";
        notes.warnings.push((at, lacks.to_owned()));
    }
    is_wanted
}

fn public(keys: &mut Keys<'_, '_>) -> Option<Vec<Part>> {
    let reader = keys.reader();
    let form = keys.form("public");
    let id = keys.take("public")?;
    let ValueForm::Choices(words, _) = form else { unreachable!("what is public is declared as choices") };
    let Kind::List(items) = reader.kind(id) else {
        reader.fault_at(id, format!("write a list of what is public: [{}]", words.join(", ")));
        return None;
    };
    let part = |text: &str| value::choice(text, words).map(|at| Part::ALL[at]);
    Some(items.iter().filter_map(|&item| reader.parsed(item, part)).collect())
}

/// `text` as the name of a host, lower case.
fn host(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']');
    if text.is_empty() || text.len() > HOST_MAX || !text.chars().all(is_plain) {
        return Err(format!(
            "{:?} is not the name of a host, such as status.example.org",
            text::clean_line(&text, HOST_MAX)
        ));
    }
    if text.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']') && port.parse::<u16>().is_ok())
        && !text.contains("::")
    {
        return Err(format!("write the name of the host without its port: {}", text.split(':').next().unwrap_or("")));
    }
    Ok(text)
}

/// Why `text` is no token, without showing it.
fn token(text: &str) -> Result<(), String> {
    if !(TOKEN_MIN..=TOKEN_MAX).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("a token has {TOKEN_MIN} to {TOKEN_MAX} visible ASCII characters and no spaces"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigError, parse};

    fn read(listen: &str) -> Result<Config, ConfigError> {
        let text = format!("sites: ['http://a']\nlisten: {{ {listen} }}");
        parse(&text, "sites.yaml", Path::new("/etc/webmon"), &|name| (name == "T").then(|| "a-long-token".to_owned()))
    }

    #[test]
    fn the_section_is_read_as_written() {
        let listen =
            read("address: '0.0.0.0:80', hosts: [Status.example.org., b], token: '${T}', public: [page, badge]");
        let listen = listen.unwrap_or_else(|error| panic!("{error}")).listen;
        assert_eq!(listen.address, Some(ListenAddress::parse("0.0.0.0:80").unwrap()));
        assert_eq!(listen.access.hosts, ["status.example.org", "b"]);
        assert_eq!(listen.access.token.as_ref().map(Secret::expose), Some("a-long-token"));
        assert_eq!(listen.access.public, Some(vec![Part::Page, Part::Badge]));
        let socket = read("address: 'unix:run/w.sock'").unwrap().listen.address;
        assert_eq!(socket, Some(ListenAddress::Unix("/etc/webmon/run/w.sock".into())));
        assert_eq!(read("").unwrap().listen, ListenTarget::default());
    }

    #[test]
    fn faults_say_what_to_write_and_never_show_the_token() {
        for (listen, fault) in [
            ("address: 9115", "examples: 127.0.0.1:9115"),
            ("address: '0.0.0.0:80'", "`listen.hosts`"),
            ("address: '0.0.0.0:80', hosts: [a]", "`listen.token`"),
            ("hosts: ['a:80']", "without its port: a"),
            ("hosts: ['a b']", "is not the name of a host"),
            ("token: hunter2", "8 to 1024 visible ASCII"),
            ("token: 'hunter2 hunter2'", "8 to 1024 visible ASCII"),
            ("public: page", "write a list"),
            ("public: [pages]", "did you mean `page`?"),
            ("tls: { key: k.pem }", "`key` needs a `cert`"),
            ("tls: { cert: none.pem }", "cannot read this file"),
            ("adress: 'x'", "did you mean `address`?"),
        ] {
            let report = read(listen).expect_err(listen).to_string();
            assert!(report.contains(fault) && !report.contains("hunter2"), "{listen}: {report}");
        }
    }
}
