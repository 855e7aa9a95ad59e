//! The section `export`: the InfluxDB that samples are sent to, from the file or from the command line.
//!
//! The URL may be the server's (`http://localhost:8086`) or a write URL as in manuals (`http://localhost:8086/write?db=webmon`),
//! which sets the API and the names too; keys must not contradict it. Invariants: credentials come from keys, from userinfo in the
//! file, or from a variable, never from a query or an argument, which other users can read; no message quotes them.

use url::Url;

use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::Scalar;
use crate::config::keys::value;
use crate::config::syntax::fault::Fault;
use crate::model::{Api, ExportTarget, Secret, text};

use super::notes::Notes;
use super::url::{Address, basic};

/// Longest name of a bucket, an organisation, a user.
const NAME_MAX: usize = 256;

/// The variable with the token of a target from the command line.
const TOKEN: &str = "INFLUX_TOKEN";

/// The write paths and their APIs; the longer ones first.
const PATHS: [(&str, Api); 3] = [("api/v3/write_lp", Api::V3), ("api/v2/write", Api::V2), ("write", Api::V1)];

/// A URL and the settings in it.
struct ExportAddress {
    url: Url,
    authorization: Option<Secret>,
    api: Option<Api>,
    org: Option<String>,
    bucket: Option<String>,
    policy: Option<String>,
}

impl ExportAddress {
    /// Parses `text`.
    ///
    /// # Errors
    /// A message that does not quote the text.
    fn parse(text: &str) -> Result<Self, String> {
        let Address { mut url, authorization, .. } = Address::parse(text)?;
        let (mut org, mut bucket, mut policy) = (None, None, None);
        for (key, value) in url.query_pairs() {
            let value = Some(name(&value)?);
            match &*key {
                "org" | "orgID" => org = value,
                "bucket" | "db" => bucket = value,
                "rp" => policy = value,
                "precision" | "accept_partial" | "no_sync" => {}
                "u" | "p" | "q" | "token" => {
                    return Err(format!("credentials do not belong in the query of a URL (`{key}`)"));
                }
                other => {
                    return Err(format!("`{}` is not a parameter of an export URL", text::clean_line(other, 40)));
                }
            }
        }
        url.set_query(None);
        let path = url.path().trim_end_matches('/').to_owned();
        let written = PATHS.into_iter().find_map(|(end, api)| Some((path.strip_suffix(end)?, api)));
        let written = written.filter(|(base, _)| base.ends_with('/'));
        if let Some((base, _)) = written {
            url.set_path(base);
        }
        Ok(Self { url, authorization, api: written.map(|(_, api)| api), org, bucket, policy })
    }
}

/// The target under `export.influx`, if there is one. Adds its literal secrets to `notes`.
pub(crate) fn influx(keys: &mut Keys<'_, '_>, notes: &mut Notes) -> Option<ExportTarget> {
    let reader = keys.reader();
    let ValueForm::Section(declared) = *keys.form("influx") else { unreachable!("influx is declared as a section") };
    let section = keys.take("influx").filter(|&id| !reader.is_null(id))?;
    let mut keys = Keys::of(reader, section, declared)?;
    let url_at = keys.take("url");
    let api = keys.choice("api", [Api::V1, Api::V2, Api::V3]);
    let (org, bucket) = (keys.value("org", name), keys.value("bucket", name));
    let (database, policy) = (keys.value("database", name), keys.value("retention_policy", name));
    let agent = keys.value("agent", name);
    let mut secret = |key: &'static str| -> Option<Scalar> {
        let text = keys.take(key).and_then(|id| reader.text(id))?;
        if let Err(message) = value::header_value(&text.value) {
            reader.fault(Fault::new(text.span.clone(), message.replace("header's value", key)));
        }
        if key != "username" {
            notes.credential(&text, format!("the export's {key}"));
        }
        Some(text)
    };
    let (token, username, password) = (secret("token"), secret("username"), secret("password"));
    keys.finish();
    let fault = |message: &str| reader.fault(Fault::new(reader.span(section), message));
    let Some(url_at) = url_at else {
        fault("this export has no `url`; example: url: http://localhost:8086");
        return None;
    };
    let text = reader.text(url_at)?;
    let address = ExportAddress::parse(&text.value).map_err(|message| reader.fault(text.fault(message))).ok()?;
    if address.authorization.is_some() {
        notes.credential(&text, "the password in the URL");
    }
    let effective_api = api.or(address.api).unwrap_or_default();
    let both = |one: bool, other: bool| one && other;
    if both(api.is_some(), address.api.is_some()) && api != address.api
        || both(bucket.is_some() || database.is_some(), address.bucket.is_some())
        || both(org.is_some(), address.org.is_some())
    {
        fault("the URL repeats what another key says; keep one of them");
    }
    if both(bucket.is_some(), database.is_some()) {
        fault("`bucket` and `database` mean the same; keep one of them");
    }
    let credentials = [token.is_some(), username.is_some() || password.is_some(), address.authorization.is_some()];
    if credentials.into_iter().filter(|given| *given).count() > 1 {
        fault(
            "there is more than one credential: a token, a user with a password, userinfo in the URL; keep one of them",
        );
    }
    if password.is_some() && username.is_none() {
        fault("a password needs a `username`");
    }
    let password = password.map_or_else(String::new, |password| password.value);
    let basic = username.map(|name| basic(name.value.as_bytes(), password.as_bytes()));
    let token = token.map(|token| bearer(effective_api, &token.value));
    let mut target = ExportTarget::at(address.url, effective_api);
    target.org = org.or(address.org).unwrap_or_default();
    target.bucket = bucket.or(database).or(address.bucket).unwrap_or(target.bucket);
    target.policy = policy.or(address.policy);
    target.authorization = token.or(basic).or(address.authorization);
    target.agent = agent;
    Some(target)
}

/// The target at `url`, an argument, with the other settings of `section`. Without a section the token comes from the variable
/// `INFLUX_TOKEN`.
///
/// # Errors
/// Why the URL is not valid; the message does not quote it.
pub fn typed_sink(
    url: &str,
    section: Option<&ExportTarget>,
    env: &crate::config::syntax::variables::Env<'_>,
) -> Result<ExportTarget, String> {
    let address = ExportAddress::parse(url)?;
    if address.authorization.is_some() {
        return Err(format!("other users can read an argument, so it cannot hold a password; export {TOKEN} instead"));
    }
    let api = address.api.or(section.map(|section| section.api)).unwrap_or_default();
    let mut target = section.cloned().unwrap_or_else(|| ExportTarget {
        authorization: env(TOKEN).filter(|token| !token.is_empty()).map(|token| bearer(api, &token)),
        ..ExportTarget::at(address.url.clone(), api)
    });
    (target.url, target.api) = (address.url, api);
    target.org = address.org.unwrap_or(target.org);
    target.bucket = address.bucket.unwrap_or(target.bucket);
    target.policy = address.policy.or(target.policy);
    Ok(target)
}

fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > NAME_MAX || text.chars().any(text::is_harmful) {
        return Err(format!("a name has 1 to {NAME_MAX} bytes and no control characters"));
    }
    Ok(text.to_owned())
}

/// The header's value for a token: only InfluxDB 3 follows the standard.
fn bearer(api: Api, token: &str) -> Secret {
    let scheme = if api == Api::V3 { "Bearer" } else { "Token" };
    Secret::new(format!("{scheme} {token}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == TOKEN).then(|| "hunter2".to_owned())
    }

    fn taken(section: &str) -> ExportTarget {
        let text = format!("sites: [https://a.example]\nexport: {{ influx: {{ {section} }} }}");
        let config = crate::config::parse(&text, "sites.yaml", Path::new("/etc"), &env);
        config.unwrap_or_else(|error| panic!("{error}")).export.expect("there is a section")
    }

    fn header(target: &ExportTarget) -> Option<&str> {
        target.authorization.as_ref().map(Secret::expose)
    }

    #[test]
    fn each_dialect_has_its_names_and_credentials() {
        for (section, shown, credentials) in [
            (
                "url: 'http://localhost:8086', api: v2, org: me, bucket: webmon, token: '${INFLUX_TOKEN}'",
                "http://localhost:8086/ v2 me/webmon",
                Some("Token hunter2"),
            ),
            (
                "url: 'http://h:8086', api: v1, database: d, username: ada, password: pw, retention_policy: week",
                "http://h:8086/ v1 d/week",
                Some("Basic YWRhOnB3"),
            ),
            ("url: 'http://ada:pw@h:8086', api: v1, bucket: d", "http://h:8086/ v1 d", Some("Basic YWRhOnB3")),
            ("url: 'http://h', api: v3, database: d, token: t", "http://h/ v3 d", Some("Bearer t")),
            ("url: 'http://h:8428'", "http://h:8428/ v2 webmon", None),
            ("url: 'http://h/x/write?db=d&rp=week&precision=ns'", "http://h/x/ v1 d/week", None),
            ("url: 'http://h/api/v2/write?org=me&bucket=b', token: t", "http://h/ v2 me/b", Some("Token t")),
            ("url: 'http://h/overwrite'", "http://h/overwrite v2 webmon", None),
        ] {
            let target = taken(section);
            assert_eq!((target.to_string(), header(&target)), (shown.to_owned(), credentials), "{section}");
        }
        assert_eq!(taken("url: 'http://h', agent: probe-1").agent.as_deref(), Some("probe-1"));
    }

    #[test]
    fn a_typed_url_replaces_the_place_of_the_section_and_has_no_password() {
        let section = taken("url: 'http://h', org: me, bucket: b, token: t");
        let over = typed_sink("http://other:8086", Some(&section), &env).unwrap();
        assert_eq!((over.to_string().as_str(), header(&over)), ("http://other:8086/ v2 me/b", Some("Token t")));
        let alone = typed_sink("http://h:8086/api/v3/write_lp?db=d", None, &env).unwrap();
        assert_eq!((alone.to_string().as_str(), header(&alone)), ("http://h:8086/ v3 d", Some("Bearer hunter2")));
        let without = typed_sink("http://h:8428", None, &|_| None).unwrap();
        assert_eq!((without.to_string().as_str(), header(&without)), ("http://h:8428/ v2 webmon", None));
        for url in ["http://ada:hunter2@h", "http://h/write?db=d&u=ada&p=hunter2", "hunter2", "http://h/?hunter2=1"] {
            let refused = typed_sink(url, None, &env).unwrap_err();
            assert!(!refused.contains("ada:"), "{refused}");
            assert!(
                refused.contains("password") || refused.contains("credentials") || refused.contains("URL"),
                "{refused}"
            );
        }
    }
}
