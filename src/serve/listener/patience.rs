//! A stream that gives up on a reader: an answer has to be taken within [`ANSWER`], however slowly it is read.
//!
//! Invariants: the time runs from the first byte of an answer to the next request. Events have no end, so there it runs from the
//! last byte that was taken, for [`EVENTS`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Time to take an answer.
pub const ANSWER: Duration = Duration::from_secs(10);

/// Time without taking any of the events.
pub const EVENTS: Duration = Duration::from_mins(1);

/// See the module.
pub struct Patient<S> {
    stream: S,
    /// While an answer is being taken.
    deadline: Option<Pin<Box<Sleep>>>,
    has_events: Arc<AtomicBool>,
}

impl<S> Patient<S> {
    /// `has_events` says whether the answer has no end.
    pub const fn new(stream: S, has_events: Arc<AtomicBool>) -> Self {
        Self { stream, deadline: None, has_events }
    }

    /// What `written` means for the deadline; an error once that is over.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let has_events = self.has_events.load(Ordering::Relaxed);
        if has_events && written.is_ready() {
            self.deadline = None;
            return written;
        }
        let patience = if has_events { EVENTS } else { ANSWER };
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
        if deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            // The next request.
            self.deadline = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Pending => self.judge(context, Poll::Pending),
            ready @ Poll::Ready(_) => ready,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Pending => self.judge(context, Poll::Pending),
            ready @ Poll::Ready(_) => ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    /// A reader that takes a byte a second, or nothing.
    #[allow(clippy::disallowed_methods, reason = "the paused clock of the test")]
    #[tokio::test(start_paused = true)]
    async fn an_answer_is_taken_in_time_or_not_at_all() {
        for takes in [true, false] {
            let (near, mut far) = tokio::io::duplex(4);
            let mut stream = Patient::new(near, Arc::default());
            let reader = async {
                let mut byte = [0];
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if takes && far.read(&mut byte).await.unwrap_or(0) == 0 {
                        std::future::pending::<()>().await;
                    }
                }
            };
            let began = Instant::now();
            let written = tokio::select! {
                written = stream.write_all(&[7; 100]) => written,
                () = reader => unreachable!(),
            };
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert!((ANSWER..ANSWER + Duration::from_secs(2)).contains(&began.elapsed()), "{:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_request_begins_anew_and_events_only_need_progress() {
        let (near, mut far) = tokio::io::duplex(64);
        let has_events = Arc::new(AtomicBool::new(false));
        let mut stream = Patient::new(near, Arc::clone(&has_events));
        for _ in 0..3 {
            far.write_all(b"GET").await.unwrap();
            stream.read_exact(&mut [0; 3]).await.unwrap();
            stream.write_all(b"answer").await.unwrap();
            far.read_exact(&mut [0; 6]).await.unwrap();
            tokio::time::sleep(ANSWER.saturating_sub(Duration::from_secs(1))).await;
        }
        has_events.store(true, Ordering::Relaxed);
        for _ in 0..5 {
            stream.write_all(&[1; 64]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(40)).await;
            far.read_exact(&mut [0; 64]).await.unwrap();
        }
        stream.write_all(&[1; 64]).await.unwrap();
        assert_eq!(stream.write_all(&[1; 64]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
