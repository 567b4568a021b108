//! What a tenant may have of its own: lines below `[tenants.NAME]`, which only the file can give.

use casewire_data::{event::Tenant, limits::Limits};

use super::values::{HOUR_MS, millis, number};

/// One setting of a tenant.
pub(super) struct TenantKey {
    pub(super) name: &'static str,
    pub(super) apply: fn(&mut Limits, &Tenant, &str) -> Result<(), String>,
}

/// Every setting of a tenant. What is not given is as for all.
pub(super) const TENANT_KEYS: &[TenantKey] = &[
    TenantKey {
        name: "retention_hours",
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
