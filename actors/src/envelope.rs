//! An event on its way to its endpoints, with the bodies rendered from it: one for each dialect,
//! however many endpoints share it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use casewire_data::{
    Result,
    dialect::{Dialect, Params},
    event::Event,
};
use tracing::Span;

use crate::span;

/// An event, and each body at most once.
#[derive(Debug)]
pub struct Envelope {
    /// The event.
    pub event: Arc<Event>,
    /// What happens to it here, for whoever records spans; none if nobody does.
    pub span: Span,
    bodies: Mutex<Vec<Rendered>>,
}

#[derive(Debug)]
struct Rendered {
    dialect: Arc<Dialect>,
    params: Arc<Params>,
    body: Bytes,
}

impl Envelope {
    /// An event with no body rendered yet.
    pub fn new(event: Arc<Event>) -> Self {
        Self { span: span::of_event(&event), event, bodies: Mutex::new(Vec::new()) }
    }

    /// The event's body in a dialect, for endpoints with these parameters.
    pub fn body(&self, dialect: &Arc<Dialect>, params: &Arc<Params>) -> Result<Bytes> {
        // Held while it is rendered, or endpoints of one dialect on several shards would each render the same body. A
        // panic then poisons nothing: the list holds whole bodies only.
        let mut bodies = self.bodies.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fits = |rendered: &&Rendered| {
            Arc::ptr_eq(&rendered.dialect, dialect) && (dialect.shares_bodies() || rendered.params == *params)
        };
        if let Some(rendered) = bodies.iter().find(fits) {
            return Ok(rendered.body.clone());
        }
        let body = dialect.body(&self.event, params)?;
        bodies.push(Rendered { dialect: dialect.clone(), params: params.clone(), body: body.clone() });
        Ok(body)
    }
}
