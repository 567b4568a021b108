//! Who is on stage: receivers at work, each with an endpoint of its own.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use casewire_data::{
    Result,
    dialect::Dialects,
    endpoint::EndpointDraft,
    event::{Event, NewEvent},
    id::EndpointId,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::systems::Role;
use crate::{
    cli::{
        Failure,
        receiver::{Received, Receiver, Verifier},
    },
    tenant::TenantHandle,
};

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
    pub(super) async fn join(
        role: &'static Role,
        tenant: &TenantHandle,
        dialects: &Dialects,
    ) -> std::result::Result<Self, Failure> {
        let verifier = Verifier::new(dialects.get(role.dialect)?, role.params());
        let (told, requests) = unbounded_channel();
        let receiver = Receiver::start((Ipv4Addr::LOCALHOST, 0).into(), verifier, role.script(), told)
            .map_err(|error| Failure::failed(format!("cannot listen on loopback: {error}")))?;
        let url = format!("http://{}/{}{}", receiver.address(), role.name, role.query);
        let endpoint = Arc::clone(&tenant.create_endpoint(role.draft(url)).await?.endpoint);
        for secret in &endpoint.secrets {
            receiver.trust(secret.clone());
        }
        Ok(Self { role, endpoint: endpoint.id, received: Vec::new(), requests, receiver })
    }

    /// The events that are meant for it, by the ids by which it knows them.
    pub(super) fn expected<'e>(
        &self,
        published: impl Iterator<Item = &'e Event>,
    ) -> Result<BTreeMap<String, &'e NewEvent>> {
        let meant = published.filter(|event| self.role.takes(&event.content));
        meant.map(|event| Ok((self.receiver.verifier().id_of(event)?, &event.content))).collect()
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

impl Role {
    fn params(&self) -> BTreeMap<String, String> {
        self.params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Its endpoint.
    fn draft(&self, url: String) -> EndpointDraft {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        EndpointDraft {
            url,
            events: texts(self.patterns),
            name: Some(self.name.to_owned()),
            secret: self.secret.map(str::to_owned),
            dialect: Some(self.dialect.to_owned()),
            params: self.params(),
            agencies: texts(self.agencies),
            sources: self.sources.to_vec(),
            sandbox: self.sandbox,
            max_in_flight: self.max_in_flight,
            ..EndpointDraft::default()
        }
    }
}
