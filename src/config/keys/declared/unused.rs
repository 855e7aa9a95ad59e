//! Keys that the scheme of a site has no use for. Written at the site they are faults; inherited they do nothing.

/// A key, and the schemes with which it does nothing.
#[derive(Debug)]
pub(crate) struct UnusedKey {
    /// Its name, below those of its sections.
    pub(crate) path: &'static [&'static str],
    pub(crate) schemes: &'static [&'static str],
}

const HTTP: &[&str] = &["http", "https"];
const OTHERS: &[&str] = &["ws", "wss", "tcp", "tls"];
const BARE: &[&str] = &["tcp", "tls"];
const PLAIN: &[&str] = &["ws", "tcp"];

/// The schemes over which only HTTP/1.1 leads to another protocol.
pub(crate) const UPGRADED: &[&str] = &["ws", "wss"];
/// The words of `http` that they may have.
pub(crate) const UPGRADING: &[&str] = &["auto", "1.1"];

pub(crate) static UNUSED: &[UnusedKey] = &[
    UnusedKey { path: &["method"], schemes: OTHERS },
    UnusedKey { path: &["headers"], schemes: BARE },
    UnusedKey { path: &["body"], schemes: OTHERS },
    UnusedKey { path: &["send"], schemes: HTTP },
    UnusedKey { path: &["expect", "status"], schemes: OTHERS },
    UnusedKey { path: &["expect", "headers"], schemes: BARE },
    UnusedKey { path: &["max_redirects"], schemes: OTHERS },
    UnusedKey { path: &["redirects"], schemes: OTHERS },
    UnusedKey { path: &["redirect_body"], schemes: OTHERS },
    UnusedKey { path: &["http"], schemes: BARE },
    UnusedKey { path: &["keep_alive"], schemes: OTHERS },
    UnusedKey { path: &["tls"], schemes: PLAIN },
];
