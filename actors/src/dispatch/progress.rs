//! How far an attempt has come, noted as it goes, so that it outlives the end of the attempt's time.

use std::num::NonZeroU32;

use casewire_data::delivery::Transit;
use tokio::time::Instant;

use super::response::Answer;

/// See the module.
#[derive(Default)]
pub(super) struct Progress {
    pub stage: Stage,
    /// As far as it is known.
    pub transit: Transit,
    /// Since when the request can be sent.
    pub ready: Option<Instant>,
    /// When the first byte of an answer came.
    pub heard: Option<Instant>,
    /// What has come of an answer.
    pub answer: Option<Answer>,
}

impl Progress {
    /// Something came over the connection.
    pub fn hear(&mut self) {
        if self.heard.is_none() {
            let now = Instant::now();
            self.heard = Some(now);
            self.transit.first_byte_us = self.ready.map(|ready| micros(ready, now));
        }
    }
}

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// A place among the endpoint's connections.
    #[default]
    Queued,
    /// The host's addresses.
    Resolving,
    /// An address to accept.
    Dialling,
    /// The end of the TLS handshake.
    Securing,
    /// The answer.
    Asked,
}

impl Stage {
    /// Said in brackets of an attempt whose time ended before it was answered, where it needs saying.
    pub const fn in_words(self) -> Option<&'static str> {
        match self {
            Self::Queued | Self::Asked => None,
            Self::Resolving => Some("the host's name was not resolved"),
            Self::Dialling => Some("the connection was not accepted"),
            Self::Securing => Some("the TLS handshake did not end"),
        }
    }
}

/// Microseconds between two moments; what took less than one took one.
pub(super) fn micros(from: Instant, to: Instant) -> NonZeroU32 {
    let whole = u32::try_from(to.saturating_duration_since(from).as_micros());
    whole.map_or(NonZeroU32::MAX, |whole| NonZeroU32::new(whole).unwrap_or(NonZeroU32::MIN))
}
