//! Erasing what a tenant's events say of one resource.

use casewire_actors::sweeper::Erased;
use casewire_data::{Result, event::Resource};

use super::TenantHandle;

impl TenantHandle {
    /// Erases the content of all events about a resource: payload, actor, tags and idempotency key, and what receivers
    /// answered to their deliveries. Their records stay, with the resource, so that it can be shown what was erased; a key
    /// still tells a repeated event.
    ///
    /// From the answer on nobody is shown the content and no attempt is begun with it, whatever happens to the process or
    /// the machine; deliveries that wait are cancelled. `events` is there once it is out of the log's files too, which is
    /// waited for up to 10 s. Events published later are stored as ever. Backups that were made before still have it.
    pub async fn erase(&self, resource: Resource) -> Result<Erased> {
        self.tree.sweeper.erase(self.name.clone(), self.by.clone(), resource).await
    }
}
