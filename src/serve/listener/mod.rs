//! The HTTP listener: accepts connections and answers their requests.
//!
//! It runs on a thread of its own, so a slow or hostile client costs the others of its kind time, and never a probe.
//!
//! Bounds: [`CONNECTIONS_MAX`] connections, the others wait in the system's queue; a head of `HEAD_MAX` bytes within `HEAD`, no
//! body; an answer is made and taken as `cache` and `patience` say.

mod body;
mod bound;
mod connection;
mod patience;
mod terms;

pub use bound::Bound;
pub use connection::Server;
pub use terms::ServeTerms;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::gate::Ends;
use bound::Socket;

/// Open connections.
pub const CONNECTIONS_MAX: usize = 64;

/// Bytes of the head of a request.
const HEAD_MAX: usize = 8 << 10;

/// Time for the head of a request, also for the next one of a connection, and for the handshake of TLS.
const HEAD: Duration = Duration::from_secs(5);

/// Pause after a failed accept, for instance without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket of a runtime.
enum Door {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, #[allow(dead_code, reason = "it acts when it is dropped")] bound::Leftover),
}

enum Guest {
    Tcp(TcpStream, SocketAddr),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Door {
    async fn accept(&self) -> io::Result<Guest> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, client)| Guest::Tcp(stream, client)),
            #[cfg(unix)]
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Guest::Unix(stream)),
        }
    }
}

/// Serves the connections of `bound` until `stop`.
///
/// # Errors
/// The system's, if it cannot wait for connections.
pub async fn serve(bound: Bound, server: Arc<Server>, stop: CancellationToken) -> io::Result<()> {
    let door = match bound.socket {
        Socket::Tcp(listener) => Door::Tcp(TcpListener::from_std(listener)?),
        #[cfg(unix)]
        Socket::Unix(listener, leftover) => Door::Unix(UnixListener::from_std(listener)?, leftover),
    };
    let open = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        // An ended connection makes room for the next.
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let permit = Arc::clone(&open).acquire_owned().await.expect("this semaphore is never closed");
            (permit, door.accept().await)
        };
        let (permit, guest) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        let Ok(guest) = guest else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let server = Arc::clone(&server);
        connections.spawn(async move {
            server.attend(guest).await;
            drop(permit);
        });
    }
    connections.shutdown().await;
    Ok(())
}

impl Server {
    async fn attend(self: Arc<Self>, guest: Guest) {
        match guest {
            Guest::Tcp(stream, client) => {
                // The answer is one write; waiting for more would only delay it. A failure costs time alone.
                let _slower = stream.set_nodelay(true);
                let local = stream.local_addr().ok().map(|local| local.ip());
                let ends = Ends { client: Some(client.ip()), local };
                let terms = self.terms();
                match &terms.acceptor {
                    None => self.converse(stream, ends).await,
                    Some(acceptor) => {
                        if let Ok(Ok(stream)) = tokio::time::timeout(HEAD, acceptor.accept(stream)).await {
                            self.converse(stream, ends).await;
                        }
                    }
                }
            }
            #[cfg(unix)]
            Guest::Unix(stream) => self.converse(stream, Ends::default()).await,
        }
    }
}
