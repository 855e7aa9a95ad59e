//! Where an export and the store's side meet: how far it is comes this way, and when it has to end goes that way.
//!
//! The export runs on a thread of its own and reads the store like any other reader; only what it has acknowledged must
//! pass through the one writer. Invariants: nobody here waits for a server, but at the end, for at most
//! [`LAST_FLUSH`]; progress is merged where the writer is slow, so the queue is short. A panic over there goes on here.

use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::model::ExportHealth;
use crate::store::{Progress, Writer};

/// The longest that a clean end waits for what is not exported yet.
pub const LAST_FLUSH: Duration = Duration::from_millis(1_500);

/// Progress on its way to the writer.
const QUEUE: usize = 8;

/// The store's end.
pub struct Outlet {
    /// How the export gets on.
    pub health: watch::Receiver<ExportHealth>,
    progress: mpsc::Receiver<Progress>,
    finish: CancellationToken,
    ended: oneshot::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// The export's end.
pub struct Inlet {
    /// Where its health is read.
    pub health: watch::Sender<ExportHealth>,
    /// When it is cancelled, everything is committed that ever will be.
    pub finish: CancellationToken,
    progress: mpsc::Sender<Progress>,
    /// What the queue had no room for.
    unsaved: Option<Progress>,
    _ended: oneshot::Sender<()>,
}

impl Outlet {
    /// The two ends, of an export that is at `health`.
    #[must_use]
    pub fn open(health: ExportHealth) -> (Self, Inlet) {
        let (health, read) = watch::channel(health);
        let (sender, progress) = mpsc::channel(QUEUE);
        let (alive, ended) = oneshot::channel();
        let finish = CancellationToken::new();
        let inlet = Inlet { health, finish: finish.clone(), progress: sender, unsaved: None, _ended: alive };
        (Self { health: read, progress, finish, ended, thread: None }, inlet)
    }

    /// The same with the thread on which the export runs.
    #[must_use]
    pub fn on(mut self, thread: JoinHandle<()>) -> Self {
        self.thread = Some(thread);
        self
    }

    /// Hands what came to the writer.
    pub fn hand_over(&mut self, writer: &mut Writer) {
        while let Ok(progress) = self.progress.try_recv() {
            writer.note_progress(progress);
        }
    }

    /// Waits until the export ends, which before its time only a panic makes it do.
    pub async fn ended(&mut self) {
        // Its end is dropped, never used.
        drop((&mut self.ended).await);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }

    /// Lets the export send what is committed, for a moment.
    pub async fn finish(&mut self) {
        self.finish.cancel();
        // What is not sent now is sent after the next start.
        drop(tokio::time::timeout(LAST_FLUSH, self.ended()).await);
    }
}

impl Inlet {
    /// Sends how far the export is, merged with what was not taken before.
    pub fn save(&mut self, progress: Progress) {
        match &mut self.unsaved {
            Some(unsaved) => unsaved.update(progress),
            None => self.unsaved = Some(progress),
        }
        let Some(unsaved) = self.unsaved.take() else { return };
        if let Err(mpsc::error::TrySendError::Full(back)) = self.progress.try_send(unsaved) {
            self.unsaved = Some(back);
        }
    }
}
