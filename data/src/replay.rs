//! A replay: deliveries of one endpoint that are made once more, which ones they are and how far it has come.
//!
//! A replay holds few deliveries at a time, its **window**. The registry has the window before any delivery of it is
//! made, so that wherever a replay is interrupted, what the journal says of the window tells what is left to be done.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    error::{Error, FieldError, Result},
    event::EventType,
    id::ReplayId,
    limits,
    pattern::Pattern,
};

/// Deliveries of a replay that are chosen and not yet made. As many lie in the endpoint's mailbox at most. Fewer would
/// have the registry synced more often, and publishers wait for that.
pub const WINDOW_MAX: usize = 256;
/// The mailbox asks for more when no more than this are left.
pub const LOW_MARK: usize = WINDOW_MAX / 2;
/// Replays of one endpoint that are remembered when they are over.
pub const REMEMBERED_MAX: usize = 32;

/// Which deliveries a replay is for, by where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayStatus {
    /// Given up.
    Dead,
    /// Acknowledged.
    Delivered,
    /// Cancelled before they were made.
    Cancelled,
    /// There is none: the event was published before the endpoint subscribed to it. What the endpoint takes now decides.
    Missing,
}

impl ReplayStatus {
    /// Every status, the default first.
    pub const ALL: [Self; 4] = [Self::Dead, Self::Delivered, Self::Cancelled, Self::Missing];

    /// The status as it is written: `dead`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Missing => "missing",
        }
    }

    /// Reads a status. What waits or is under way is no choice: it is made anyhow.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            Error::field(
                "status",
                format!("choose among {all}; what still waits is delivered without a replay"),
            )
        })
    }
}

/// What is to be sent again. What is absent excludes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayQuery {
    /// Events published at this time or later, to the millisecond.
    pub since: Option<Timestamp>,
    /// Events published before this time, to the millisecond.
    pub until: Option<Timestamp>,
    /// Deliveries that stand so.
    pub statuses: BTreeSet<ReplayStatus>,
    /// Events of types that one of these patterns takes; of every type if there is none.
    pub types: Vec<Pattern>,
}

impl Default for ReplayQuery {
    /// Everything that is dead.
    fn default() -> Self {
        Self { since: None, until: None, statuses: [ReplayStatus::Dead].into(), types: Vec::new() }
    }
}

impl ReplayQuery {
    /// Whether it makes sense; names all that does not.
    pub fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut refuse =
            |field: &str, message: String| wrong.push(FieldError { field: field.to_owned(), message });
        if self.since.zip(self.until).is_some_and(|(since, until)| since >= until) {
            refuse("until", "is not after `since`; choose a later time".to_owned());
        }
        if self.statuses.is_empty() {
            refuse(
                "status",
                format!("name one of {}", ReplayStatus::ALL.map(ReplayStatus::as_str).join(", ")),
            );
        }
        if self.types.len() > limits::PATTERNS_MAX {
            refuse(
                "types",
                format!("has {} patterns; send at most {}", self.types.len(), limits::PATTERNS_MAX),
            );
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::fields(wrong)) }
    }

    /// Whether events of a type are meant.
    pub fn takes_type(&self, event_type: &EventType) -> bool {
        self.types.is_empty() || self.types.iter().any(|pattern| pattern.matches(event_type.as_str()))
    }

    /// Whether deliveries that stand so are meant.
    pub fn takes(&self, status: ReplayStatus) -> bool {
        self.statuses.contains(&status)
    }
}

/// How a replay is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayState {
    /// It goes on, or waits for its endpoint to be active, or to answer.
    Running,
    /// All of it was sent once.
    Finished,
    /// It was called off; what had not been sent was not sent.
    Cancelled,
}

impl ReplayState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Running, Self::Finished, Self::Cancelled];

    /// The state as it is written: `running`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A delivery that is to be made once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u16, bool)", into = "(u64, u64, u16, bool)")]
pub struct Chosen {
    /// The event.
    pub seq: u64,
    /// Where the event stands in the log.
    pub position: u64,
    /// Attempts that there were when it was chosen: one more, and it was made.
    pub attempts: u16,
    /// The event was not routed to the endpoint.
    pub missing: bool,
}

impl From<(u64, u64, u16, bool)> for Chosen {
    fn from((seq, position, attempts, missing): (u64, u64, u16, bool)) -> Self {
        Self { seq, position, attempts, missing }
    }
}

impl From<Chosen> for (u64, u64, u16, bool) {
    fn from(Chosen { seq, position, attempts, missing }: Chosen) -> Self {
        (seq, position, attempts, missing)
    }
}

/// What the journal says of a delivery that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It has not been made since.
    Unsent,
    /// It was made, and acknowledged.
    Delivered,
    /// It was made and failed. What its schedule says follows.
    Failed,
    /// Somebody else has it made, or retention took its event.
    Passed,
}

/// What a query selects at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// So many deliveries.
    pub count: u64,
    /// The events that were looked at: above the first, up to the second.
    pub span: (u64, u64),
    /// Where the log ended then.
    pub as_of: u64,
}

fn wherever() -> u64 {
    u64::MAX
}

/// A replay, as the registry has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// Its endpoint's number in routes.
    pub endpoint: u32,
    /// What it was asked for.
    pub query: ReplayQuery,
    /// How many deliveries it was counted to have when it began.
    pub count: u64,
    /// Its events: above the first, up to the second.
    pub span: (u64, u64),
    /// Where the log ended when it was counted. What comes to an end later is none of it, or more would be sent than
    /// was counted. Replays of builds that did not note it take what they find.
    #[serde(default = "wherever")]
    pub as_of: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// How it is doing.
    pub state: ReplayState,
    /// Every event up to this one was looked at.
    pub place: u64,
    /// Deliveries that may be under way.
    pub window: Vec<Chosen>,
    /// How many were acknowledged at once.
    pub delivered: u64,
    /// How many failed at first.
    pub failed: u64,
    /// How many were not sent: retention took them, or they were sent otherwise.
    pub skipped: u64,
}

impl Replay {
    /// A replay of what was counted, which begins at a time.
    pub fn new(
        (id, endpoint): (ReplayId, u32),
        query: ReplayQuery,
        counted: Counted,
        started_at: Timestamp,
    ) -> Self {
        let Counted { count, span, as_of } = counted;
        Self {
            id,
            endpoint,
            query,
            count,
            span,
            as_of,
            started_at,
            finished_at: None,
            state: ReplayState::Running,
            place: span.0,
            window: Vec::new(),
            delivered: 0,
            failed: 0,
            skipped: 0,
        }
    }

    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        self.state == ReplayState::Running
    }

    /// Deliveries of which an attempt has ended.
    pub fn sent(&self) -> u64 {
        self.delivered + self.failed
    }

    /// Counts what has become of the window, and keeps what is unsent. One `seen` for each.
    pub fn note(&mut self, seen: &[Seen]) {
        let mut seen = seen.iter();
        self.window.retain(|_| match seen.next() {
            Some(Seen::Delivered) => {
                self.delivered += 1;
                false
            }
            Some(Seen::Failed) => {
                self.failed += 1;
                false
            }
            Some(Seen::Passed) => {
                self.skipped += 1;
                false
            }
            Some(Seen::Unsent) | None => true,
        });
    }

    /// It is over.
    pub fn end(&mut self, state: ReplayState, now: Timestamp) {
        (self.state, self.finished_at) = (state, Some(now));
        self.window.clear();
        if state == ReplayState::Finished {
            // What had gone before it could be chosen was counted as well.
            self.skipped = self.skipped.max(self.count.saturating_sub(self.sent()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(count: u64) -> Replay {
        let window = (1..=4).map(|seq| Chosen { seq, position: seq * 100, attempts: 2, missing: false });
        let begun = Replay::new(
            (ReplayId::from_u128(1), 7),
            ReplayQuery::default(),
            Counted { count, span: (0, 9), as_of: 1_000 },
            Timestamp::default(),
        );
        Replay { window: window.collect(), ..begun }
    }

    #[test]
    fn what_has_become_of_the_window_is_counted_and_the_rest_stays() {
        let mut replay = replay(6);
        replay.note(&[Seen::Delivered, Seen::Unsent, Seen::Failed, Seen::Passed]);
        assert_eq!((replay.delivered, replay.failed, replay.skipped, replay.sent()), (1, 1, 1, 2));
        assert_eq!(replay.window.iter().map(|chosen| chosen.seq).collect::<Vec<_>>(), [2]);
        replay.note(&[Seen::Delivered]);
        replay.end(ReplayState::Finished, Timestamp::from_millis(5));
        assert_eq!((replay.sent(), replay.skipped), (3, 3), "what was counted is sent or skipped");
        assert!(!replay.is_running() && replay.finished_at.is_some());
    }

    #[test]
    fn a_query_that_makes_no_sense_is_refused_by_its_fields() {
        let at = |millis| Some(Timestamp::from_millis(millis));
        assert!(ReplayQuery { since: at(1), until: at(2), ..ReplayQuery::default() }.check().is_ok());
        let wrong =
            ReplayQuery { since: at(2), until: at(2), statuses: BTreeSet::new(), ..ReplayQuery::default() };
        let fields: Vec<_> =
            wrong.check().unwrap_err().field_errors().iter().map(|it| it.field.clone()).collect();
        assert_eq!(fields, ["until", "status"]);
        assert!(ReplayStatus::parse("pending").unwrap_err().message().contains("dead, delivered"));
        assert!(ReplayStatus::ALL.iter().all(|it| ReplayStatus::parse(it.as_str()).unwrap() == *it));
    }
}
