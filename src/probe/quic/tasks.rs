//! The tasks that quinn would spawn, polled by the probe that uses their connection.
//!
//! So they end with the probe, however that ends, and no socket outlives it. What they wait for wakes the probe.

use std::fmt;
use std::io;
use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};

use crate::model::lock::lock;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tasks of one endpoint.
#[derive(Default)]
pub(super) struct Tasks {
    running: Vec<Task>,
    spawned: Arc<Mutex<Vec<Task>>>,
}

impl Tasks {
    /// The runtime that adds to these tasks; it reads the time from `clock`.
    pub(super) fn runtime(&self, clock: fn() -> Instant) -> Arc<dyn Runtime> {
        Arc::new(Spawner { spawned: Arc::clone(&self.spawned), clock })
    }

    /// Adds a task.
    pub(super) fn push(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.running.push(Box::pin(task));
    }

    /// Polls each task once.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            self.running.retain_mut(|task| task.as_mut().poll(cx).is_pending());
            let spawned = std::mem::take(&mut *lock(&self.spawned));
            if spawned.is_empty() {
                return;
            }
            self.running.extend(spawned);
        }
    }

    /// Awaits `work` while the tasks are polled.
    pub(super) fn poll_with<T>(&mut self, cx: &mut Context<'_>, work: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        let mut work = work;
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        self.poll(cx);
        work.poll(cx)
    }
}

struct Spawner {
    spawned: Arc<Mutex<Vec<Task>>>,
    clock: fn() -> Instant,
}

impl Runtime for Spawner {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, task: Task) {
        lock(&self.spawned).push(task);
    }

    /// Nothing asks for this: every endpoint is given its socket.
    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        (self.clock)()
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}
