//! A socket that is bound before anything starts, so that a port in use is an error of the start.
//!
//! Invariants: a Unix socket without a listener is replaced, any other file at its path is not; it is removed at the end.

use std::io;
use std::net::TcpListener as StdTcp;
#[cfg(unix)]
use std::os::unix::net::UnixListener as StdUnix;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use crate::model::ListenAddress;

/// See the module.
#[derive(Debug)]
pub struct Bound {
    pub(super) socket: Socket,
    address: ListenAddress,
}

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(StdTcp),
    #[cfg(unix)]
    Unix(StdUnix, Leftover),
}

/// Removes the file of a Unix socket on drop.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Leftover(PathBuf);

#[cfg(unix)]
impl Drop for Leftover {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = std::fs::remove_file(&self.0);
    }
}

impl Bound {
    /// Listens on `address`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => {
                let listener = StdTcp::bind(address)?;
                listener.set_nonblocking(true)?;
                let address = ListenAddress::Tcp(listener.local_addr()?);
                Ok(Self { socket: Socket::Tcp(listener), address })
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                let listener = unix(path)?;
                listener.set_nonblocking(true)?;
                Ok(Self { socket: Socket::Unix(listener, Leftover(path.clone())), address: address.clone() })
            }
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets"))
            }
        }
    }

    /// Where it listens, with the port that the system chose.
    #[must_use]
    pub const fn address(&self) -> &ListenAddress {
        &self.address
    }
}

#[cfg(unix)]
fn unix(path: &Path) -> io::Result<StdUnix> {
    use std::os::unix::fs::FileTypeExt as _;
    use std::os::unix::net::UnixStream;
    let refused = match StdUnix::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => error,
        bound => return bound,
    };
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let is_dead = UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if !is_socket || !is_dead {
        return Err(refused);
    }
    std::fs::remove_file(path)?;
    StdUnix::bind(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_an_error_and_any_port_is_told() {
        let first = Bound::open(&ListenAddress::parse("127.0.0.1:0").unwrap()).unwrap();
        let ListenAddress::Tcp(address) = first.address() else { panic!() };
        assert_ne!(address.port(), 0);
        assert_eq!(Bound::open(first.address()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_that_nobody_listens_on_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.sock");
        let address = ListenAddress::Unix(path.clone());
        let bound = Bound::open(&address).unwrap();
        assert_eq!(Bound::open(&address).unwrap_err().kind(), io::ErrorKind::AddrInUse, "somebody listens");
        drop(bound);
        assert!(!path.exists());
        drop(StdUnix::bind(&path).unwrap());
        assert!(path.exists(), "as a kill leaves it");
        drop(Bound::open(&address).unwrap());
        std::fs::write(&path, "precious").unwrap();
        assert!(Bound::open(&address).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
