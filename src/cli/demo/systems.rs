//! The systems of the demo and their customers: who takes part, and which events are meant for each.

use std::time::Duration;

use actix_web::http::StatusCode;
use casewire_data::{event::NewEvent, samples, scope::Source};

use crate::cli::receiver::Script;

/// A system whose webhooks are sent, with a tenant to itself.
pub(super) struct System {
    /// Its name, that of its tenant, and that of its samples.
    pub(super) name: &'static str,
    /// Its customers' receivers.
    pub(super) roles: &'static [Role],
}

/// One receiver's part.
pub(super) struct Role {
    /// Its name, and the path of its URL.
    pub(super) name: &'static str,
    /// The format that it understands.
    pub(super) dialect: &'static str,
    /// What its endpoint subscribes to; nothing where the dialect then sends everything.
    pub(super) patterns: &'static [&'static str],
    /// The agencies whose events it takes; none for all.
    pub(super) agencies: &'static [&'static str],
    /// By which ways an event must have come about; none for all.
    pub(super) sources: &'static [Source],
    /// It belongs to the sandbox.
    pub(super) sandbox: bool,
    /// What its dialect must know of it.
    pub(super) params: &'static [(&'static str, &'static str)],
    /// A secret of its own; otherwise one is made where the dialect has it so.
    pub(super) secret: Option<&'static str>,
    /// The query of its URL.
    pub(super) query: &'static str,
    /// It leaves out what its dialect wants to see in an answer, and is to be disabled after one request.
    pub(super) forgetful: bool,
    /// Requests in flight to it.
    pub(super) max_in_flight: Option<u32>,
    /// So many requests are answered with 503 before it recovers.
    failures: usize,
    /// How long it takes over each answer, in milliseconds.
    delay_ms: u64,
}

const ROLE: Role = Role {
    name: "",
    dialect: "",
    patterns: &[],
    agencies: &[],
    sources: &[],
    sandbox: false,
    params: &[],
    secret: None,
    query: "",
    forgetful: false,
    max_in_flight: None,
    failures: 0,
    delay_ms: 0,
};

const XPATH: Role = Role { dialect: "xpath@1", ..ROLE };
const ECOURTDATE: Role =
    Role { dialect: "ecourtdate@1", patterns: &CATEGORIES, secret: Some("harlow-county-secret"), ..ROLE };
const CASEBOOK: Role =
    Role { dialect: "casebook@1", params: &[("tenant_id", "be461bd7-2d91-41c6-ab29-4389066bcc71")], ..ROLE };
const HIVELIGHT: Role =
    Role { dialect: "hivelight@1", patterns: &MATTERS, secret: Some("a-secret-that-comes-back"), ..ROLE };
const CLAIMABLE_1: Role = Role { dialect: "claimable@1", ..ROLE };
const CLAIMABLE_2: Role = Role { dialect: "claimable@2", ..ROLE };

/// All nine of eCourtDate.
const CATEGORIES: [&str; 9] = [
    "messages.*",
    "events.*",
    "payments.*",
    "checkins.*",
    "forms.*",
    "chatbot.*",
    "warrants.*",
    "citations.*",
    "signatures.*",
];
/// All that Hivelight tells.
const MATTERS: [&str; 5] =
    ["matter.created", "milestone.created", "milestone.updated", "task.created", "task.status.updated"];
/// What Claimable's first document names.
const CLAIMS_1: [&str; 9] = [
    "claim.created",
    "claim.closed",
    "claim.reopened",
    "claim.label_added",
    "claim.label_removed",
    "claim.assigned",
    "claim.unassigned",
    "claim.switched_type",
    "contact.created",
];
/// What its second one does.
const CLAIMS_2: [&str; 12] = [
    "claim.created",
    "claim.closed",
    "claim.reopened",
    "claim.deleted",
    "claim.label.added",
    "claim.label.removed",
    "claim.assigned",
    "claim.unassigned",
    "claim.switched_type",
    "claim.damage.created",
    "claim.damage.deleted",
    "contact.created",
];

/// Every system whose customers the demo plays.
pub(super) const SYSTEMS: [System; 5] = [
    // Patterns overlap within an endpoint and between endpoints.
    System {
        name: "xpath",
        roles: &[
            Role {
                name: "data-warehouse",
                patterns: &["cases.*", "assignments.*", "cases.created"],
                ..XPATH
            },
            Role { name: "claims-portal", patterns: &["cases.*"], ..XPATH },
            Role { name: "task-board", patterns: &["cases.tasks.*", "cases.expenses.*"], ..XPATH },
            Role { name: "status-mailer", patterns: &["assignments.status.updated"], ..XPATH },
            Role { name: "failing-crm", patterns: &["assignments.*"], failures: 16, ..XPATH },
            Role {
                name: "crawling-archive",
                patterns: &["cases.created", "cases.closed", "cases.archived", "assignments.archived"],
                delay_ms: 1_500,
                max_in_flight: Some(1),
                ..XPATH
            },
        ],
    },
    // A body does not name its type: a receiver of one type has it in its URL.
    System {
        name: "ecourtdate",
        roles: &[
            Role { name: "harlow-county", agencies: &["harlow-county-court"], ..ECOURTDATE },
            Role {
                name: "cashier",
                patterns: &["payments.*"],
                query: "?type=payments.created",
                failures: 2,
                ..ECOURTDATE
            },
            Role { name: "staging", sandbox: true, ..ECOURTDATE },
        ],
    },
    System {
        name: "casebook",
        roles: &[
            Role { name: "care-record", ..CASEBOOK },
            Role { name: "people-sync", patterns: &["people.*"], failures: 5, ..CASEBOOK },
        ],
    },
    System {
        name: "hivelight",
        roles: &[
            Role { name: "law-practice", ..HIVELIGHT },
            Role { name: "forgetful", forgetful: true, ..HIVELIGHT },
            Role {
                name: "docketing",
                patterns: &["task.created", "task.status.updated"],
                failures: 2,
                ..HIVELIGHT
            },
        ],
    },
    System {
        name: "claimable",
        roles: &[
            Role { name: "adjusters", patterns: &CLAIMS_1, sources: &[Source::Ui], ..CLAIMABLE_1 },
            Role { name: "claims-ledger", patterns: &CLAIMS_2, ..CLAIMABLE_2 },
            Role {
                name: "label-sync",
                patterns: &["claim.label.added", "claim.label.removed"],
                failures: 3,
                ..CLAIMABLE_2
            },
        ],
    },
];

impl System {
    /// What `--system` takes.
    pub(super) fn choices() -> impl Iterator<Item = &'static str> {
        std::iter::once("all").chain(SYSTEMS.iter().map(|system| system.name))
    }

    /// Those that a choice means.
    pub(super) fn chosen(choice: &str) -> impl Iterator<Item = &'static Self> {
        SYSTEMS.iter().filter(move |system| choice == "all" || choice == system.name)
    }

    /// What is published: all its samples, always in the same order.
    pub(super) fn events(&self) -> Vec<NewEvent> {
        let sample = |(_, json)| samples::parse(json).expect("a test reads every sample");
        samples::of(self.name).map(sample).collect()
    }
}

impl Role {
    /// Whether an event is meant for it. Told without the engine's matcher and scopes, which are on trial here.
    pub(super) fn takes(&self, event: &NewEvent) -> bool {
        let event_type = event.event_type.as_str();
        let named = |pattern: &&str| match pattern.strip_suffix('*') {
            Some(family) => event_type.starts_with(family),
            None => event_type == *pattern,
        };
        let agency = || event.agency.as_deref().is_some_and(|agency| self.agencies.contains(&agency));
        let kind = event.actor.as_ref().map(|actor| actor.kind.as_str());
        let source = || self.sources.iter().any(|source| Some(source.as_str()) == kind);
        (self.patterns.is_empty() || self.patterns.iter().any(named))
            && (self.agencies.is_empty() || agency())
            && (self.sources.is_empty() || source())
            && (!self.sandbox || event_type == "messages.received")
    }

    /// How it behaves.
    pub(super) fn script(&self) -> Script {
        let mut replies = vec![StatusCode::SERVICE_UNAVAILABLE; self.failures];
        replies.push(StatusCode::NO_CONTENT);
        Script { replies, delay: Duration::from_millis(self.delay_ms), forgetful: self.forgetful }
    }

    /// What it takes and how it behaves, in a few words.
    pub(super) fn described(&self) -> String {
        let takes = match self.patterns {
            [] => "everything".to_owned(),
            patterns => patterns.join(", "),
        };
        let scopes = [
            (self.sandbox, "sandbox: "),
            (!self.agencies.is_empty(), "agency: "),
            (!self.sources.is_empty(), "UI only: "),
        ];
        let scope = scopes.iter().find(|(scoped, _)| *scoped).map_or("", |(_, word)| word);
        format!("{scope}{takes}")
    }
}

#[cfg(test)]
mod tests {
    use casewire_data::event::{Actor, ActorId};

    use super::*;

    fn role(name: &str) -> &'static Role {
        SYSTEMS.iter().flat_map(|system| system.roles).find(|role| role.name == name).unwrap()
    }

    #[test]
    fn every_system_has_events_and_every_role_gets_some() {
        for system in &SYSTEMS {
            let events = system.events();
            for role in system.roles {
                assert!(events.iter().any(|event| role.takes(event)), "{} {}", system.name, role.name);
            }
        }
    }

    #[test]
    fn scopes_narrow_what_patterns_take() {
        let mut event = NewEvent::new("claim.closed", "{}").unwrap();
        assert!(role("claims-ledger").takes(&event) && !role("adjusters").takes(&event));
        event.actor = Some(Actor { kind: "ui".into(), id: Some(ActorId::Integer(7)), name: None });
        assert!(role("adjusters").takes(&event));

        let mut event = NewEvent::new("messages.sent", "{}").unwrap();
        assert!(!role("harlow-county").takes(&event) && !role("staging").takes(&event));
        event.agency = Some("harlow-county-court".into());
        assert!(role("harlow-county").takes(&event));
    }
}
