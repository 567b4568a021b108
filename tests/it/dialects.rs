//! Each dialect is spoken as its documents say, on the wire and over the life of an endpoint.

mod casebook;
mod handshakes;
mod hivelight;
mod retries;
mod scopes;
mod secrets;
mod wire;

use casewire::{EndpointDraft, EndpointInfo, Error, NewEvent, Tenant, TenantHandle};
use casewire_data::samples;

use crate::support::{Embedded, Reply, Request, to};

/// A dialect, an event that it can say, and what an endpoint must bring.
struct Spoken {
    dialect: &'static str,
    event_type: &'static str,
    secret: Option<&'static str>,
    params: &'static [(&'static str, &'static str)],
    /// The headers of its own, as they are to stand on the wire.
    headers: &'static [&'static str],
}

const CASEBOOK_TENANT: &str = "be461bd7-2d91-41c6-ab29-4389066bcc71";

const ALL: [Spoken; 10] = [
    Spoken {
        dialect: "casebook@1",
        event_type: "people.create",
        secret: None,
        params: &[("tenant_id", CASEBOOK_TENANT)],
        headers: &["Content-Type"],
    },
    Spoken {
        dialect: "claimable@1",
        event_type: "claim.assigned",
        secret: None,
        params: &[],
        headers: &["Content-Type", "Event-Name"],
    },
    Spoken {
        dialect: "claimable@2",
        event_type: "claim.label.added",
        secret: None,
        params: &[],
        headers: &["Content-Type", "Event-Name"],
    },
    Spoken {
        dialect: "clio@1",
        event_type: "matter.created",
        secret: None,
        params: &[],
        headers: &["Content-Type", "X-Hook-Signature"],
    },
    Spoken {
        dialect: "cloudevents@1",
        event_type: "org.example.docket.hearing.scheduled",
        secret: None,
        params: &[("origin", "cases.example.org")],
        headers: &["Content-Type", "WebHook-Request-Origin"],
    },
    Spoken {
        dialect: "ecourtdate@1",
        event_type: "messages.received",
        secret: Some("ecd-shared-secret-24char"),
        params: &[],
        headers: &["Content-Type", "X-ECD-Signature"],
    },
    Spoken {
        dialect: "github@1",
        event_type: "issues.opened",
        secret: Some("shared"),
        params: &[],
        headers: &["Content-Type", "X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256"],
    },
    Spoken {
        dialect: "hivelight@1",
        event_type: "matter.created",
        secret: Some("comes-back"),
        params: &[],
        headers: &["Content-Type", "X-Secret"],
    },
    Spoken {
        dialect: "standard@1",
        event_type: "hearing.scheduled",
        secret: None,
        params: &[],
        headers: &["Content-Type", "webhook-id", "webhook-timestamp", "webhook-signature"],
    },
    Spoken {
        dialect: "xpath@1",
        event_type: "assignments.status.updated",
        secret: None,
        params: &[],
        headers: &["Content-Type", "webhook-id", "webhook-timestamp", "webhook-signature"],
    },
];

impl Spoken {
    fn of(dialect: &str) -> &'static Self {
        ALL.iter().find(|spoken| spoken.dialect == dialect).expect(dialect)
    }

    fn draft(&self, url: String) -> EndpointDraft {
        EndpointDraft {
            dialect: Some(self.dialect.to_owned()),
            secret: self.secret.map(str::to_owned),
            params: self.params.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ..to(url, &[self.event_type])
        }
    }

    fn event(&self) -> NewEvent {
        sample(self.dialect.split('@').next().unwrap(), self.event_type)
    }

    /// A tenant that has endpoints of this dialect alone.
    fn tenant(&self, home: &Embedded) -> TenantHandle {
        home.engine.tenant(Tenant::new(&self.dialect.replace('@', "-")).unwrap())
    }

    async fn subscribe(&self, home: &Embedded, url: String) -> EndpointInfo {
        self.tenant(home).create_endpoint(self.draft(url)).await.unwrap()
    }
}

fn sample(system: &str, event_type: &str) -> NewEvent {
    samples::parse(samples::event(system, event_type).expect(event_type)).unwrap()
}

/// An answer with all that a request asks to have sent back.
fn obliging(request: &Request, status: u16) -> Reply {
    let pairs = [
        ("x-secret", "X-Secret"),
        ("x-hook-secret", "X-Hook-Secret"),
        ("webhook-request-origin", "WebHook-Allowed-Origin"),
    ];
    pairs.into_iter().fold(Reply::status(status), |reply, (asked, given)| match request.find(asked) {
        Some(value) => reply.with(given, value),
        None => reply,
    })
}

fn fields(error: &Error) -> Vec<&str> {
    error.field_errors().iter().map(|error| error.field.as_str()).collect()
}
