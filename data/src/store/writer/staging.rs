//! What a write comes to in the log, or why it is refused, before anything of its batch is on disk.

use std::sync::Arc;

use super::{Publication, Published, Write, Writer, Written};
use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
    event::{Event, NewEvent},
    id::EventId,
    store::{
        codec::{self, FLAG_CONTINUES, Kind},
        erasures::PENDING_MAX,
        idempotency::{self, Resolution},
        keys::{self, Table},
        reader::{Store, TAKEN},
        record::{Erasure, ErasureStep, Requeued, Settled, Standing},
        staged::Staged,
        view::RetryRow,
    },
};

impl Writer {
    pub(super) fn stage(
        &mut self,
        staged: &mut Staged,
        write: Write,
        now: Timestamp,
        random: &mut dyn FnMut() -> u128,
    ) -> Result<Written> {
        match write {
            Write::Publish(publication) => return self.stage_publication(staged, publication, now, random),
            Write::Settle(settled) => staged.put_settled(settled),
            Write::SettleReplayed { settled, missing } => self.stage_replayed(staged, *settled, missing)?,
            Write::Park(parked) => {
                staged.touched.push((parked.endpoint, parked.seq));
                staged.put(Kind::Parked, 0, |out| codec::pack(&parked, out));
            }
            Write::Requeue(requeued) => return self.stage_requeue(staged, requeued),
            Write::Enrol(requeued) => self.stage_enrolment(staged, requeued)?,
            Write::Document(document) => staged.documents.push(document),
            Write::Cancel(cancelled) => {
                staged.touched.push((cancelled.endpoint, cancelled.seq));
                staged.put(Kind::Cancelled, 0, |out| codec::pack(&cancelled, out));
            }
            Write::Erase(tenant, resource) => {
                if self.shared.erasures.pending().len() >= PENDING_MAX {
                    let message = "too many erasures wait for files to be rewritten; ask again later";
                    return Ok(Err(Error::new(ErrorKind::Busy, message)));
                }
                let erasure = Erasure { tenant, resource, through: self.next_seq - 1, at: now };
                let step = ErasureStep::Asked(erasure);
                staged.put(Kind::Erasure, 0, |out| codec::pack(&step, out));
                staged.must_sync = true;
            }
            Write::ErasedBefore(position) => {
                let step = ErasureStep::DoneBefore(position);
                staged.put(Kind::Erasure, 0, |out| codec::pack(&step, out));
            }
            Write::Audited(act, change) => {
                let answer = match change {
                    Some(change) => self.stage(staged, *change, now, random)?,
                    None => Ok(Vec::new()),
                };
                if answer.is_ok() {
                    staged.acts.push((self.audit.next_id(now, random()), *act));
                }
                return Ok(answer);
            }
        }
        Ok(Ok(Vec::new()))
    }

    /// The rows say where the delivery stands, not the caller's look at them some time ago.
    fn stage_requeue(&self, staged: &mut Staged, mut requeued: Requeued) -> Result<Written> {
        let delivery = (requeued.endpoint, requeued.seq);
        if staged.touched.contains(&delivery) {
            let message = "the delivery changes at this very moment; look at it again, then repeat the call";
            return Ok(Err(Error::new(ErrorKind::Busy, message)));
        }
        staged.touched.push(delivery);
        if self.is_gone(requeued.seq, requeued.event_position)? {
            return Ok(Err(Error::new(ErrorKind::NotFound, TAKEN)));
        }
        let view = self.shared.view();
        requeued.from = view.standing_of(&self.shared.journal, requeued.endpoint, requeued.seq)?;
        staged.put(Kind::Requeued, 0, |out| codec::pack(&requeued, out));
        staged.must_sync = true;
        Ok(Ok(Vec::new()))
    }

    /// Whether retention took an event, be it that of its tenant. Costs a look at the event if it may have.
    fn is_gone(&self, seq: u64, position: u64) -> Result<bool> {
        if seq <= self.shared.view().ledger.expired_through {
            return Ok(true);
        }
        if !self.shared.horizons.may_have_taken(seq) {
            return Ok(false);
        }
        match Store::new(self.shared.clone()).event_at(position) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn stage_enrolment(&self, staged: &mut Staged, requeued: Requeued) -> Result<()> {
        let delivery = (requeued.endpoint, requeued.seq);
        if staged.touched.contains(&delivery) {
            return Ok(());
        }
        let view = self.shared.view();
        let row = keys::row(Table::Retry, requeued.endpoint, requeued.seq);
        if self.shared.journal.get::<RetryRow>(&row, Some(&view.rows))?.is_some() {
            staged.touched.push(delivery);
            staged.put(Kind::Requeued, 0, |out| {
                codec::pack(&Requeued { from: Standing::Parked, ..requeued }, out)
            });
        }
        Ok(())
    }

    /// Nothing in the journal stands for a replayed delivery until an attempt of it has ended. Then it is first made one
    /// that waits, whatever it was, and settled as such.
    fn stage_replayed(&self, staged: &mut Staged, settled: Settled, missing: bool) -> Result<()> {
        let (endpoint, seq) = (settled.endpoint, settled.seq);
        // Another write of this batch changes the delivery, and the rows do not tell yet how: losing an attempt only
        // repeats it. Of an event that is gone nothing is kept.
        if staged.touched.contains(&(endpoint, seq)) || self.is_gone(seq, settled.event_position)? {
            return Ok(());
        }
        let view = self.shared.view();
        let journal = &self.shared.journal;
        let from = match view.standing_of(journal, endpoint, seq)? {
            Standing::Delivered if missing && !view.is_late(journal, seq, endpoint)? => Standing::Missing,
            from => from,
        };
        let (event_position, due) = (settled.event_position, settled.attempt.started_at);
        let requeued = Requeued { endpoint, seq, event_position, due, from, replayed: true, lane: None };
        staged.put(Kind::Requeued, FLAG_CONTINUES, |out| codec::pack(&requeued, out));
        staged.put_settled(Settled { parked: true, ..settled });
        Ok(())
    }

    fn stage_publication(
        &mut self,
        staged: &mut Staged,
        publication: Publication,
        now: Timestamp,
        random: &mut dyn FnMut() -> u128,
    ) -> Result<Written> {
        let sizes = publication
            .events
            .iter()
            .try_for_each(|(content, routes)| check_size(content, routes.as_deref().unwrap_or_default()));
        if let Err(refused) = sizes {
            return Ok(Err(refused));
        }
        let contents = publication.events.iter().map(|(content, _)| content);
        let resolved =
            idempotency::resolve(&publication.tenant, contents, |hash| match staged.known_keys.get(hash) {
                Some(known) => Ok(Some(known.clone())),
                None => self.shared.view().known_key(&self.shared.journal, hash, now),
            })?;
        let resolutions = match resolved {
            Ok(resolutions) => resolutions,
            Err(conflict) => return Ok(Err(conflict)),
        };
        let refused = publication.events.iter().zip(&resolutions).filter_map(|((_, routes), resolution)| {
            routes.as_ref().err().filter(|_| matches!(resolution, Resolution::Fresh(_))).cloned()
        });
        let refused: Vec<_> = refused.collect();
        if !refused.is_empty() {
            return Ok(Err(Error::of_batch(refused, publication.events.len())));
        }
        let mut fresh_left = resolutions.iter().filter(|one| matches!(one, Resolution::Fresh(_))).count();
        staged.must_sync |= fresh_left > 0;
        let mut answers: Vec<Published> = Vec::with_capacity(resolutions.len());
        for ((content, routes), resolution) in publication.events.into_iter().zip(resolutions) {
            let answer = match resolution {
                Resolution::Known(first) => {
                    Published { id: first.id, deliveries: first.deliveries as usize, fresh: None }
                }
                Resolution::Repeats(first) => Published { fresh: None, ..answers[first].clone() },
                Resolution::Fresh(fingerprint) => {
                    fresh_left -= 1;
                    let routes = routes.expect("what is fresh and refused was answered above");
                    let event = Event {
                        seq: self.next_seq,
                        position: staged.place().position,
                        id: EventId::from_u128(self.ids.next(now, random())),
                        tenant: publication.tenant.clone(),
                        published_at: now,
                        erased_at: None,
                        content,
                    };
                    self.next_seq += 1;
                    staged.put_event(&event, &routes, fingerprint, fresh_left > 0);
                    Published {
                        id: event.id,
                        deliveries: routes.len(),
                        fresh: Some((Arc::new(event), routes)),
                    }
                }
            };
            answers.push(answer);
        }
        Ok(Ok(answers))
    }
}

/// What would not fit into an entry is refused; only an event that millions of endpoints match gets here.
fn check_size(content: &NewEvent, routes: &[u32]) -> Result<()> {
    const HEAD_BYTES_MAX: usize = 1024 * 1024;
    if content.data.len() + size_of_val(routes) + HEAD_BYTES_MAX <= codec::BODY_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "an event of {} bytes that matches {} endpoints is too large for the log; match fewer endpoints with it",
        content.data.len(),
        routes.len()
    );
    Err(Error::new(ErrorKind::Invalid, message))
}
