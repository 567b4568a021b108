//! Inbound: what another system sends becomes an event, once, if its sender is who it must be.

mod access;
mod handshake;
mod hostile;
mod once;
mod round_trip;
mod senders;
mod sources;
mod stealth;

use actix_web::http::Method;
use casewire::{EventId, NewEvent};
use casewire_data::{
    Timestamp,
    dialect::Dialects,
    event::{Event, Tenant},
    samples,
    secret::Secret,
    token::Scope,
};
use serde_json::{Map, Value, json};

use crate::support::host::{Answer, Host};

/// A dialect with all that both sides bring to it.
pub struct System {
    pub dialect: &'static str,
    pub secret: Option<&'static str>,
    pub params: &'static [(&'static str, &'static str)],
    /// Whether the URL must name an event's type, because nothing in the request does.
    pub typed: fn(&str) -> bool,
}

impl System {
    const fn signed(dialect: &'static str, secret: &'static str) -> Self {
        Self { dialect, secret: Some(secret), params: &[], typed: |_| false }
    }

    const fn open(dialect: &'static str) -> Self {
        Self { dialect, secret: None, params: &[], typed: |_| false }
    }
}

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub const SYSTEMS: &[System] = &[
    System::signed("xpath@1", WHSEC),
    System::signed("standard@1", WHSEC),
    System {
        typed: |event_type| !event_type.starts_with("messages."),
        ..System::signed("ecourtdate@1", "ecd-shared-secret-24char")
    },
    System { params: &[("tenant_id", "be461bd7-2d91-41c6-ab29-4389066bcc71")], ..System::open("casebook@1") },
    System::signed("hivelight@1", "a-value-that-comes-back"),
    System::open("claimable@1"),
    System::open("claimable@2"),
    System::open("cloudevents@1"),
    System::signed("clio@1", "0123456789abcdef0123456789abcdef"),
    System::signed("github@1", "It's-a-Secret-to-Everybody"),
];

/// Those whose requests prove who sent them.
fn proving() -> impl Iterator<Item = &'static System> {
    SYSTEMS.iter().filter(|system| system.secret.is_some())
}

fn system(dialect: &str) -> &'static System {
    SYSTEMS.iter().find(|system| system.dialect == dialect).unwrap()
}

impl System {
    /// A name for its source and for a tenant.
    fn name(&self) -> String {
        self.dialect.replace('@', "-")
    }

    /// The samples that it can say.
    fn events(&self) -> Vec<NewEvent> {
        let dialect = Dialects::builtin().get(self.dialect).unwrap();
        let own = samples::of(self.dialect.split('@').next().unwrap());
        let said = own.filter(|(event_type, _)| dialect.check_patterns(&[(*event_type).to_owned()]).is_ok());
        let events: Vec<_> = said.map(|(_, json)| samples::parse(json).unwrap()).collect();
        assert!(!events.is_empty(), "{}", self.dialect);
        events
    }

    fn params(&self) -> std::collections::BTreeMap<String, String> {
        self.params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn query(&self, event: &NewEvent) -> String {
        let event_type = event.event_type.as_str();
        if (self.typed)(event_type) { format!("?type={event_type}") } else { String::new() }
    }

    /// What creates its source.
    fn draft(&self) -> String {
        let mut draft = Map::new();
        draft.insert("name".into(), json!(self.name()));
        draft.insert("dialect".into(), json!(self.dialect));
        if let Some(secret) = self.secret {
            draft.insert("secret".into(), json!(secret));
        }
        Value::Object(draft).to_string()
    }

    /// A request of its own for an event, as it makes it at a time.
    fn request(&self, event: NewEvent, at: Timestamp) -> Sent {
        let dialect = Dialects::builtin().get(self.dialect).unwrap();
        let secrets: Vec<_> =
            self.secret.iter().map(|text| dialect.secret(Some(text), [0; 32]).unwrap().unwrap()).collect();
        let recipient = dialect.recipient(&self.params(), &secrets);
        let path = format!("/inbound/{}{}", self.name(), self.query(&event));
        let id = EventId::from_u128(u128::try_from(at.as_millis()).unwrap() << 80 | 7);
        let event = Event {
            seq: 1,
            position: 0,
            id,
            tenant: Tenant::default(),
            published_at: at,
            erased_at: None,
            content: event,
        };
        let body = dialect.body(&event, recipient.params()).unwrap().to_vec();
        let headers = dialect.headers(&event, &body, &recipient, at).to_pairs();
        Sent { path, headers, body }
    }

    /// A request of its own for its first sample, made now.
    fn genuine(&self) -> Sent {
        self.request(self.events().remove(0), now())
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(since.as_millis().try_into().unwrap())
}

/// A request as it is sent.
#[derive(Clone, Debug)]
pub struct Sent {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn header(&mut self, name: &str) -> &mut String {
        let named = self.headers.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name));
        &mut named.unwrap_or_else(|| panic!("no {name}")).1
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    fn bearing(self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }
}

/// What an outsider sees of the headers of an answer.
fn header_names(answer: &Answer) -> Vec<String> {
    let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort_unstable();
    names
}

/// A host with sources, and an eye on all that is stored in the tenant `default`.
pub struct Door {
    pub host: Host,
    /// A token that may publish there, and nothing else.
    pub publisher: String,
    observer: String,
}

impl Door {
    async fn open() -> Self {
        let host = Host::start().await;
        let paused = r#"{"url":"https://observer.example/","events":["*"],"status":"paused"}"#;
        let observer = host.endpoint(paused).await;
        let publisher = host.token("default", &[Scope::EventsPublish]).await;
        Self { host, publisher, observer }
    }

    /// A door with a source of one system.
    async fn of(system: &System) -> Self {
        let door = Self::open().await;
        door.source(&system.draft()).await;
        door
    }

    /// Creates a source in the tenant `default`.
    async fn source(&self, draft: &str) -> Value {
        let answer = self.host.call(Method::POST, "/sources", draft).await;
        assert_eq!(answer.status, 201, "{draft}: {}", answer.text);
        answer.data()
    }

    async fn send(&self, sent: &Sent) -> Answer {
        let headers: Vec<_> = sent.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.host.send(Method::POST, &sent.path, &headers, sent.body.clone()).await
    }

    /// Sends a request of a system's, with a token where it needs one.
    async fn send_of(&self, system: &System, sent: &Sent) -> Answer {
        match system.secret {
            Some(_) => self.send(sent).await,
            None => self.send(&sent.clone().bearing(&self.publisher)).await,
        }
    }

    /// How many events are stored.
    async fn stored(&self) -> u64 {
        let path = format!("/endpoints/{}", self.observer);
        self.host.call(Method::GET, &path, "").await.data()["held"].as_u64().unwrap_or(0)
    }

    async fn event(&self, id: &Value) -> casewire::StoredEvent {
        let id = id.as_str().unwrap().parse().unwrap();
        self.host.engine.tenant(Tenant::default()).event(id).await.unwrap()
    }

    async fn close(self) {
        self.host.stop().await;
    }
}
