//! The trial of an endpoint: one event is sent to it as any other would be, but at once and once, whatever waits for it and
//! whether or not it is paused. The attempt is in the journal like any other; nothing else follows from it: no retry, no
//! pace, no disabling. Since it does not pass through the mailbox, the endpoint's limits do not count it.

use std::{collections::HashMap, sync::Arc, time::Instant};

use casewire_data::{
    Error, ErrorKind, Result,
    delivery::{Attempt, FailureClass, Outcome, Transit, Verdict, judge},
    endpoint::Endpoint,
    event::{Event, Tenant},
    store::{Fate, Settled},
};
use rustls::ClientConfig;

use crate::{
    clock,
    config::Config,
    dispatch::{DispatchConfig, Dispatcher},
    envelope::Envelope,
    journal::Journal,
    metrics::DeliveryCounts,
    plan::Plan,
    unwritten::Unwritten,
};

/// Trials of one tenant that are under way at once.
const UNDER_WAY_PER_TENANT_MAX: usize = 8;

/// The trials under way, so many a tenant and no more.
pub struct Trials {
    dispatch: DispatchConfig,
    under_way: HashMap<Tenant, usize>,
    counts: Arc<DeliveryCounts>,
    unwritten: Unwritten,
}

/// How a trial went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialReport {
    /// The attempt.
    pub attempt: Attempt,
    /// Whether a delivery would be done with it.
    pub delivered: bool,
}

impl Trials {
    /// None yet.
    pub fn new(config: &Config, tls: Arc<ClientConfig>, counts: Arc<DeliveryCounts>) -> Self {
        let dispatch = DispatchConfig {
            max_in_flight: 1,
            policy: config.egress.clone(),
            tls,
            user_agent: config.user_agent.clone(),
        };
        Self { dispatch, under_way: HashMap::new(), counts, unwritten: Unwritten::new(|| {}) }
    }

    /// One more, of an endpoint; to be ended when it has resolved. `Busy` if its tenant has too many, `Conflict` if the
    /// endpoint's dialect is gone.
    pub fn begin(
        &mut self,
        endpoint: Arc<Endpoint>,
        event: Arc<Event>,
        config: &Config,
    ) -> Result<impl Future<Output = TrialReport> + 'static> {
        let under_way = self.under_way.get(&endpoint.tenant).copied().unwrap_or_default();
        if under_way >= UNDER_WAY_PER_TENANT_MAX {
            let message =
                format!("{under_way} endpoints are being tested; try again when some have answered");
            return Err(Error::new(ErrorKind::Busy, message));
        }
        let tenant = endpoint.tenant.clone();
        let plan = Plan::new(endpoint, config, &self.dispatch.tls).map_err(|error| {
            Error::new(ErrorKind::Conflict, format!("the endpoint cannot be sent anything: {error}"))
        })?;
        self.under_way.insert(tenant, under_way + 1);
        let dispatcher = Dispatcher::new(&DispatchConfig { tls: plan.tls.clone(), ..self.dispatch.clone() });
        Ok(async move { attempt(&plan, &dispatcher, event).await })
    }

    /// Counts the attempt, and leaves it to the journal as one that makes the event's late delivery to the endpoint.
    pub fn record(&self, report: &TrialReport, endpoint: u32, event: &Event, journal: &Journal) {
        let attempt = report.attempt.clone();
        let fate = if report.delivered { Fate::Delivered } else { Fate::Dead };
        self.counts.attempt(&attempt.outcome, attempt.duration_us, fate);
        let (seq, event_position) = (event.seq, event.position);
        // It says nothing of how far the endpoint's other deliveries are.
        let settled =
            Settled { endpoint, seq, event_position, parked: true, floor: 0, fate, attempt, lane: None };
        journal.settle(settled, event, Some(true), &self.unwritten);
    }

    /// One of a tenant's is over.
    pub fn end(&mut self, tenant: &Tenant) {
        if let Some(under_way) = self.under_way.get_mut(tenant) {
            *under_way -= 1;
            if *under_way == 0 {
                self.under_way.remove(tenant);
            }
        }
    }
}

async fn attempt(plan: &Plan, dispatcher: &Dispatcher, event: Arc<Event>) -> TrialReport {
    let (envelope, begun) = (Envelope::new(event), Instant::now());
    let started_at = clock::wall();
    let (outcome, transit) = match plan.request(&envelope, started_at) {
        Ok(request) => dispatcher.attempt(&request, plan.deadline).await,
        Err(error) => {
            (Outcome::Failed { class: FailureClass::Request, message: error.to_string() }, Transit::default())
        }
    };
    let duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let ruling = plan.ruling(&outcome, started_at);
    let delivery = plan.delivery(&envelope.event);
    let verdict = judge(&outcome, ruling, 1, delivery, &plan.schedule, clock::wall()).verdict;
    let attempt = Attempt {
        number: 1,
        started_at,
        duration_us,
        outcome: plan.without_secrets(outcome),
        transit,
        erased: false,
    };
    TrialReport { attempt, delivered: verdict == Verdict::Delivered }
}
