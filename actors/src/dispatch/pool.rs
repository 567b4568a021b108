//! Connections that wait for the next request, the one used last on top.

use std::{cell::RefCell, collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::connection::Connection;
use crate::egress::Origin;

/// How long a connection may lie idle: below the 60 s after which common servers close theirs.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How long a connection is used, so that a receiver that moves is followed.
const LIFETIME_MAX: Duration = Duration::from_secs(600);

/// Idle connections in the order in which they became idle; never more than were in use at once.
#[derive(Default)]
pub(super) struct Pool(RefCell<VecDeque<Idle>>);

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A connection to an origin that is still good as far as can be told. Closes those found not to be.
    pub fn take(&self, origin: &Origin, now: Instant) -> Option<Connection> {
        let mut idle = self.0.borrow_mut();
        while let Some(Idle { mut connection, since }) = idle.pop_back() {
            let young = now < since + IDLE_MAX && now < connection.opened + LIFETIME_MAX;
            if young && connection.origin() == origin && !connection.has_spoken() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection that was last used at a time, and closes those that have lain too long.
    pub fn put(&self, connection: Connection, since: Instant) {
        let mut idle = self.0.borrow_mut();
        while idle.front().is_some_and(|idle| since >= idle.since + IDLE_MAX) {
            idle.pop_front();
        }
        idle.push_back(Idle { connection, since });
    }
}
