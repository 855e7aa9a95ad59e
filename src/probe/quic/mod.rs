//! HTTP/3: one request over one QUIC connection (feature `http3`).
//!
//! QUIC shakes hands once for the connection and for TLS, so that all of it is the phase *tls*. A server is reached when it has
//! sent a datagram; before that, a closed port is a refused connection, and silence a timeout of connecting. Certificates are
//! judged as over TCP.
//!
//! Invariant: nothing is left of a connection when its probe ends, neither a task nor a socket.
//! Bounds: [`limits`], 256 handshakes in flight together with those of TLS, a socket per address that is being tried.

mod connection;
mod empty_data;
mod errors;
mod exchange;
mod hop;
mod limits;
mod line;
mod metered;
mod socket;
mod tasks;
