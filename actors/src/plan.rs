//! How deliveries to one endpoint are made: all that can be worked out once, before the first event.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use casewire_data::{
    Error, Result, Timestamp,
    delivery::Outcome,
    dialect::{Dialect, HeaderLines, Message, Params, Recipient, Ruling},
    endpoint::{Endpoint, EndpointStatus},
    event::Event,
    pace::Pace,
    retry::RetrySchedule,
    secret::Secret,
};
use rustls::ClientConfig;

use crate::{
    config::Config,
    dispatch::{Method, Request, Target, endpoint_tls},
    envelope::Envelope,
};

/// See the module.
pub struct Plan {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// When its failed attempts are made again.
    pub schedule: RetrySchedule,
    /// How long one attempt may take, all in all.
    pub deadline: Duration,
    /// Requests in flight at once.
    pub in_flight_max: u32,
    /// TLS as it is spoken with the endpoint's receiver.
    pub tls: Arc<ClientConfig>,
    dialect: Arc<Dialect>,
    recipient: Recipient,
    /// Params for events up to one of them, oldest first.
    earlier_params: Vec<(u64, Arc<Params>)>,
    target: Target,
    static_headers: HeaderLines,
    judged_headers: Arc<[Box<str>]>,
    /// As they are written.
    secrets: Vec<String>,
}

impl Plan {
    /// Works it out. Fails only if what was stored no longer makes sense, such as a dialect that is gone.
    ///
    /// `tls` is what endpoints speak that have no TLS of their own.
    pub fn new(endpoint: Arc<Endpoint>, config: &Config, tls: &Arc<ClientConfig>) -> Result<Self> {
        let dialect = config.dialects.get(&endpoint.dialect)?;
        let Endpoint { params, secrets, retiring, .. } = &*endpoint;
        let recipient = dialect.recipient_in_rotation(params, secrets, retiring);
        let all_secrets = secrets.iter().chain(retiring.iter().map(|it| &it.secret));
        let in_flight_max = if dialect.may_disable(&recipient) { 1 } else { config.limits.in_flight_max };
        let earlier_params = endpoint
            .earlier_params
            .iter()
            .map(|earlier| (earlier.through, dialect.complete_params(&earlier.params)));
        Ok(Self {
            earlier_params: earlier_params.collect(),
            schedule: endpoint.retry.as_ref().unwrap_or(&config.retry).clone(),
            deadline: deadline(&endpoint, config),
            in_flight_max: endpoint.max_in_flight.map_or(in_flight_max, NonZeroU32::get),
            recipient,
            target: Target::new(&endpoint.url)?,
            tls: endpoint_tls(tls, endpoint.tls.as_deref())?,
            static_headers: endpoint.headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
            judged_headers: dialect.judged_headers().map(Into::into).collect(),
            secrets: all_secrets.map(Secret::expose).collect(),
            dialect,
            endpoint,
        })
    }

    /// The signed request of one attempt, made at a time of the wall's clock. The error says why the event has no
    /// place in the endpoint's dialect.
    pub fn request(&self, envelope: &Envelope, at: Timestamp) -> Result<Request> {
        let body = envelope.body(&self.dialect, self.params_of(envelope.event.seq))?;
        let mut headers = self.dialect.headers(&envelope.event, &body, &self.recipient, at);
        headers.extend(&self.static_headers);
        Ok(Request {
            method: Method::Post,
            target: self.target.clone(),
            headers,
            body,
            judged_headers: self.judged_headers.clone(),
        })
    }

    /// The params with which an event's body is made: those in force when it was published, at every attempt.
    fn params_of(&self, seq: u64) -> &Arc<Params> {
        let earlier = self.earlier_params.iter().find(|(through, _)| seq <= *through);
        earlier.map_or(self.recipient.params(), |(_, params)| params)
    }

    /// What the endpoint's dialect has to say of the outcome of an attempt made at a time; absent if it is to be judged
    /// like any other's.
    pub fn ruling(&self, outcome: &Outcome, sent_at: Timestamp) -> Option<&Ruling> {
        let Outcome::Answered { status, headers, body } = outcome else { return None };
        let answer = Message { status: Some(*status), headers, body, ..Message::default() };
        self.dialect.acknowledge(&self.recipient, answer, sent_at)
    }

    /// An outcome as it may be kept and shown: secrets that the receiver sent back are blotted out, wherever it put
    /// them. As long as they were, so that what is kept keeps its limits.
    pub fn without_secrets(&self, mut outcome: Outcome) -> Outcome {
        if let Outcome::Answered { headers, body, .. } = &mut outcome {
            for secret in &self.secrets {
                for (_, value) in headers.iter_mut().filter(|(_, value)| value.contains(secret)) {
                    *value = value.replace(secret, &"*".repeat(secret.len()));
                }
                blot(body, secret.as_bytes());
            }
        }
        outcome
    }

    /// The pace at which deliveries begin. An endpoint that its dialect may disable for a wrong answer is called once
    /// at a time; if its owner asks for more, it is called once before it is called at full speed.
    pub fn pace(&self) -> Pace {
        let mut pace = match self.dialect.may_disable(&self.recipient) {
            true => Pace::proving(self.in_flight_max),
            false => Pace::new(self.in_flight_max),
        };
        pace.set_rate_limit(self.endpoint.rate_limit_per_second);
        pace
    }

    /// Whether the endpoint is paused.
    pub fn is_paused(&self) -> bool {
        self.endpoint.status == EndpointStatus::Paused
    }

    /// The id of an event's delivery to this endpoint.
    pub fn delivery(&self, event: &Event) -> casewire_data::id::DeliveryId {
        casewire_data::id::DeliveryId { event: event.id, endpoint: self.endpoint.id }
    }
}

fn blot(bytes: &mut [u8], secret: &[u8]) {
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(secret.len()).position(|found| found == secret) {
        bytes[from + at..][..secret.len()].fill(b'*');
        from += at + secret.len();
    }
}

/// How long one attempt to an endpoint may take, all in all.
pub fn deadline(endpoint: &Endpoint, config: &Config) -> Duration {
    let milliseconds = match endpoint.timeout_seconds {
        Some(seconds) => u64::from(seconds.get()) * 1_000,
        None => u64::from(config.limits.attempt_timeout_ms),
    };
    Duration::from_millis(milliseconds)
}

/// Why an endpoint cannot be delivered to, for its status.
pub fn unusable(error: &Error) -> String {
    format!("its configuration cannot be used: {error}")
}
