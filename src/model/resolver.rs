//! How host names are resolved.

use std::net::SocketAddr;

/// Whether `name` is this machine without any lookup (RFC 6761, section 6.3).
#[must_use]
pub fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Who resolves host names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resolver {
    /// webmon, which queries the system's name servers.
    #[default]
    Auto,
    /// The system, by getaddrinfo.
    System,
    /// webmon, which queries these name servers, at least one.
    Servers(Vec<SocketAddr>),
}

impl Resolver {
    /// Whether name servers are asked, which know records of every type; the system looks addresses up, and nothing else.
    #[must_use]
    pub const fn asks_name_servers(&self) -> bool {
        match self {
            Self::Servers(_) => true,
            // Without a resolv.conf only the system knows its name servers.
            Self::Auto => cfg!(unix),
            Self::System => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_this_machine_under_all_its_names() {
        for (name, local) in
            [("localhost", true), ("a.localhost", true), ("localhost.", true), ("notlocalhost", false), ("a", false)]
        {
            assert_eq!(is_localhost(name), local, "{name}");
        }
    }
}
