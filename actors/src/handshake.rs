//! The handshake: a receiver is asked whether it wants an endpoint's deliveries before there is one. Only some dialects
//! ask, and each says how, and which answer is a yes.

use std::{collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use casewire_data::{
    Error, ErrorKind, Result,
    delivery::Outcome,
    dialect::{Dialect, Message, Probe, ProbeMethod, Recipient},
    endpoint::{Endpoint, EndpointTls},
    event::Tenant,
};
use rustls::ClientConfig;

use crate::{
    config::Config,
    dispatch::{DispatchConfig, Dispatcher, Method, Request, Target, endpoint_tls},
    plan,
};

/// The longest wait for an answer. Whoever changes the endpoint waits as long, perhaps in front of a screen.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Receivers of one tenant that are asked at once.
const UNDER_WAY_PER_TENANT_MAX: usize = 64;

/// The handshakes under way, so many a tenant and no more.
pub struct Handshakes {
    dispatch: DispatchConfig,
    under_way: HashMap<Tenant, usize>,
}

impl Handshakes {
    /// None yet.
    pub fn new(config: &Config, tls: Arc<ClientConfig>) -> Self {
        let dispatch = DispatchConfig {
            max_in_flight: 1,
            policy: config.egress.clone(),
            tls,
            user_agent: config.user_agent.clone(),
        };
        Self { dispatch, under_way: HashMap::new() }
    }

    /// One more, for a tenant; to be ended when it has resolved. `Busy` if there are too many.
    pub fn begin(
        &mut self,
        tenant: &Tenant,
        question: Rc<Question>,
    ) -> Result<impl Future<Output = Result<()>> + 'static> {
        let under_way = self.under_way.entry(tenant.clone()).or_default();
        if *under_way >= UNDER_WAY_PER_TENANT_MAX {
            let message = format!(
                "{UNDER_WAY_PER_TENANT_MAX} receivers are being asked whether they want deliveries; try again when \
                 some have answered"
            );
            return Err(Error::new(ErrorKind::Busy, message));
        }
        *under_way += 1;
        let dispatch = self.dispatch.clone();
        Ok(async move { question.ask(&dispatch).await })
    }

    /// One of a tenant's is over.
    pub fn end(&mut self, tenant: &Tenant) {
        if let Some(under_way) = self.under_way.get_mut(tenant) {
            *under_way -= 1;
            if *under_way == 0 {
                self.under_way.remove(tenant);
            }
        }
    }
}

/// What a receiver is asked for the sake of an endpoint.
pub struct Question {
    url: Box<str>,
    tls: Option<Arc<EndpointTls>>,
    probe: Probe,
    dialect: Arc<Dialect>,
    recipient: Recipient,
    deadline: Duration,
}

impl Question {
    /// The question that an endpoint's dialect has; none if it asks nothing, or is gone.
    pub fn of(endpoint: &Endpoint, config: &Config) -> Option<Self> {
        let dialect = config.dialects.get(&endpoint.dialect).ok()?;
        let recipient = dialect.recipient(&endpoint.params, &endpoint.secrets);
        let probe = dialect.probe(&recipient)?;
        let deadline = plan::deadline(endpoint, config).min(WAIT_MAX);
        let (url, tls) = (endpoint.url.clone(), endpoint.tls.clone());
        Some(Self { url, tls, probe, dialect, recipient, deadline })
    }

    /// Whether another one is put to the same receiver in the same words: who has answered one has answered both.
    pub fn is_like(&self, other: &Self) -> bool {
        self.url == other.url && self.probe == other.probe
    }

    /// Asks, once. The error names the field `url` and says what the receiver must do.
    async fn ask(&self, config: &DispatchConfig) -> Result<()> {
        let request = Request {
            method: match self.probe.method {
                ProbeMethod::Post => Method::Post,
                ProbeMethod::Options => Method::Options,
            },
            target: Target::new(&self.url)?,
            headers: self.probe.headers.clone(),
            body: Bytes::new(),
            judged_headers: self.probe.judged_headers.as_slice().into(),
        };
        let tls = endpoint_tls(&config.tls, self.tls.as_deref())?;
        let dispatcher = Dispatcher::new(&DispatchConfig { tls, ..config.clone() });
        match dispatcher.attempt(&request, self.deadline).await.0 {
            Outcome::Answered { status, headers, body } => {
                let answer =
                    Message { status: Some(status), headers: &headers, body: &body, ..Message::default() };
                self.dialect.judge_probe(&self.recipient, answer)
            }
            Outcome::Failed { message, .. } => {
                let hint = &self.probe.hint;
                Err(Error::field("url", format!("did not agree to deliveries: {message}. {hint}")))
            }
        }
    }
}
