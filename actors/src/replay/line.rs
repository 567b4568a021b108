//! The line between mailboxes and replays: which endpoints are replayed to, and what their mailboxes ask for.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

/// What a running replay waits for.
#[derive(Debug, Default)]
pub struct Signal {
    /// The events of the deliveries that the mailbox holds, when it has room for more.
    asked: Mutex<Option<Vec<u64>>>,
    cancelled: AtomicBool,
    rung: Notify,
}

impl Signal {
    /// Waits until the mailbox has asked, and tells what it holds; nothing once the replay is called off.
    pub async fn asked(&self) -> Option<Vec<u64>> {
        loop {
            if self.is_cancelled() {
                return None;
            }
            let asked = self.asked.lock().expect("nothing panics while it holds this lock").take();
            if asked.is_some() {
                return asked;
            }
            self.rung.notified().await;
        }
    }

    /// The replay is called off.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.rung.notify_one();
    }

    /// Whether it is called off.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

/// See the module. Shared by all mailboxes; where nothing is replayed it costs a look at one atomic.
#[derive(Debug, Default)]
pub struct ReplayLine {
    open: AtomicUsize,
    signals: Mutex<HashMap<u32, Arc<Signal>>>,
}

impl ReplayLine {
    /// Whether a replay to the endpoint is under way.
    pub fn is_open(&self, endpoint: u32) -> bool {
        self.open.load(Ordering::Acquire) > 0 && self.signals().contains_key(&endpoint)
    }

    /// A mailbox has room, and holds the deliveries of these events.
    pub fn ask(&self, endpoint: u32, holds: Vec<u64>) {
        if let Some(signal) = self.signals().get(&endpoint) {
            *signal.asked.lock().expect("nothing panics while it holds this lock") = Some(holds);
            signal.rung.notify_one();
        }
    }

    pub(super) fn open(&self, endpoint: u32, signal: Arc<Signal>) {
        let mut signals = self.signals();
        signals.insert(endpoint, signal);
        self.open.store(signals.len(), Ordering::Release);
    }

    /// Closes it, unless another replay has opened it since.
    pub(super) fn close(&self, endpoint: u32, signal: &Arc<Signal>) {
        let mut signals = self.signals();
        if signals.get(&endpoint).is_some_and(|open| Arc::ptr_eq(open, signal)) {
            signals.remove(&endpoint);
        }
        self.open.store(signals.len(), Ordering::Release);
    }

    fn signals(&self) -> MutexGuard<'_, HashMap<u32, Arc<Signal>>> {
        self.signals.lock().expect("nothing panics while it holds this lock")
    }
}
