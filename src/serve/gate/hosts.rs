//! Which host a request is for: a page of another name must not reach a monitor through its reader's browser (DNS rebinding).

use std::net::IpAddr;

/// Whether a request that names `host`, with or without a port, is for this listener: it means this machine, the address `local`
/// that the connection came to, or one of `names` (lower case).
#[must_use]
pub fn is_ours(host: &str, local: Option<IpAddr>, names: &[String]) -> bool {
    let Some(name) = without_port(host) else { return false };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name == "localhost" || names.contains(&name) {
        return true;
    }
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    let Ok(ip) = literal.parse::<IpAddr>() else { return false };
    let (ip, local) = (ip.to_canonical(), local.map(|local| local.to_canonical()));
    Some(ip) == local || (ip.is_loopback() && local.is_none_or(|local| local.is_loopback()))
}

/// `host` without its port; `None` if that is none.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rfind(']') {
        Some(end) => (&host[..=end], host[end + 1..].strip_prefix(':').or((end + 1 == host.len()).then_some(""))?),
        None => host.split_once(':').unwrap_or((host, "")),
    };
    (!name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_and_addresses_are_ours() {
        let names = ["status.example.org".to_owned()];
        let loopback: Option<IpAddr> = Some([127, 0, 0, 1].into());
        let other: Option<IpAddr> = Some([192, 0, 2, 7].into());
        for (host, local, ours) in [
            ("localhost", loopback, true),
            ("LOCALHOST:9115", loopback, true),
            ("localhost.", None, true),
            ("127.0.0.1:9115", loopback, true),
            ("127.0.0.1", Some("::1".parse().unwrap()), true),
            ("[::1]:9115", loopback, true),
            ("[::1]", None, true),
            ("127.0.0.1", other, false),
            ("192.0.2.7:443", other, true),
            ("[::ffff:192.0.2.7]", other, true),
            ("192.0.2.8", other, false),
            ("Status.Example.org:443", other, true),
            ("status.example.org", loopback, true),
            ("evil.test", loopback, false),
            ("status.example.org.evil.test", other, false),
            ("localhost.evil.test", loopback, false),
            ("evil.test:localhost", loopback, false),
            ("localhost:80:80", loopback, false),
            ("localhost:x", loopback, false),
            ("user@localhost", loopback, false),
            ("[::1", loopback, false),
            ("[::1]x", loopback, false),
            ("", loopback, false),
            (":80", loopback, false),
            (".", loopback, false),
        ] {
            assert_eq!(is_ours(host, local, &names), ours, "{host} at {local:?}");
        }
    }
}
