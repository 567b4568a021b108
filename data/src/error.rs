//! One error type: what kind it is, what happened, and what to do next.

use std::fmt;

/// The result of anything in Casewire that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of failure it is; decides the HTTP status and whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input is wrong; the same call will fail again.
    Invalid,
    /// The input cannot be reconciled with what is stored (a key used twice with other content).
    Conflict,
    /// There is no such thing in the caller's tenant.
    NotFound,
    /// A request to a source does not come from somebody who knows its secret.
    Unproven,
    /// The engine is at a limit; the same call will succeed later.
    Busy,
    /// The disk failed or is full. The journal accepts nothing more until a restart.
    Storage,
    /// Stored data is damaged; the message names the file and the place.
    Damaged,
    /// What is stored was written by a newer version, which is to be used for it.
    Newer,
    /// Another process holds the data directory.
    Locked,
    /// The engine is shutting down or gone.
    Closed,
}

/// One field of the caller's input and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, as the caller wrote it: `events[0]`, `actor.kind`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// A failure: its kind, a message that says what to do next, and the fields at fault.
///
/// A failed delivery attempt is not an error; it is an [`Outcome`](crate::delivery::Outcome).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    fields: Vec<FieldError>,
}

impl Error {
    /// An error of a kind, with a message that says what to do next.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), fields: Vec::new() }
    }

    /// Wrong input, named by field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        let fields = vec![FieldError { field: field.into(), message: message.clone() }];
        Self { kind: ErrorKind::Invalid, message, fields }
    }

    /// Wrong input in several fields at once. `fields` must not be empty.
    pub fn fields(fields: Vec<FieldError>) -> Self {
        debug_assert!(!fields.is_empty(), "an error by fields names at least one");
        let message = match fields.as_slice() {
            [first, _, ..] => format!("{} fields are wrong; first {first}", fields.len()),
            few => few.iter().map(FieldError::to_string).collect(),
        };
        Self { kind: ErrorKind::Invalid, message, fields }
    }

    /// The same error with every field moved below `prefix` (`events[3].type`).
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        for field in &mut self.fields {
            field.field = format!("{prefix}.{}", field.field);
        }
        if self.fields.is_empty() { self } else { Self::fields(self.fields) }
    }

    /// Of so many events those that are refused, each with its place in its fields: all of it is told as one error, but
    /// for what nobody reads any more. `refused` must not be empty.
    pub fn of_batch(refused: Vec<Self>, events: usize) -> Self {
        const FIELDS_MAX: usize = 100;
        let count = refused.len();
        let mut refused = refused.into_iter();
        let Some(first) = refused.next() else { return Self::fields(Vec::new()) };
        if count == 1 {
            return first;
        }
        let message = format!("{count} of {events} events are refused; first {}", first.message);
        let others = refused.flat_map(|error| error.fields);
        let fields = first.fields.into_iter().chain(others).take(FIELDS_MAX).collect();
        Self { kind: first.kind, message, fields }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened and what to do next.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The fields at fault; empty unless the kind is [`ErrorKind::Invalid`].
    pub fn field_errors(&self) -> &[FieldError] {
        &self.fields
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
