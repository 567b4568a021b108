//! One system's stage: its tenant, its receivers and its events.

use std::{iter::Peekable, time::Duration, vec};

use casewire_data::{
    Error,
    delivery::{DeliveryRecord, DeliveryStatus},
    dialect::Dialects,
    event::{Event, NewEvent, Tenant},
};

use super::{board::Row, cast::Player, check::Verdict, systems::System};
use crate::{cli::Failure, engine::Engine, tenant::TenantHandle};

/// Time between two events of a system,
const PUBLISH_EVERY_MAX: Duration = Duration::from_millis(500);
/// unless it has so many that they would take longer than this.
const PUBLISH_FOR_MAX: Duration = Duration::from_millis(7_500);

/// See the module.
pub(super) struct Stage {
    pub(super) system: &'static System,
    pub(super) players: Vec<Player>,
    /// How things stand, a row a player.
    pub(super) rows: Vec<Row>,
    tenant: TenantHandle,
    waiting: Peekable<vec::IntoIter<NewEvent>>,
    publish_every: Duration,
    published: Vec<Published>,
}

/// An event that the engine has accepted.
struct Published {
    event: Event,
    /// How many endpoints it is for.
    matched: usize,
    /// What became of it, when last looked at.
    deliveries: Vec<DeliveryRecord>,
}

impl Published {
    /// Nothing will change any more.
    fn is_settled(&self) -> bool {
        let last = [DeliveryStatus::Delivered, DeliveryStatus::Dead, DeliveryStatus::Cancelled];
        let settled = self.deliveries.iter().filter(|delivery| last.contains(&delivery.status));
        settled.count() == self.matched
    }
}

impl Stage {
    /// Everyone in their places, nothing published yet.
    pub(super) async fn set(
        system: &'static System,
        engine: &Engine,
        dialects: &Dialects,
    ) -> Result<Self, Failure> {
        let tenant = engine.tenant(Tenant::new(system.name)?);
        let mut players = Vec::new();
        for role in system.roles {
            players.push(Player::join(role, &tenant, dialects).await?);
        }
        let events = system.events();
        let share = PUBLISH_FOR_MAX / u32::try_from(events.len()).unwrap_or(u32::MAX);
        Ok(Self {
            system,
            rows: vec![Row::default(); players.len()],
            players,
            tenant,
            publish_every: share.min(PUBLISH_EVERY_MAX),
            waiting: events.into_iter().peekable(),
            published: Vec::new(),
        })
    }

    /// Whose events these are.
    pub(super) fn tenant(&self) -> &Tenant {
        self.tenant.name()
    }

    /// How many events were published, and how many of them are for no endpoint.
    pub(super) fn events(&self) -> (usize, usize) {
        (self.published.len(), self.published.iter().filter(|event| event.matched == 0).count())
    }

    /// How many events are still to come.
    pub(super) fn events_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Publishes the next event, if its time has come.
    pub(super) async fn publish_due(&mut self, elapsed: Duration) -> Result<(), Error> {
        let due = self.publish_every * u32::try_from(self.published.len()).unwrap_or(u32::MAX);
        if elapsed < due {
            return Ok(());
        }
        if let Some(event) = self.waiting.next() {
            let receipt = self.tenant.publish(event).await?;
            let event = self.tenant.event(receipt.id).await?;
            self.published.push(Published { event, matched: receipt.deliveries, deliveries: Vec::new() });
        }
        Ok(())
    }

    /// Takes in the engine's own account, endpoint by endpoint, and the receivers' of what came.
    pub(super) async fn look(&mut self) -> Result<(), Error> {
        for published in self.published.iter_mut().filter(|published| !published.is_settled()) {
            published.deliveries = self.tenant.event_deliveries(published.event.id).await?;
        }
        for (player, row) in self.players.iter_mut().zip(&mut self.rows) {
            player.catch_up();
            let all = self.published.iter().flat_map(|published| &published.deliveries);
            let own: Vec<_> = all.filter(|delivery| delivery.id.endpoint == player.endpoint).collect();
            let endpoint = self.tenant.endpoint(player.endpoint).await?.endpoint;
            *row = Row::of(&own, endpoint.status_reason.as_ref().cloned());
        }
        Ok(())
    }

    /// Whether all is published and every receiver has got what was meant for it, or was disabled as it deserves.
    pub(super) fn is_settled(&mut self) -> bool {
        let meant =
            |player: &Player| self.published.iter().filter(|it| player.role.takes(&it.event.content)).count();
        let settled = |(player, row): (&Player, &Row)| match player.role.forgetful {
            true => row.disabled.is_some(),
            false => row.delivered + row.lost >= meant(player),
        };
        self.waiting.peek().is_none() && self.players.iter().zip(&self.rows).all(settled)
    }

    /// What the judge says of each receiver.
    pub(super) fn verdicts(&self) -> Result<Vec<Verdict>, Error> {
        let verdict = |(player, row): (&Player, &Row)| {
            let expected = player.expected(self.published.iter().map(|it| &it.event))?;
            Ok(match player.role.forgetful {
                true => Verdict::of_disabled(&expected, &player.received, row.disabled.clone()),
                false => Verdict::of(&expected, &player.received),
            })
        };
        self.players.iter().zip(&self.rows).map(verdict).collect()
    }
}
