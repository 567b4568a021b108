//! Who takes part in the demo: six receivers, and which events are meant for each.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use actix_web::http::StatusCode;
use casewire_data::{endpoint::EndpointDraft, id::EndpointId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Published;
use crate::{
    cli::{
        Failure,
        receiver::{Received, Receiver, Script},
    },
    tenant::TenantHandle,
};

/// One receiver's part.
pub(super) struct Role {
    /// Its name, and the path of its URL.
    pub(super) name: &'static str,
    /// What its endpoint subscribes to.
    pub(super) patterns: &'static [&'static str],
    /// So many requests are answered with 503 before it recovers.
    failures: usize,
    /// How long it takes over each answer, in milliseconds.
    delay_ms: u64,
    max_in_flight: Option<u32>,
}

const WELL_BEHAVED: Role = Role { name: "", patterns: &[], failures: 0, delay_ms: 0, max_in_flight: None };

/// Patterns overlap within an endpoint and between endpoints; one receiver fails at first, one crawls.
const ROLES: [Role; 6] = [
    Role { name: "data-warehouse", patterns: &["cases.*", "assignments.*", "cases.created"], ..WELL_BEHAVED },
    Role { name: "claims-portal", patterns: &["cases.*"], ..WELL_BEHAVED },
    Role { name: "task-board", patterns: &["cases.tasks.*", "cases.expenses.*"], ..WELL_BEHAVED },
    Role { name: "status-mailer", patterns: &["assignments.status.updated"], ..WELL_BEHAVED },
    Role { name: "failing-crm", patterns: &["assignments.*"], failures: 16, ..WELL_BEHAVED },
    Role {
        name: "crawling-archive",
        patterns: &["cases.created", "cases.closed", "cases.archived", "assignments.archived"],
        delay_ms: 1_500,
        max_in_flight: Some(1),
        ..WELL_BEHAVED
    },
];

impl Role {
    /// Whether an event is meant for it. Told without the engine's matcher, which is on trial here.
    fn takes(&self, event_type: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(family) => event_type.starts_with(family),
            None => event_type == *pattern,
        })
    }

    fn script(&self) -> Script {
        let mut replies = vec![StatusCode::SERVICE_UNAVAILABLE; self.failures];
        replies.push(StatusCode::NO_CONTENT);
        Script { replies, delay: Duration::from_millis(self.delay_ms) }
    }
}

/// A receiver at work, and what it got so far.
pub(super) struct Player {
    /// Its part.
    pub(super) role: &'static Role,
    /// Its endpoint in the engine.
    pub(super) endpoint: EndpointId,
    /// Everything that it got, in order of arrival.
    pub(super) received: Vec<Received>,
    requests: UnboundedReceiver<Received>,
    receiver: Receiver,
}

impl Player {
    /// Starts the receiver, and subscribes it with an endpoint of its own.
    async fn join(role: &'static Role, tenant: &TenantHandle) -> Result<Self, Failure> {
        let (told, requests) = unbounded_channel();
        let receiver = Receiver::start((Ipv4Addr::LOCALHOST, 0).into(), Vec::new(), role.script(), told)
            .map_err(|error| Failure::failed(format!("cannot listen on loopback: {error}")))?;
        let draft = EndpointDraft {
            url: format!("http://{}/{}", receiver.address(), role.name),
            events: role.patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
            name: Some(role.name.to_owned()),
            max_in_flight: role.max_in_flight,
            ..EndpointDraft::default()
        };
        let endpoint = Arc::clone(&tenant.create_endpoint(draft).await?.endpoint);
        for secret in &endpoint.secrets {
            receiver.trust(secret.clone());
        }
        Ok(Self { role, endpoint: endpoint.id, received: Vec::new(), requests, receiver })
    }

    /// The ids of the events that are meant for it.
    pub(super) fn expected(&self, published: &[Published]) -> BTreeSet<String> {
        let meant = published.iter().filter(|event| self.role.takes(&event.event_type));
        meant.map(|event| event.id.to_string()).collect()
    }

    /// Takes in what has arrived since the last time.
    pub(super) fn catch_up(&mut self) {
        while let Ok(received) = self.requests.try_recv() {
            self.received.push(received);
        }
    }

    /// Stops listening.
    pub(super) async fn leave(self) {
        self.receiver.stop(false).await;
    }
}

/// Everyone, in their places.
pub(super) async fn assemble(tenant: &TenantHandle) -> Result<Vec<Player>, Failure> {
    let mut players = Vec::new();
    for role in &ROLES {
        players.push(Player::join(role, tenant).await?);
    }
    Ok(players)
}
