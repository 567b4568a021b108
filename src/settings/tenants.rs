//! What a tenant may have of its own: lines below `[tenants.NAME]`, which only the file can give.

use casewire_data::{event::Tenant, limits::Limits};

use super::values::{HOUR_MS, millis, number};

/// One setting of a tenant.
pub(super) struct TenantKey {
    pub(super) name: &'static str,
    pub(super) apply: fn(&mut Limits, &Tenant, &str) -> Result<(), String>,
}

const RETENTION_HOURS: &str = "retention_hours";

/// Every setting of a tenant. What is not given is as for all.
pub(super) const TENANT_KEYS: &[TenantKey] = &[
    TenantKey {
        name: RETENTION_HOURS,
        apply: |limits, tenant, text| {
            limits.tenants_retention_ms.insert(tenant.clone(), millis(text, HOUR_MS)?);
            Ok(())
        },
    },
    TenantKey {
        name: "retention_bytes",
        apply: |limits, tenant, text| {
            limits.tenants_retention_bytes.insert(tenant.clone(), number(text)?);
            Ok(())
        },
    },
    TenantKey {
        name: "payload_retention_bytes",
        apply: |limits, tenant, text| {
            limits.payload_retention.tenants_bytes.insert(tenant.clone(), number(text)?);
            Ok(())
        },
    },
    TenantKey {
        name: "payload_retention_hours",
        apply: |limits, tenant, text| {
            limits.payload_retention.tenants_ms.insert(tenant.clone(), millis(text, HOUR_MS)?);
            Ok(())
        },
    },
];

/// Holds a tenant's setting against those for all, once all are known: which of them comes first in the file is nobody's
/// concern.
pub(super) fn check(key: &TenantKey, tenant: &Tenant, limits: &Limits) -> Result<(), String> {
    let period = limits.tenants_retention_ms.get(tenant).filter(|_| key.name == RETENTION_HOURS);
    if period.is_none_or(|period| *period <= limits.retention_ms) {
        return Ok(());
    }
    #[expect(clippy::cast_precision_loss, reason = "a period is far below 2^53 ms")]
    let all_hours = limits.retention_ms as f64 / HOUR_MS;
    Err(format!(
        "is longer than retention_hours for all, {all_hours}, by which files go; raise that, and shorten the period of each \
         tenant that is not to have it"
    ))
}
