//! The secrets of a tenant's endpoints: shown and rotated, both of which the audit has.

use casewire_actors::{clock, registry::Rotate};
use casewire_data::{
    Result, Timestamp,
    audit::{Act, Action},
    endpoint::{Endpoint, Rotation},
    id::EndpointId,
    secret::Secret,
};

use super::TenantHandle;
use crate::engine::gone;

/// A secret that deliveries may be signed with now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInForce {
    /// The secret; [`Secret::expose`] shows it.
    pub secret: Secret,
    /// When it ends; `None` for the newest, which lasts until the next rotation.
    pub until: Option<Timestamp>,
}

impl TenantHandle {
    /// The secrets of an endpoint that are in force now, the newest first; empty if it has none. The audit has it before
    /// this answers.
    pub async fn endpoint_secrets(&self, id: EndpointId) -> Result<Vec<SecretInForce>> {
        self.endpoint(id).await?;
        self.tree
            .journal
            .audited(Act::new(&self.name, self.by.clone(), Action::SecretReveal, id), None)
            .await?;
        // It may have got a new one meanwhile.
        Ok(in_force(&self.endpoint(id).await?.endpoint))
    }

    /// Gives an endpoint a new secret; those until now stay in force for the overlap. Answers with all that are in force
    /// then, the new one first.
    ///
    /// Where a dialect's signature has a `separator`, deliveries are signed by all of them meanwhile; elsewhere by the
    /// oldest until it ends, so that the receiver can learn the next. Where the receiver is handed the new one in a
    /// handshake, it is asked first, and the others end at once.
    pub async fn rotate_secret(&self, id: EndpointId, rotation: Rotation) -> Result<Vec<SecretInForce>> {
        let message = Rotate { tenant: self.name.clone(), id, rotation, by: self.by.clone() };
        let rotated = self.tree.registry.send(message).await.map_err(|_| gone())??;
        Ok(in_force(&rotated))
    }
}

fn in_force(endpoint: &Endpoint) -> Vec<SecretInForce> {
    let secrets = endpoint.secrets_in_force(clock::wall());
    secrets.map(|(secret, until)| SecretInForce { secret: secret.clone(), until }).collect()
}
