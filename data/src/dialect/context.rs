//! Where the parts that a dialect's file names are taken from.

use std::{collections::BTreeMap, fmt};

use crate::{
    Timestamp,
    event::{Event, NewEvent, Tenant},
    id::EventId,
};

/// All that can be at hand where something is rendered or judged. What is not there is absent.
#[derive(Clone, Copy, Default)]
pub(super) struct Context<'a> {
    pub(super) event: Option<EventParts<'a>>,
    pub(super) params: Option<&'a Params>,
    /// The secret, as it is written.
    pub(super) secret: Option<&'a str>,
    /// When the attempt is made.
    pub(super) sent_at: Option<Timestamp>,
    /// What came in, or, where a signature is made, what goes out.
    pub(super) message: Option<Message<'a>>,
    /// What was read of a request that came in, where its signature is checked.
    pub(super) received: Option<Received<'a>>,
}

/// An endpoint's parameters with the dialect's defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub(super) BTreeMap<Box<str>, String>);

impl Params {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// What can be said of an event before and after it has its place in the log.
#[derive(Clone, Copy)]
pub(super) struct EventParts<'a> {
    pub(super) id: EventId,
    pub(super) tenant: &'a Tenant,
    pub(super) published_at: Timestamp,
    pub(super) content: &'a NewEvent,
}

impl<'a> EventParts<'a> {
    /// An event that nobody has published yet. Its id and its time are stand-ins that are as long as any that it can
    /// get: what is rendered of it later is not longer.
    pub(super) fn unpublished(tenant: &'a Tenant, content: &'a NewEvent) -> Self {
        /// In the year 2286; milliseconds have 13 digits until then.
        const PUBLISHED_AT: Timestamp = Timestamp::from_millis(9_999_999_999_999);
        Self { id: EventId::from_u128(0), tenant, published_at: PUBLISHED_AT, content }
    }

    pub(super) fn occurred_at(&self) -> Timestamp {
        self.content.occurred_at.unwrap_or(self.published_at)
    }
}

impl<'a> From<&'a Event> for EventParts<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: event.id,
            tenant: &event.tenant,
            published_at: event.published_at,
            content: &event.content,
        }
    }
}

/// An HTTP message: an answer that came back, or a request that came in.
#[derive(Clone, Copy, Default)]
pub struct Message<'a> {
    /// The status of an answer.
    pub status: Option<u16>,
    /// Header names, in any case, and values.
    pub headers: &'a [(String, String)],
    /// Names and values of the query of a request, decoded.
    pub query: &'a [(String, String)],
    /// The body, or as much of it as was kept.
    pub body: &'a [u8],
}

// Its headers may hold the secret.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("status", &self.status).finish_non_exhaustive()
    }
}

impl<'a> Message<'a> {
    /// The value of a header; of several, the first one.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(super) fn query(&self, name: &str) -> Option<&'a str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a signature covers besides the body, as the sender wrote it.
#[derive(Clone, Copy)]
pub(super) struct Received<'a> {
    pub(super) id: &'a str,
    pub(super) timestamp: Option<&'a str>,
}
