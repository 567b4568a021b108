//! What an attempt writes from and reads into.

use std::cell::RefCell;

/// Buffers that one thread keeps for attempts to come.
const SPARES_MAX: usize = 64;
/// Bytes of a buffer that is kept; a larger one was for an odd answer.
const SPARE_BYTES_MAX: usize = 16 * 1024;
/// Bytes that hold the head of most requests.
const HEAD_BYTES: usize = 512;

thread_local! {
    /// Of all endpoints together, so that thousands that have nothing to do hold none.
    static SPARES: RefCell<Vec<Buffers>> = const { RefCell::new(Vec::new()) };
}

/// See the module. What they hold when they are taken is of no meaning.
pub(super) struct Buffers {
    /// The head of the request.
    pub head: Vec<u8>,
    /// What has come back.
    pub incoming: Vec<u8>,
}

impl Buffers {
    /// Buffers for one attempt.
    pub fn take() -> Self {
        let spare = SPARES.with_borrow_mut(Vec::pop);
        spare.unwrap_or_else(|| Self { head: Vec::with_capacity(HEAD_BYTES), incoming: Vec::new() })
    }

    /// Keeps them for another attempt.
    pub fn give_back(self) {
        if self.head.capacity().max(self.incoming.capacity()) <= SPARE_BYTES_MAX {
            SPARES.with_borrow_mut(|spares| {
                if spares.len() < SPARES_MAX {
                    spares.push(self);
                }
            });
        }
    }
}
