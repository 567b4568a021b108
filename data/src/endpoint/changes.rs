//! What a change changed: names for the audit, never values.

use super::Endpoint;

impl Endpoint {
    /// The names of the fields in which another state of the endpoint differs, as its owner knows them.
    pub fn changes(&self, other: &Self) -> Vec<&'static str> {
        // Taken apart, so that nobody adds a field without saying here what a change of it is called.
        let Self {
            id: _,
            ordinal: _,
            tenant: _,
            url,
            description,
            name,
            events,
            status,
            status_reason: _,
            secrets,
            retiring: _,
            dialect,
            params,
            scope,
            filter,
            headers,
            ordering,
            max_in_flight,
            rate_limit_per_second,
            timeout_seconds,
            retry,
            tls,
            held_through: _,
            earlier_params: _,
            failing: _,
            created_at: _,
            updated_at: _,
        } = self;
        let fields = [
            ("url", *url != other.url),
            ("description", *description != other.description),
            ("name", *name != other.name),
            ("events", *events != other.events),
            ("status", *status != other.status),
            ("secret", *secrets != other.secrets),
            ("dialect", *dialect != other.dialect),
            ("params", *params != other.params),
            ("agencies", scope.agencies != other.scope.agencies),
            ("sources", scope.sources != other.scope.sources),
            ("sandbox", scope.sandbox != other.scope.sandbox),
            ("filter", *filter != other.filter),
            ("headers", *headers != other.headers),
            ("ordering", *ordering != other.ordering),
            ("max_in_flight", *max_in_flight != other.max_in_flight),
            ("rate_limit_per_second", *rate_limit_per_second != other.rate_limit_per_second),
            ("timeout_seconds", *timeout_seconds != other.timeout_seconds),
            ("retry", *retry != other.retry),
            ("tls", *tls != other.tls),
        ];
        changed(&fields)
    }
}

/// The names of those that changed.
pub(crate) fn changed(fields: &[(&'static str, bool)]) -> Vec<&'static str> {
    fields.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect()
}
