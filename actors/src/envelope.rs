//! An event on its way to its endpoints, with the bodies rendered from it: one for each dialect, however many share it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use casewire_data::{dialect::Dialect, event::Event};

/// An event, and each body at most once.
#[derive(Debug)]
pub struct Envelope {
    /// The event.
    pub event: Arc<Event>,
    bodies: Mutex<Vec<(Arc<Dialect>, Bytes)>>,
}

impl Envelope {
    /// An event with no body rendered yet.
    pub fn new(event: Arc<Event>) -> Self {
        Self { event, bodies: Mutex::new(Vec::new()) }
    }

    /// The event's body in a dialect.
    pub fn body(&self, dialect: &Arc<Dialect>) -> Bytes {
        // A panic while rendering poisons nothing: the list holds whole bodies only.
        let mut bodies = self.bodies.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, body)) = bodies.iter().find(|(known, _)| Arc::ptr_eq(known, dialect)) {
            return body.clone();
        }
        let body = dialect.body(&self.event);
        bodies.push((dialect.clone(), body.clone()));
        body
    }
}
