//! Hands a text to the tmux that webmon runs in: its newest buffer, and by its setting `set-clipboard` the user's clipboard.
//!
//! Bounds: one call at a time; a text that is copied meanwhile is dropped. A tmux that hangs costs one thread.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The tmux of this terminal.
#[derive(Clone, Debug, Default)]
pub struct Tmux {
    is_busy: Arc<AtomicBool>,
}

impl Tmux {
    /// Hands `text` over, in a thread. A failure is silent: the sequence that the terminal got may have worked.
    pub fn load(&self, text: String) {
        self.run("tmux", text);
    }

    fn run(&self, program: &'static str, text: String) {
        if self.is_busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let is_busy = Arc::clone(&self.is_busy);
        let started = thread::Builder::new().name("webmon-tmux".to_owned()).spawn(move || {
            let mut call = Command::new(program);
            call.args(["load-buffer", "-w", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Ok(mut child) = call.spawn() {
                // A tmux that ends early has refused; its end is awaited all the same.
                let _refused = child.stdin.take().map(|mut input| input.write_all(text.as_bytes()));
                let _ended = child.wait();
            }
            is_busy.store(false, Ordering::Release);
        });
        if started.is_err() {
            self.is_busy.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_and_the_next_one_may_begin() {
        let tmux = Tmux::default();
        for program in ["webmon-has-no-such-program", "true"] {
            tmux.run(program, "text".repeat(100_000));
            while tmux.is_busy.load(Ordering::Acquire) {
                thread::yield_now();
            }
        }
    }
}
