//! What a command needs of sites.yaml.
//!
//! A command that reads what a monitor stored runs in another shell, often without the variables that hold the monitor's secrets. There
//! it expands what it can, and a value that it cannot expand counts as absent; but not one without which it would do something else,
//! such as the path of the store.

/// The values that a command needs. One of them whose variable is not set is a fault; any other then counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// All.
    All,
    /// Where the store is.
    Store,
    /// Those of the section `fleet`.
    Fleet,
    /// Where the store is, and the sections `fleet` and `listen`: a hub must not open what a missing token would close.
    Hub,
    /// None: the command line says where the store is, or nothing is read of it.
    Nothing,
}

impl Needed {
    /// Whether every value of this section of the file is needed.
    pub(crate) fn includes(self, section: &str) -> bool {
        match self {
            Self::All => true,
            Self::Fleet => section == "fleet",
            Self::Hub => matches!(section, "fleet" | "listen"),
            Self::Store | Self::Nothing => false,
        }
    }

    pub(crate) const fn includes_store(self) -> bool {
        matches!(self, Self::All | Self::Store | Self::Hub)
    }

    /// Whether the certificates that this section names are read. Those of a site are for its checks.
    pub(crate) fn reads_certificates(self, section: &str) -> bool {
        self.includes(section) || self == Self::Hub && !is_of_sites(section)
    }

    /// Whether the user hears of every value of this section that counts as absent, even of a token: a hub delivers alerts.
    pub(crate) fn uses_secrets(self, section: &str) -> bool {
        self == Self::Hub && !is_of_sites(section)
    }

    /// The advice about the variable `name`, which is needed and not set.
    pub(crate) fn advice(self, name: &str) -> String {
        match self {
            Self::All => {
                format!("export it, write ${{{name}:-none}}, or check the rest with: webmon validate --no-env")
            }
            Self::Store => format!(
                "export it as for the monitor, write ${{{name}:-default}}, or say where the store is: --store FILE"
            ),
            Self::Fleet | Self::Hub | Self::Nothing => {
                format!("export it as for the monitor, or write ${{{name}:-default}}")
            }
        }
    }
}

fn is_of_sites(section: &str) -> bool {
    matches!(section, "sites" | "defaults")
}
