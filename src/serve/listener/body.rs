//! The body of an answer: a whole one, metrics that are written as the client takes them, or events as they come.
//!
//! Bounds: of a long text one piece is in memory for each client, 70 KB at most and a quarter of a megabyte for its compression; the
//! thread turns to other connections after each.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::serve::answer::GZIP_LEVEL;
use crate::serve::metrics::{Chunks, Scrape};

/// See the module.
pub enum AnswerBody {
    /// A whole body, until it was taken.
    Whole(Option<Bytes>),
    /// Pieces of a long text.
    Pieces(Box<Pieces>),
    /// Chunks, until their sender is gone.
    Events(mpsc::Receiver<Bytes>),
}

/// A long text, each piece of which is made when it is asked for.
pub struct Pieces {
    chunks: Chunks,
    /// None if the client takes no gzip, and after the end.
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// Whether it is the turn of other connections.
    rests: bool,
}

impl Pieces {
    /// The text of `scrape`.
    pub fn new(scrape: Arc<Scrape>, compress: bool) -> Self {
        let gzip = compress.then(|| GzEncoder::new(Vec::new(), GZIP_LEVEL));
        Self { chunks: Chunks::new(scrape), gzip, rests: false }
    }

    /// The next piece, which is empty while the compression gives nothing; none at the end.
    fn next(&mut self) -> Option<Bytes> {
        let text = self.chunks.next();
        let Some(gzip) = &mut self.gzip else { return text.map(Bytes::from) };
        let Some(text) = text else { return self.gzip.take()?.finish().ok().map(Bytes::from) };
        // It writes to memory, which does not fail.
        gzip.write_all(text.as_bytes()).ok()?;
        Some(std::mem::take(gzip.get_mut()).into())
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.rests = true;
        match self.next() {
            Some(piece) if piece.is_empty() => self.poll(context),
            piece => Poll::Ready(piece),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let data = match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty())),
            Self::Pieces(pieces) => pieces.poll(context),
            Self::Events(chunks) => chunks.poll_recv(context),
        };
        data.map(|data| data.map(Frame::data).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) | Self::Events(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::task::Waker;

    use super::*;
    use crate::serve::metrics::{Exposition, ProgramReading, SiteReading};

    fn scrape() -> Arc<Scrape> {
        let site = |number: usize| SiteReading {
            name: format!("site {number}").into(),
            location: None,
            group: None,
            url: "https://a.example/".into(),
            interval: std::time::Duration::from_mins(1),
            sums: None,
            is_down: false,
            is_up: Some(true),
            last_check: None,
            expires: None,
            domain_expires: None,
            quantiles: None,
        };
        let sites = (0..2_000).map(site).collect();
        Arc::new(Scrape { exposition: Exposition::Text, sites, program: ProgramReading::default(), histogram: true })
    }

    /// What a client takes, and how often others had their turn.
    fn taken(compress: bool) -> (Vec<Bytes>, usize) {
        let (mut pieces, mut turns) = (Pieces::new(scrape(), compress), 0);
        let (mut taken, context) = (Vec::new(), Context::from_waker(Waker::noop()));
        loop {
            match pieces.poll(&context) {
                Poll::Pending => turns += 1,
                Poll::Ready(Some(piece)) => taken.push(piece),
                Poll::Ready(None) => return (taken, turns),
            }
        }
    }

    #[test]
    fn a_long_text_comes_in_pieces_between_which_others_have_their_turn() {
        let text: String = Chunks::new(scrape()).collect();
        let (plain, turns) = taken(false);
        assert!(plain.len() > 50 && turns >= plain.len() && plain.iter().all(|piece| piece.len() < 70_000));
        assert!(plain.concat() == text.as_bytes());
        let (compressed, turns) = taken(true);
        let (compressed, mut read) = (compressed.concat(), String::new());
        flate2::read::GzDecoder::new(&compressed[..]).read_to_string(&mut read).unwrap();
        assert!(read == text && compressed.len() < text.len() / 10 && turns > 50);
    }
}
