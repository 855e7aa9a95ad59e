//! The text of `nats-server.conf`.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::fleet::connection::{CA_FILE, Role};
use crate::model::Location;

use super::permissions::Permissions;

/// Bytes that JetStream may use: room for the default stream and the buckets.
const FILE_STORE: &str = "2GB";

/// A server to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPlan {
    /// The address that it listens on.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Where JetStream keeps its data, absolute.
    pub store: PathBuf,
    /// Where the certificates are, absolute.
    pub certs: PathBuf,
    /// The stream of the frames.
    pub stream: String,
    /// Who sends frames.
    pub locations: Vec<Location>,
}

impl ServerPlan {
    /// The file.
    #[must_use]
    pub fn conf(&self) -> String {
        let certs = |name: &str| quoted(&self.certs.join(name).to_string_lossy());
        let mut text = format!(
            "# Made by `webmon fleet server-config`, which also makes the certificates. Start: nats-server -c THIS-FILE\n\
             listen: \"{address}:{port}\"\n\n\
             jetstream {{\n  store_dir: {store}\n  max_file_store: {FILE_STORE}\n}}\n\n\
             # A client is the user that its certificate names; without a certificate of this authority nobody gets in.\n\
             tls {{\n  cert_file: {cert}\n  key_file: {key}\n  ca_file: {ca}\n  verify_and_map: true\n  timeout: 5\n}}\n\n\
             authorization {{\n  users: [\n",
            address = if self.address.is_ipv6() { format!("[{}]", self.address) } else { self.address.to_string() },
            port = self.port,
            store = quoted(&self.store.to_string_lossy()),
            cert = certs("server.pem"),
            key = certs("server.key"),
            ca = certs(CA_FILE),
        );
        let locations = self.locations.iter().cloned().map(Role::Location);
        for role in locations.chain([Role::Hub, Role::Watch]) {
            user(&mut text, &role, &Permissions::of(&role, &self.stream));
        }
        text + "  ]\n}\n"
    }
}

fn user(text: &mut String, role: &Role, permissions: &Permissions) {
    let list = |subjects: &[String]| {
        subjects.iter().map(|subject| format!("\n          {}", quoted(subject))).collect::<Vec<_>>().join(",")
    };
    write!(
        text,
        "    {{\n      user: \"CN={}\"\n      permissions: {{\n        publish: [{}\n        ]\n        subscribe: [{}\n        ]\n      }}\n    }}\n",
        role.name(),
        list(&permissions.publish),
        list(&permissions.subscribe)
    )
    .expect("writing to a String cannot fail");
}

/// `text` as a string of the configuration.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_a_user_for_each_certificate() {
        let plan = ServerPlan {
            address: [127, 0, 0, 1].into(),
            port: 4222,
            store: "/var/lib/nats".into(),
            certs: "/etc/nats/\"fleet\"".into(),
            stream: "WEBMON".to_owned(),
            locations: vec![Location::new("fra1").unwrap()],
        };
        insta::assert_snapshot!(plan.conf());
    }
}
