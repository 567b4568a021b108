//! What the audit says of a tenant.

use casewire_data::{
    Result,
    audit::{AuditEntry, AuditQuery},
};

use super::TenantHandle;

impl TenantHandle {
    /// Entries of the audit, the newest first. Whatever tenant the query names, it is about this one.
    pub async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        let query = AuditQuery { tenant: self.name.clone(), ..query };
        self.tree.journal.read(move |store| store.audit(&query)).await?
    }
}
