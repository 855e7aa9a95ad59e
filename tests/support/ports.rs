//! Closed ports, and ports that never answer.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// A port that never completes a connection: its queue is full.
pub struct Blackhole {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Blackhole {
    /// Fills the queue; afterwards connection attempts get no answer.
    pub fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// The same at this address.
    pub fn start_at(address: SocketAddr) -> Self {
        let (ready, full) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = super::on_own_runtime(async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(address).unwrap();
            let listener = socket.listen(1).unwrap();
            let address = listener.local_addr().unwrap();
            // Twice in a row, since on a busy machine one attempt may just be slow.
            let (mut waiting, mut unanswered) = (Vec::new(), 0);
            while unanswered < 2 {
                let attempt = tokio::time::timeout(Duration::from_millis(250), TcpStream::connect(address)).await;
                match attempt {
                    Ok(stream) => {
                        waiting.push(stream);
                        unanswered = 0;
                    }
                    Err(_) => unanswered += 1,
                }
            }
            ready.send(address).unwrap();
            drop(stopped.await);
        });
        Self { address: full.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// The URL of `path` (with its slash) on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Blackhole {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// An address of this machine at which nothing listens.
pub fn closed_port() -> SocketAddr {
    StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
