//! Casewire delivers the events of a case-management system, signed and durable, to every webhook endpoint that
//! subscribed to them; embedded in the host, with no server beside it.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use casewire::{EndpointDraft, Engine, Tenant};
//!
//! # async fn example() -> casewire::Result<()> {
//! let engine = Engine::builder("/var/lib/cases/webhooks").start()?;
//! let draft = EndpointDraft {
//!     url: "https://partner.example.com/webhooks".to_owned(),
//!     events: vec!["cases.*".to_owned()],
//!     ..EndpointDraft::default()
//! };
//! let created = engine.tenant(Tenant::default()).create_endpoint(draft).await?;
//! println!("sign with {}", created.endpoint.secrets[0].expose());
//!
//! let receipt = engine.publisher().publish_json("cases.created", r#"{"id":"C-1"}"#).await?;
//! println!("{} goes to {} endpoints", receipt.id, receipt.deliveries);
//!
//! engine.shutdown(Duration::from_secs(30)).await;
//! # Ok(())
//! # }
//! ```
//!
//! See `README.md` for what is promised, and for the way of one event through the house.

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod settings;

mod admin;
mod dialect_folder;
mod engine;
mod inbound;
mod metrics;
mod publisher;
mod tenant;

pub use casewire_data::{
    Error, ErrorKind, FieldError, Result, Timestamp,
    audit::{Act, Action, AuditEntry, AuditQuery, Principal, PrincipalFilter},
    catalogue::{RegisteredType, ShippedType, TypeDraft},
    delivery::{Attempt, DeliveryRecord, DeliveryStatus, DeliverySummary, FailureClass, Outcome},
    dialect::{Dialect, Dialects, Mistake},
    endpoint::{
        ClientCertificate, Endpoint, EndpointDraft, EndpointPatch, EndpointStatus, EndpointTls, Rotation,
        TlsDraft, TlsPatch,
    },
    event::{Actor, ActorId, Event as StoredEvent, EventType, NewEvent, Resource, Tenant},
    filter::Filter,
    health::Failing,
    id::{AuditId, DeliveryId, EndpointId, EventId, ReplayId, SourceId, TokenId},
    limits::{Limits, PayloadRetention},
    order::DeliveryOrder,
    pace::Down,
    pattern::Pattern,
    rate::RateLimit,
    replay::{ReplayQuery, ReplayState, ReplayStatus},
    retry::RetrySchedule,
    route::Choice,
    schema::{Effort, Schema},
    scope::{EventScope, Source},
    secret::{RetiringSecret, Secret},
    signature::verify,
    source::{InboundSource, SourceDraft, SourcePatch},
    stats,
    store::{RestoreReport, restore},
    token::{Scope, Token},
};

pub use admin::openapi;
pub use dialect_folder::read_dialects;
pub use engine::{BackupReport, Engine, EngineBuilder, Health, ShutdownReport};
pub use inbound::{InboundRequest, Reception};
pub use publisher::{Event, Publisher, Receipt};
pub use tenant::{
    CatalogueEntry, DeliveryQuery, EndpointInfo, EndpointReport, EndpointTrial, Erased, EventQuery, Page,
    Previewed, ReplayReport, SecretInForce, TenantHandle, TrialReport,
};
