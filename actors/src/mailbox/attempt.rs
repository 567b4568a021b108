//! One attempt: begun, and, when it is over, judged and settled.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use casewire_data::{
    Error, Timestamp,
    delivery::{Attempt, EndpointEffect, FailureClass, Outcome, Transit, Verdict, judge},
    endpoint::Endpoint,
    store::{Cancelled, Fate, Settled},
};
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::Instrument;

use super::{Flight, Mailbox, Turn};
use crate::{clock, plan::Plan, registry::Disable, span};

/// An attempt is over.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Finished {
    turn: Turn,
    /// What it was made by, and when by the wall's clock: the endpoint may have changed since.
    made_by: (Arc<Plan>, Timestamp),
    started_at: Timestamp,
    started: Instant,
    outcome: Outcome,
    transit: Transit,
}

impl Mailbox {
    /// Begins an attempt. A panic within it is an outcome like any other, and touches no other delivery.
    pub(super) fn begin(&mut self, turn: Turn, started: Instant, context: &mut Context<Self>) {
        let seq = turn.envelope.event.seq;
        self.current.set(Some(seq));
        let started_at = self.surroundings.clock.at(started);
        let event_position = turn.envelope.event.position;
        let (parked, replayed, lane) = (turn.parked, turn.replayed.is_some(), turn.lane);
        let flight = Flight { parked, replayed, event_position, begun_at: started_at, lane, task: None };
        self.in_flight.insert(seq, flight);
        self.retries.begun(seq);
        self.replays.begun(seq, parked, replayed, started_at);
        self.pace.begins(started_at);
        if !replayed {
            self.surroundings.traffic.live(started_at);
        }
        if turn.attempts == 0 && !replayed {
            self.surroundings.counts.first_attempt(turn.envelope.event.published_at, started_at);
        }
        self.surroundings.in_flight.begin(self.ordinal(), seq);
        let mailbox = self.own_address(context);
        if self.poisoned == Some(seq) {
            let outcome = quarantined("it made the endpoint's mailbox panic");
            let (made_by, transit) = ((self.plan.clone(), clock::wall()), Transit::default());
            mailbox.do_send(Finished { turn, made_by, started_at, started, outcome, transit });
            return;
        }
        let (plan, dispatcher) = (self.plan.clone(), self.dispatcher.clone());
        let before = self.surroundings.config.before_attempt.clone();
        let envelope = turn.envelope.clone();
        let span = span::of_attempt(&envelope, self.plan.endpoint.id, turn.attempts.saturating_add(1));
        // Boxed at once: it is large, and on its way into a task it would be copied again and again.
        let task = actix_rt::spawn(Box::pin(async move {
            let sent_at = clock::wall();
            let attempt = async {
                if let Some(before) = before {
                    before(&envelope.event);
                }
                match plan.request(&envelope, sent_at) {
                    Ok(request) => dispatcher.attempt(&request, plan.deadline).await,
                    Err(error) => (unsayable(&error), Transit::default()),
                }
            };
            let outcome = AssertUnwindSafe(attempt.instrument(span)).catch_unwind().await;
            let (outcome, transit) = outcome.unwrap_or_else(|_| {
                (quarantined("the engine panicked while it made this delivery"), Transit::default())
            });
            let made_by = (plan, sent_at);
            mailbox.do_send(Finished { turn, made_by, started_at, started, outcome, transit });
        }));
        if self.order.is_kept()
            && let Some(flight) = self.in_flight.get_mut(&seq)
        {
            flight.task = Some(task.abort_handle());
        }
        self.current.set(None);
    }

    /// Ends a delivery whose event's content was erased: there is nothing to send.
    pub(super) fn cancel(&mut self, turn: &Turn, now: Timestamp) {
        if turn.replayed.is_some() {
            // The replay passes over it when it is asked for more.
            self.replays.look_again();
            if self.order.is_kept() {
                self.settled_in_order((turn.envelope.event.seq, turn.lane), false, Fate::Delivered, now);
            }
            return;
        }
        let seq = turn.envelope.event.seq;
        self.retries.begun(seq);
        if !turn.parked {
            self.window.settle(seq);
        }
        let (endpoint, parked, floor) = (self.ordinal(), turn.parked, self.window.floor());
        tracing::info!(endpoint = %self.plan.endpoint.id, event = %turn.envelope.event.id, "cancelled: its content was erased");
        self.surroundings.journal.cancel(Cancelled { endpoint, seq, parked, floor });
        if self.order.is_kept() {
            // It is over, like one that was delivered.
            self.settled_in_order((seq, turn.lane), parked, Fate::Delivered, now);
        }
    }

    /// Notes what became of a delivery, and what follows for the endpoint.
    fn settle(&mut self, finished: Finished, ended: Instant, context: &mut Context<Self>) {
        let Finished { turn, made_by: (made_by, sent_at), started_at, started, outcome, transit } = finished;
        let event = &turn.envelope.event;
        let now = self.surroundings.clock.at(ended);
        let number = turn.attempts.saturating_add(1);
        let ruling = made_by.ruling(&outcome, sent_at);
        let counted = number.saturating_sub(turn.earlier);
        let judgement = judge(&outcome, ruling, counted, self.plan.delivery(event), &self.plan.schedule, now);
        self.order.settles();
        let parked = self.in_flight.remove(&event.seq).is_some_and(|flight| flight.parked);
        if !parked {
            self.window.settle(event.seq);
        }
        let fate = match judgement.verdict {
            Verdict::Delivered => Fate::Delivered,
            Verdict::RetryAt(due) => Fate::RetryAt(due),
            Verdict::Dead => Fate::Dead,
        };
        let duration_us = u64::try_from((ended - started).as_micros()).unwrap_or(u64::MAX);
        self.stats.note(now, duration_us, &outcome, fate);
        span::attempted(&turn.envelope, self.plan.endpoint.id, number, &outcome, fate);
        if let Fate::RetryAt(due) = fate {
            self.retries.note(due);
        }
        let diagnosis = self.diagnose(&outcome, fate, now);
        if fate == Fate::Dead {
            self.tell_dead(&turn.envelope, number, &outcome, now);
        }
        // What the receiver has asked for is its own word; what has been seen of it counts beside.
        self.affect(judgement.effect, now, context);
        if !self.disabling {
            self.affect(diagnosis, now, context);
        }
        let settled = Settled {
            endpoint: self.ordinal(),
            seq: event.seq,
            event_position: event.position,
            parked,
            floor: self.window.floor(),
            fate,
            attempt: Attempt {
                number,
                started_at,
                duration_us,
                outcome: self.without_secrets(outcome, &made_by),
                transit,
                erased: false,
            },
            lane: turn.lane.filter(|_| matches!(fate, Fate::RetryAt(_))),
        };
        self.replays.settled(event.seq, turn.replayed.is_some(), fate);
        self.surroundings.journal.settle(settled, event, turn.replayed, &self.unwritten);
        if self.order.is_kept() {
            // After it in the journal, or a crash in between would leave a later one as the first of its case.
            self.settled_in_order((event.seq, turn.lane), parked, fate, now);
        }
        // Only now: a stop that sees nothing in flight counts what the journal was told.
        self.surroundings.in_flight.end(self.ordinal(), event.seq);
    }

    /// Neither those that were in force when it was sent, nor those of now.
    fn without_secrets(&self, outcome: Outcome, made_by: &Arc<Plan>) -> Outcome {
        let outcome = made_by.without_secrets(outcome);
        if Arc::ptr_eq(made_by, &self.plan) { outcome } else { self.plan.without_secrets(outcome) }
    }

    fn affect(&mut self, effect: EndpointEffect, now: Timestamp, context: &mut Context<Self>) {
        match effect {
            EndpointEffect::None => {}
            EndpointEffect::Throttle { until } => self.pace.throttled(until),
            EndpointEffect::Disable { reason } => {
                let Endpoint { id, tenant, .. } = &*self.plan.endpoint;
                tracing::warn!(endpoint = %id, reason, "the endpoint is disabled");
                let (told, heard) = oneshot::channel();
                let disable =
                    Disable { id: *id, tenant: tenant.clone(), reason: reason.clone(), told: Some(told) };
                self.surroundings.registry.do_send(disable);
                self.pause_now(&reason, now);
                self.disabling = true;
                context.spawn(heard.into_actor(self).map(|_, mailbox, context| {
                    mailbox.disabling = false;
                    mailbox.work(context);
                }));
            }
        }
    }

    /// Pauses at once; the registry's word follows when it is durable.
    fn pause_now(&mut self, reason: &str, now: Timestamp) {
        let paused = Arc::new(self.plan.endpoint.disabled(reason.to_owned(), now));
        match Plan::new(paused, &self.surroundings.config, &self.surroundings.tls) {
            Ok(plan) => self.plan = Arc::new(plan),
            Err(error) => tracing::error!(%error, "an endpoint in use no longer makes sense"),
        }
        self.give_back();
    }
}

impl Handler<Finished> for Mailbox {
    type Result = ();

    fn handle(&mut self, finished: Finished, context: &mut Self::Context) {
        self.current.set(Some(finished.turn.envelope.event.seq));
        let ended = Instant::now();
        self.settle(finished, ended, context);
        self.current.set(None);
        self.work_at(ended, context);
    }
}

fn quarantined(what: &str) -> Outcome {
    let message = format!("quarantined: {what}; it is kept as a dead letter and can be sent again");
    Outcome::Failed { class: FailureClass::Quarantined, message }
}

/// The event was accepted when its endpoint's dialect, or the file that describes it, was another.
fn unsayable(error: &Error) -> Outcome {
    let message = match error.field_errors() {
        [first, ..] => format!("{} {}", first.field, first.message),
        [] => error.to_string(),
    };
    let message = format!("the endpoint's dialect cannot say the event: {message}");
    Outcome::Failed { class: FailureClass::Request, message }
}
