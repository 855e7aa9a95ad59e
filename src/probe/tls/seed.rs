//! Seeds the random numbers before a handshake is timed.
//!
//! AWS-LC seeds its generator from processor jitter when a process first asks for a random byte, which takes 36 to 180 ms
//! (aws-lc-rs#1140). On the network thread that would count as the first handshake of one site and as connecting of all others.
//! So a separate thread draws the first byte, and a probe of an https site waits for it before its clock starts.
//! Invariant: this happens once per process, whatever becomes of the thread.

use std::cell::Cell;
use std::sync::OnceLock;
use std::thread;

use rustls::crypto::CryptoProvider;
use tokio::sync::watch;

use super::chain::path;

/// Whether the seeding has ended; the thread drops the sender when it ends.
static SEEDED: OnceLock<watch::Receiver<bool>> = OnceLock::new();

thread_local! {
    /// Whether this thread has drawn its first byte.
    static DRAWN: Cell<bool> = const { Cell::new(false) };
}

/// Begins to seed, unless that has begun.
pub(crate) fn begin(provider: fn() -> CryptoProvider) -> &'static watch::Receiver<bool> {
    SEEDED.get_or_init(|| {
        let (seeded, is_seeded) = watch::channel(false);
        let seed = move || {
            draw(&provider());
            // The network thread should not read files either.
            path::platform();
            seeded.send_replace(true);
        };
        // Without a thread the first handshake takes longer.
        drop(thread::Builder::new().name("webmon-seed".to_owned()).spawn(seed));
        is_seeded
    })
}

/// Waits until random numbers cost nothing on this thread.
pub(crate) async fn ready(provider: fn() -> CryptoProvider) {
    if DRAWN.get() {
        return;
    }
    // An error means that the thread has ended.
    drop(begin(provider).clone().wait_for(|seeded| *seeded).await);
    // Each thread has its own generator, seeded from that of the process.
    DRAWN.set(true);
    draw(&provider());
}

#[cfg(test)]
pub(crate) fn is_drawn() -> bool {
    DRAWN.get()
}

/// Draws a byte, and makes the share of a key exchange to set up its tables.
fn draw(provider: &CryptoProvider) {
    let mut byte = [0];
    // Where there are no random numbers, the handshake reports it.
    let _drawn = provider.secure_random.fill(&mut byte);
    let _share = provider.kx_groups.first().map(|group| group.start());
}
