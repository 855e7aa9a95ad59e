//! WebSocket (RFC 6455), as far as a check needs it: the handshake, one message each way, the close.
//!
//! No extension is offered, so no frame is compressed.

pub mod frame;
pub(crate) mod handshake;
pub(crate) mod session;
