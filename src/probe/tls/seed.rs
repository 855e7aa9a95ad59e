//! Random numbers, seeded before a handshake is timed.
//!
//! AWS-LC seeds its generator from the jitter of the processor the first time that a process asks for a random byte, which
//! takes 36 to 180 ms (aws-lc-rs#1140): on the network thread that would be measured as the first handshake of one site and
//! as the connecting of all others. So a thread of its own draws the first byte, and a probe of an https site waits
//! for it before its clock starts. Invariant: it is done once a process, whatever becomes of the thread.

use std::cell::Cell;
use std::sync::OnceLock;
use std::thread;

use rustls::crypto::CryptoProvider;
use tokio::sync::watch;

use super::chain::path;

/// Whether the seeding has ended; the sender is dropped with its thread.
static SEEDED: OnceLock<watch::Receiver<bool>> = OnceLock::new();

thread_local! {
    /// Whether this thread has drawn its first byte.
    static DRAWN: Cell<bool> = const { Cell::new(false) };
}

/// Begins to seed, if that has not begun.
pub(crate) fn begin(provider: fn() -> CryptoProvider) -> &'static watch::Receiver<bool> {
    SEEDED.get_or_init(|| {
        let (seeded, is_seeded) = watch::channel(false);
        let drawing = move || {
            draw(&provider());
            // Reading files is not the network thread's work either.
            path::platform();
            seeded.send_replace(true);
        };
        // Without a thread the first handshake pays, as it would have done.
        drop(thread::Builder::new().name("webmon-seed".to_owned()).spawn(drawing));
        is_seeded
    })
}

/// Waits until random numbers cost nothing on this thread.
pub(crate) async fn ready(provider: fn() -> CryptoProvider) {
    if DRAWN.get() {
        return;
    }
    // An error is a thread that has gone: nothing is left to wait for.
    drop(begin(provider).clone().wait_for(|seeded| *seeded).await);
    // Each thread has a generator of its own, seeded from that of the process.
    DRAWN.set(true);
    draw(&provider());
}

/// Whether this thread has drawn its first byte.
#[cfg(test)]
pub(crate) fn is_drawn() -> bool {
    DRAWN.get()
}

/// Draws a byte and makes the share of a key exchange, which sets up the tables behind it.
fn draw(provider: &CryptoProvider) {
    let mut byte = [0];
    // Where there are no random numbers a handshake says so.
    let _drawn = provider.secure_random.fill(&mut byte);
    let _share = provider.kx_groups.first().map(|group| group.start());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_seeded_once_and_then_nothing_waits() {
        ready(rustls::crypto::aws_lc_rs::default_provider).await;
        assert!(*begin(|| unreachable!("it has begun")).borrow());
        ready(|| unreachable!("nothing is drawn again")).await;
    }
}
