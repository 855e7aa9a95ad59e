//! What a server may send and open over one QUIC connection.
//!
//! Bounds: windows of 256 KiB per stream and 512 KiB in all, 8 streams that the server opens (HTTP/3 needs three), 64 KiB of its
//! handshake at once, no datagrams (RFC 9221), no probing for a larger MTU: every datagram that is sent has 1,200 bytes or less.

use std::sync::Arc;
use std::time::Duration;

use quinn::{TransportConfig, VarInt};

/// Bytes that the server may send ahead, per stream.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Streams in one direction that the server may have open.
const STREAMS_MAX: u32 = 8;
/// Bytes of the server's handshake that may wait for those before them: as long as a chain over TCP may be.
const HANDSHAKE_MAX: usize = 64 * 1024;
/// A server that takes its time is asked so often whether it is still there, so that its own idle timeout (mostly 30 s) does not
/// end a connection on which it has to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

pub(super) fn transport() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(2 * STREAM_WINDOW))
        .send_window(u64::from(STREAM_WINDOW))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS_MAX))
        .crypto_buffer_size(HANDSHAKE_MAX)
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(None)
        // The site's timeout is the limit.
        .max_idle_timeout(None)
        .keep_alive_interval(Some(KEEP_ALIVE));
    Arc::new(config)
}
