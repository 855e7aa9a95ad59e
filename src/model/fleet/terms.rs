//! The terms of a fleet: its NATS servers, who this webmon is to them, and when others count as silent.
//!
//! Invariants: there is at least one server; one without TLS is on this machine, so that no frame and no credential crosses a
//! network in the clear. Nothing that prints [`FleetTerms`] shows a credential.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use crate::model::{ClientIdentity, Secret};

use super::Location;

/// The stream of the frames, unless sites.yaml names another.
pub const FLEET_STREAM: &str = "WEBMON";

/// The port of a NATS server.
const PORT: u16 = 4222;

/// A NATS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetServer {
    /// Its name or address, an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection must be encrypted.
    pub is_secure: bool,
}

impl FleetServer {
    /// The server at `text`: `tls://nats.example.com:4222`, or `nats://127.0.0.1:4222` on this machine.
    ///
    /// # Errors
    /// What to write instead; the message quotes nothing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "this is not the URL of a NATS server, such as tls://nats.example.com:4222".to_owned();
        let url = Url::parse(text.trim()).map_err(|_| wrong())?;
        let is_secure = match url.scheme() {
            "tls" => true,
            "nats" => false,
            _ => return Err(wrong()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "the URL of a NATS server names no user; write the keys `user` and `password`, or `token`".to_owned()
            );
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("the URL of a NATS server ends after its port: tls://nats.example.com:4222".to_owned());
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => plain_host(name).ok_or_else(wrong)?,
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            _ => return Err(wrong()),
        };
        let server = Self { host, port: url.port().unwrap_or(PORT), is_secure };
        if !is_secure && !server.is_here() {
            return Err(format!(
                "nats:// is not encrypted, so it may only lead to this machine (127.0.0.1, localhost); write tls://{}",
                server.authority()
            ));
        }
        Ok(server)
    }

    /// Whether it is on this machine.
    fn is_here(&self) -> bool {
        // Other names below `localhost` may be asked of a name server.
        self.host == "localhost" || self.host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// The name or address `written`, as the scheme of a URL that `url` does not know leaves it: percent-encoded, in any case.
fn plain_host(written: &str) -> Option<String> {
    match Host::parse(written).ok()? {
        Host::Domain(name) => Some(name),
        Host::Ipv4(ip) => Some(ip.to_string()),
        Host::Ipv6(ip) => Some(ip.to_string()),
    }
}

/// `tls://nats.example.com:4222`.
impl fmt::Display for FleetServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_secure { "tls" } else { "nats" }, self.authority())
    }
}

/// What a server asks for besides a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetCredential {
    /// A user and the password.
    User {
        /// The user.
        name: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
}

impl FleetCredential {
    /// The secret part: the password or the token.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        match self {
            Self::User { password: secret, .. } | Self::Token(secret) => secret,
        }
    }
}

/// How a webmon and a server know each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetLogin {
    /// The folder with `ca.pem`, and for each name `<name>.pem` and `<name>.key`. What is below counts before it.
    pub certs: Option<PathBuf>,
    /// Trusted roots in addition to the platform's, DER.
    pub roots: Arc<Vec<Vec<u8>>>,
    /// The certificate to show, with its key.
    pub identity: Option<Arc<ClientIdentity>>,
    /// A password or a token.
    pub credential: Option<FleetCredential>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetTerms {
    /// The servers of one cluster, at least one.
    pub servers: Vec<FleetServer>,
    /// Where this webmon is; none: as [`FleetTerms::location_on`] says.
    pub location: Option<Location>,
    /// How it and the servers know each other.
    pub login: FleetLogin,
    /// The stream of the frames.
    pub stream: String,
    /// A location that was out of touch with every hub for so long alerts by itself; none: never.
    pub alone: Option<Duration>,
    /// A hub takes at most so many pairs of a site and a location.
    pub max_pairs: u32,
    /// To a hub, a location that was not heard for so long is silent.
    pub silent_after: Duration,
}

impl FleetTerms {
    /// The default of every key, at `servers`.
    #[must_use]
    pub fn at(servers: Vec<FleetServer>) -> Self {
        Self {
            servers,
            location: None,
            login: FleetLogin::default(),
            stream: FLEET_STREAM.to_owned(),
            alone: Some(Duration::from_mins(5)),
            max_pairs: 30_000,
            silent_after: Duration::from_secs(30),
        }
    }

    /// The location of this webmon on the machine `host`; none if sites.yaml does not name it and the machine's name suggests none.
    #[must_use]
    pub fn location_on(&self, host: Option<&str>) -> Option<Location> {
        self.location.clone().or_else(|| Location::of_host(host?).filter(|location| !location.is_reserved()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_secure_or_on_this_machine() {
        for (text, shown) in [
            ("tls://nats.example.com", "tls://nats.example.com:4222"),
            (" tls://NATS.example.com:4443/ ", "tls://nats.example.com:4443"),
            ("tls://10.0.0.1", "tls://10.0.0.1:4222"),
            ("tls://[2001:db8::1]:4222", "tls://[2001:db8::1]:4222"),
            ("nats://localhost", "nats://localhost:4222"),
            ("nats://127.0.0.9:1", "nats://127.0.0.9:1"),
            ("nats://[::1]", "nats://[::1]:4222"),
        ] {
            assert_eq!(FleetServer::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for (text, message) in [
            ("nats://nats.example.com", "write tls://nats.example.com:4222"),
            ("nats://a.localhost", "write tls://a.localhost:4222"),
            ("nats://10.0.0.1:4222", "write tls://10.0.0.1:4222"),
            ("nats://[2001:db8::1]", "write tls://[2001:db8::1]:4222"),
            ("nats.example.com:4222", "not the URL of a NATS server"),
            ("https://nats.example.com", "not the URL of a NATS server"),
            ("tls://", "not the URL of a NATS server"),
            ("tls://a b", "not the URL of a NATS server"),
            ("tls://ada:hunter2@a", "`user` and `password`"),
            ("tls://hunter2@a", "`user` and `password`"),
            ("tls://a/hunter2", "ends after its port"),
            ("tls://a?token=hunter2", "ends after its port"),
        ] {
            let error = FleetServer::parse(text).unwrap_err();
            assert!(error.contains(message) && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_location_has_the_name_of_its_machine_unless_it_is_named() {
        let mut terms = FleetTerms::at(vec![FleetServer::parse("tls://a").unwrap()]);
        assert_eq!(terms.location_on(Some("Fra1.example.com")), Location::new("fra1"));
        assert_eq!((terms.location_on(Some("___")), terms.location_on(Some("hub.example.com"))), (None, None));
        assert_eq!(terms.location_on(None), None);
        terms.location = Location::new("nyc1");
        assert_eq!(terms.location_on(Some("fra1")), Location::new("nyc1"));
    }

    #[test]
    fn nothing_that_prints_the_terms_shows_a_credential() {
        let mut terms = FleetTerms::at(vec![FleetServer::parse("tls://a").unwrap()]);
        let password = Secret::new("hunter2");
        terms.login.credential = Some(FleetCredential::User { name: "ada".to_owned(), password });
        assert!(!format!("{terms:?}").contains("hunter2"));
        terms.login.credential = Some(FleetCredential::Token(Secret::new("hunter2")));
        assert!(!format!("{terms:?}").contains("hunter2"));
    }
}
