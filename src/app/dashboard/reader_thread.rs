//! A thread that reads for the dashboard, and ends with it.
//!
//! Only the newest request counts: a long read looks for a newer one now and then and stops in its favour, so a held key does
//! not read all that it passes.
//!
//! Bounds: one read at a time, one result.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::model::lock::lock;

/// A handle to the thread.
pub struct ReaderThread<Request, Answer> {
    requests: Sender<Request>,
    read: Arc<Mutex<Answer>>,
}

/// The requests that wait.
pub struct Waiting<Request>(Receiver<Request>);

impl<Request> Waiting<Request> {
    /// The newest of them; the others are dropped.
    pub fn newest(&self) -> Option<Request> {
        self.0.try_iter().last()
    }

    /// None, ever.
    pub fn none() -> Self {
        Self(channel().1)
    }
}

impl<Request: Send + 'static, Answer: Clone + Send + 'static> ReaderThread<Request, Answer> {
    /// Starts the thread `name`, which makes answers by `read`; `Break` with a newer request gives up the current one. Until the
    /// first answer there is `none`.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn open(
        name: &str,
        none: Answer,
        mut read: impl FnMut(Request, &Waiting<Request>) -> ControlFlow<Request, Answer> + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, received) = channel();
        let waiting = Waiting(received);
        let answer = Arc::new(Mutex::new(none));
        let shelf = Arc::clone(&answer);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut next = waiting.0.recv().ok();
            while let Some(request) = next {
                let request = waiting.newest().unwrap_or(request);
                next = match read(request, &waiting) {
                    ControlFlow::Continue(answer) => {
                        // A plain mutex, because it is held for a move of a pointer.
                        *lock(&shelf) = answer;
                        waiting.0.recv().ok()
                    }
                    ControlFlow::Break(newer) => Some(newer),
                };
            }
        })?;
        Ok(Self { requests, read: answer })
    }

    /// Requests this instead of any earlier request.
    pub fn request(&self, request: Request) {
        // If the thread panicked, its last answer stays.
        let _unheard = self.requests.send(request);
    }

    /// The last answer.
    #[must_use]
    pub fn read(&self) -> Answer {
        lock(&self.read).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first read waits for a newer request and gives up in its favour.
    #[test]
    fn the_newest_request_counts() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let reader = ReaderThread::open("test", 0, move |request: u32, waiting| {
            lock(&log).push(request);
            if request > 1 {
                return ControlFlow::Continue(request);
            }
            loop {
                if let Some(newer) = waiting.newest() {
                    return ControlFlow::Break(newer);
                }
                std::thread::yield_now();
            }
        })
        .unwrap();
        assert_eq!(reader.read(), 0);
        reader.request(1);
        while lock(&seen).is_empty() {
            std::thread::yield_now();
        }
        reader.request(2);
        while reader.read() != 2 {
            std::thread::yield_now();
        }
        assert_eq!(*lock(&seen), [1, 2]);
    }
}
