//! The key `smtp` of an e-mail outlet: a server's URL, with the login in it.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::model::{Secret, text};
use crate::notify::{Smtp, SmtpSecurity};

const FORMS: &str = "smtps://user:password@host, smtp+starttls://user:password@host, or smtp://127.0.0.1";

/// The server at `text`. Only with `insecure` may a password, or mail to another machine, go without encryption.
///
/// # Errors
/// A message that does not quote the text.
pub(super) fn parse(text: &str, insecure: bool) -> Result<Smtp, String> {
    let text = text.trim();
    if text.chars().any(|c| text::is_harmful(c) || c.is_whitespace()) {
        return Err("this URL contains whitespace or a control character".to_owned());
    }
    let encoded = "in a password, write @ as %40, / as %2F and : as %3A";
    let url = Url::parse(text).map_err(|error| format!("this is not the URL of a mail server: {error}; {encoded}"))?;
    let (security, port) = match url.scheme() {
        "smtps" => (SmtpSecurity::Tls, 465),
        "smtp+starttls" => (SmtpSecurity::StartTls, 587),
        "smtp" => (SmtpSecurity::Plain, 25),
        _ => return Err(format!("this is not the URL of a mail server; write {FORMS}")),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("this URL has no host")?;
    let host = Host::parse(host).map_err(|error| format!("this URL has no valid host: {error}; {encoded}"))?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("nothing follows the host of a mail server; {encoded}"));
    }
    let plain = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(String::from).map_err(|_| "the login in this URL is not UTF-8".to_owned())
    };
    let (user, password) = (plain(url.username())?, plain(url.password().unwrap_or_default())?);
    if user.is_empty() != password.is_empty() {
        return Err(format!("a login has a user and a password: {FORMS}"));
    }
    let is_local = match &host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    };
    if security == SmtpSecurity::Plain && !insecure && (!is_local || !password.is_empty()) {
        let what = if password.is_empty() { "mail" } else { "the password" };
        return Err(format!(
            "smtp:// sends {what} unencrypted; write smtp+starttls:// or smtps://, or `insecure: true` beside it"
        ));
    }
    let host = match host {
        Host::Domain(name) => name,
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    let login = (!user.is_empty()).then(|| (user, Secret::new(password)));
    Ok(Smtp { host, port: url.port().unwrap_or(port), security, login })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_scheme_has_its_port_and_its_security() {
        for (text, shown, login) in [
            ("smtps://mail.example.com", "smtps://mail.example.com:465", None),
            ("smtps://ada:p%40%2Fw@Mail.example.com:1465/", "smtps://mail.example.com:1465", Some(("ada", "p@/w"))),
            ("smtp+starttls://ada%40example.com:pw@h", "smtp+starttls://h:587", Some(("ada@example.com", "pw"))),
            ("smtp://127.0.0.1", "smtp://127.0.0.1:25", None),
            ("smtp://[::1]:2525", "smtp://[::1]:2525", None),
            ("smtp://localhost", "smtp://localhost:25", None),
        ] {
            let smtp = parse(text, false).unwrap_or_else(|error| panic!("{text}: {error}"));
            let found = smtp.login.as_ref().map(|(user, password)| (user.as_str(), password.expose()));
            assert_eq!((smtp.to_string().as_str(), found), (shown, login), "{text}");
        }
    }

    #[test]
    fn nothing_goes_unencrypted_by_accident() {
        for text in ["smtp://mail.example.com", "smtp://ada:pw@127.0.0.1", "smtp://10.0.0.1"] {
            assert!(parse(text, false).unwrap_err().contains("unencrypted"), "{text}");
            assert_eq!(parse(text, true).unwrap().security, SmtpSecurity::Plain, "{text}");
        }
    }

    #[test]
    fn wrong_urls_are_refused_without_being_quoted() {
        for text in [
            "",
            "mail.example.com",
            "https://mail.example.com",
            "smtps://",
            "smtps://ada@h",
            "smtps://:hunter2@h",
            "smtps://ada:hunter2/x@h",
            "smtps://ada:hunter2@h/x",
            "smtps://ada:hunter2@h?x",
            "smtps://ada:hunter2@h:99999",
            "smtps://ada:%ff@h",
            "smtps://ada:hunter2 @h",
            "smtps://ada:hunter2@[::1",
        ] {
            let message = parse(text, true).unwrap_err();
            assert!(!message.contains("hunter2"), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(smtps?(\\+starttls)?://)?[a-z:@/%0-9\\[\\]]{0,20}|.*") {
            drop(parse(&text, false));
        }
    }
}
