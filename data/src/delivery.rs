//! One event on its way to one endpoint: what an attempt came to, and what follows from it.
//!
//! [`judge`] is the whole state machine, a pure function from [`Outcome`] to [`Judgement`].

use serde::{Deserialize, Serialize};

use crate::{Timestamp, event::EventType, id::DeliveryId};

/// Why no complete answer came, in classes that stay stable for machines to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureClass {
    /// The host's name did not resolve.
    Dns,
    /// The egress policy forbids the address; no connection was made.
    Egress,
    /// The connection was refused or could not be made.
    Connect,
    /// TLS failed: certificate, name or protocol.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The connection broke before an answer came.
    Broken,
    /// What came back is not HTTP.
    Protocol,
    /// The request could not be made from what is configured.
    Request,
    /// The delivery itself made the engine fail; it is kept aside for people to look at.
    Quarantined,
}

/// What an attempt came to on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The receiver answered with a status line before the deadline.
    Answered {
        /// HTTP status code.
        status: u16,
        /// The response's headers, cut to 2 KiB altogether.
        headers: Vec<(String, String)>,
        /// The first 4 KiB of the body.
        #[serde(with = "serde_bytes_vec")]
        body: Vec<u8>,
    },
    /// No answer came.
    Failed {
        /// The class of the failure.
        class: FailureClass,
        /// In plain words: "connection refused", "no answer in 20 s".
        message: String,
    },
}

/// One attempt, as the delivery log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u16,
    /// When it started.
    pub started_at: Timestamp,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What it came to.
    pub outcome: Outcome,
}

/// Where a delivery stands (http-api, deliveries).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not attempted yet.
    Pending,
    /// An attempt is under way.
    InFlight,
    /// At least one attempt failed; the next one has a time.
    Retrying,
    /// The receiver acknowledged it.
    Delivered,
    /// The schedule is exhausted; kept until retention, replayable.
    Dead,
    /// The endpoint was deleted first.
    Cancelled,
    /// Its endpoint is paused.
    Held,
}

/// One delivery as the delivery log shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRecord {
    /// `<event>.<endpoint>`.
    pub id: DeliveryId,
    /// What happened.
    pub event_type: EventType,
    /// When the event was accepted.
    pub published_at: Timestamp,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// The attempts so far, oldest first.
    pub attempts: Vec<Attempt>,
    /// When the next attempt is due; absent when nothing more is planned.
    pub next_attempt_at: Option<Timestamp>,
}
