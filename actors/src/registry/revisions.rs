//! Changes of an endpoint: patches, and rotations of its secret. Its receiver agrees first where it is to be asked anew.

use std::{rc::Rc, sync::Arc};

use actix::{ActorTryFutureExt, Handler, Message, WrapFuture};
use casewire_data::{
    Error, ErrorKind, Result,
    audit::{Act, Action, Principal},
    endpoint::{Endpoint, EndpointPatch, EndpointStatus, Rotation},
    event::Tenant,
    id::EndpointId,
};

use super::{Registry, Stored, random, refused};
use crate::{clock, dispatch::endpoint_tls, handshake::Question};

/// How often a receiver is asked for one change that is overtaken by others.
const ROUNDS_MAX: u32 = 3;

/// Change an endpoint.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Endpoint>>")]
pub struct Update {
    /// Whose it is.
    pub tenant: Tenant,
    /// Which one.
    pub id: EndpointId,
    /// What is to change.
    pub patch: EndpointPatch,
    /// Who wants it.
    pub by: Principal,
}

/// Give an endpoint a new secret, and let the old one end later.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Endpoint>>")]
pub struct Rotate {
    /// Whose it is.
    pub tenant: Tenant,
    /// Which one.
    pub id: EndpointId,
    /// How.
    pub rotation: Rotation,
    /// Who wants it.
    pub by: Principal,
}

/// A change on its way: worked out anew whenever others have come in between.
struct Revision {
    tenant: Tenant,
    id: EndpointId,
    by: Principal,
    change: Change,
}

enum Change {
    Patch(Box<EndpointPatch>),
    /// The second value was drawn for the new secret, once: what a receiver agreed to is what is stored.
    Rotation(Rotation, [u8; 32]),
}

impl Revision {
    /// What the audit says of it.
    fn act(&self, before: &Endpoint, after: &Endpoint) -> Act {
        let action = match (&self.change, after.status) {
            (Change::Rotation(..), _) => Action::SecretRotate,
            (Change::Patch(_), status) if status == before.status => Action::EndpointUpdate,
            (Change::Patch(_), EndpointStatus::Active) => Action::EndpointResume,
            (Change::Patch(_), EndpointStatus::Paused) => Action::EndpointPause,
        };
        Act::new(&self.tenant, self.by.clone(), action, self.id).changing(before.changes(after))
    }
}

impl Registry {
    /// The endpoint as it is, and as a change would have it.
    fn revised(&self, revision: &Revision) -> Result<(Arc<Endpoint>, Endpoint)> {
        let endpoint = self.find(&revision.tenant, revision.id)?;
        let context = self.context(clock::wall());
        let mut revised = match &revision.change {
            Change::Patch(patch) => endpoint.patched(EndpointPatch::clone(patch), &context)?,
            Change::Rotation(rotation, random) => endpoint.rotated(rotation, *random, &context)?,
        };
        if endpoint.tls != revised.tls {
            endpoint_tls(&self.tls, revised.tls.as_deref())?;
        }
        if endpoint.status == EndpointStatus::Paused && revised.status == EndpointStatus::Active {
            revised.held_through = self.journal.store().last_seq();
        }
        let makes_bodies = || self.config.dialects.get(&revised.dialect).is_ok_and(|it| !it.shares_bodies());
        if endpoint.params != revised.params && makes_bodies() {
            revised.keep_params((*endpoint.params).clone(), self.journal.store().last_seq());
        }
        Ok((endpoint, revised))
    }

    /// Stores a change, after its receiver has agreed if it is to be asked anew. `agreed` is what it was asked for this
    /// change before; when it has answered, the change is worked out again, since others may have come in between.
    fn revise(&mut self, revision: Revision, agreed: Option<&Question>, rounds: u32) -> Stored {
        let (endpoint, revised) = match self.revised(&revision) {
            Ok(both) => both,
            Err(error) => return refused(error),
        };
        let before = Question::of(&endpoint, &self.config);
        let is_answered = |question: &Question| {
            [before.as_ref(), agreed].into_iter().flatten().any(|it| it.is_like(question))
        };
        match Question::of(&revised, &self.config).filter(|question| !is_answered(question)) {
            None => {
                let act = revision.act(&endpoint, &revised);
                let put = self.put(revised, act).into_actor(self);
                Box::pin(put.map_ok(move |revised, registry, _| {
                    registry.tell_of_revision(&endpoint, &revised);
                    revised
                }))
            }
            Some(_) if rounds == 0 => {
                let message = "others changed the endpoint meanwhile; read it, and send the change again";
                refused(Error::new(ErrorKind::Conflict, message))
            }
            Some(question) => {
                let question = Rc::new(question);
                let agreed = question.clone();
                self.ask(endpoint.tenant.clone(), question, move |registry| {
                    registry.revise(revision, Some(&agreed), rounds - 1)
                })
            }
        }
    }
}

impl Handler<Update> for Registry {
    type Result = Stored;

    fn handle(&mut self, message: Update, _: &mut Self::Context) -> Self::Result {
        let Update { tenant, id, patch, by } = message;
        self.revise(Revision { tenant, id, by, change: Change::Patch(Box::new(patch)) }, None, ROUNDS_MAX)
    }
}

impl Handler<Rotate> for Registry {
    type Result = Stored;

    fn handle(&mut self, message: Rotate, _: &mut Self::Context) -> Self::Result {
        let Rotate { tenant, id, rotation, by } = message;
        match random() {
            Ok(random) => {
                let change = Change::Rotation(rotation, random);
                self.revise(Revision { tenant, id, by, change }, None, ROUNDS_MAX)
            }
            Err(error) => refused(error),
        }
    }
}
