//! Replays: deliveries that are made once more, fed to their endpoint's mailbox a few at a time.
//!
//! A replay begins nothing of itself. The mailbox asks when it has room, and says what it still holds; it is sent the
//! next few, and they wait in its memory alone. The registry has them first, and what the journal says of them tells
//! what was made: whatever dies in between, the next question goes on from there. A mailbox that rests, is paused or is
//! down does not ask.

mod course;
mod line;

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use casewire_data::{
    Error, ErrorKind, Result,
    audit::{Act, Action, Principal},
    event::{Event, Tenant},
    id::{EndpointId, ReplayId, UlidSequence},
    replay::{Counted, Replay, ReplayQuery},
};

use self::course::Course;
pub use self::{course::Kit, line::ReplayLine};

/// A delivery to be made once more.
#[derive(Debug)]
pub struct Again {
    /// The event.
    pub event: Arc<Event>,
    /// Attempts made so far, none of which its schedule counts.
    pub attempts: u16,
    /// The event was not routed to the endpoint.
    pub missing: bool,
}

/// The actor; see the module.
pub struct Replays {
    kit: Rc<Kit>,
    courses: BTreeMap<ReplayId, Rc<Course>>,
    ids: UlidSequence,
}

impl Replays {
    /// All replays that the registry has; those that were interrupted go on once this has started.
    pub fn new(kit: Kit, replays: impl IntoIterator<Item = Replay>) -> Self {
        let courses: BTreeMap<_, _> =
            replays.into_iter().map(|replay| (replay.id, Rc::new(Course::new(replay)))).collect();
        let last = courses.keys().next_back().map_or(0, |id| id.as_u128());
        Self { kit: Rc::new(kit), courses, ids: UlidSequence::after(last) }
    }

    fn of(&self, endpoint: u32) -> impl Iterator<Item = &Rc<Course>> {
        self.courses.values().rev().filter(move |course| course.endpoint == endpoint)
    }

    fn find(&self, endpoint: u32, id: ReplayId) -> Result<&Rc<Course>> {
        let course = self.courses.get(&id).filter(|course| course.endpoint == endpoint);
        course.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such replay"))
    }

    fn go_on(&self, course: &Rc<Course>) {
        self.kit.line.open(course.endpoint, course.signal.clone());
        actix_rt::spawn(course.clone().run(self.kit.clone()));
    }

    /// As the registry does, forgets the oldest that are over.
    fn forget_old(&mut self, endpoint: u32) {
        let over = self.of(endpoint).filter(|course| !course.replay().is_running());
        let old: Vec<_> =
            over.skip(casewire_data::replay::REMEMBERED_MAX).map(|course| course.replay().id).collect();
        for id in old {
            self.courses.remove(&id);
        }
    }
}

impl Actor for Replays {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let running = self.courses.values().filter(|course| course.replay().is_running());
        running.for_each(|course| self.go_on(course));
    }
}

/// Whom the audit tells of.
#[derive(Clone, Debug)]
pub struct Party {
    /// The endpoint's tenant.
    pub tenant: Tenant,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Who did it.
    pub by: Principal,
}

impl Party {
    fn act(self, action: Action, id: ReplayId) -> Act {
        Act::new(&self.tenant, self.by, action, format!("{}/{id}", self.endpoint))
    }
}

/// Begin a replay. `Conflict` if the endpoint has one under way.
#[derive(Debug, Message)]
#[rtype(result = "Result<Replay>")]
pub struct BeginReplay {
    /// The endpoint's number in routes.
    pub endpoint: u32,
    /// Whose it is, and who asks.
    pub party: Party,
    /// What it is for.
    pub query: ReplayQuery,
    /// How many deliveries that is, and as of when.
    pub counted: Counted,
}

impl Handler<BeginReplay> for Replays {
    type Result = ResponseFuture<Result<Replay>>;

    fn handle(&mut self, begin: BeginReplay, context: &mut Self::Context) -> Self::Result {
        use actix::AsyncContext;
        let BeginReplay { endpoint, party, query, counted } = begin;
        let running = self.of(endpoint).map(|course| course.replay()).find(Replay::is_running);
        if let Some(Replay { id, .. }) = running {
            let message =
                format!("the endpoint has a replay under way, {id}; wait for its end, or cancel it");
            return Box::pin(async { Err(Error::new(ErrorKind::Conflict, message)) });
        }
        let random = match crate::registry::random() {
            Ok(random) => u128::from_be_bytes(random),
            Err(error) => return Box::pin(async { Err(error) }),
        };
        let now = crate::clock::wall();
        let id = ReplayId::from_u128(self.ids.next(now, random));
        let replay = Replay::new((id, endpoint), query, counted, now);
        // Known at once, so that no second one begins while the disk syncs.
        let course = Rc::new(Course::new(replay.clone()));
        self.courses.insert(id, course);
        self.forget_old(endpoint);
        let (kit, replays) = (self.kit.clone(), context.address());
        Box::pin(async move {
            let written = kit.write(party.act(Action::ReplayBegin, id), &replay).await;
            replays.do_send(Begun { id, is_written: written.is_ok() });
            written.map(|()| replay)
        })
    }
}

/// A replay is durable, or could not be made so.
#[derive(Message)]
#[rtype(result = "()")]
struct Begun {
    id: ReplayId,
    is_written: bool,
}

impl Handler<Begun> for Replays {
    type Result = ();

    fn handle(&mut self, Begun { id, is_written }: Begun, _: &mut Self::Context) {
        match self.courses.get(&id) {
            Some(course) if is_written => self.go_on(course),
            // Whoever called it off meanwhile must not wait for what never begins.
            _ => self.courses.remove(&id).into_iter().for_each(|course| course.end()),
        }
    }
}

/// The replays of an endpoint, newest first.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Replay>")]
pub struct ListReplays {
    /// The endpoint's number in routes.
    pub endpoint: u32,
}

impl Handler<ListReplays> for Replays {
    type Result = Vec<Replay>;

    fn handle(&mut self, ListReplays { endpoint }: ListReplays, _: &mut Self::Context) -> Self::Result {
        self.of(endpoint).map(|course| course.replay()).collect()
    }
}

/// Call a replay off; answered when nothing more of it is sent. One that is over stays as it is.
#[derive(Debug, Message)]
#[rtype(result = "Result<Replay>")]
pub struct CancelReplay {
    /// The endpoint's number in routes.
    pub endpoint: u32,
    /// Whose it is, and who asks.
    pub party: Party,
    /// Which one.
    pub id: ReplayId,
}

impl Handler<CancelReplay> for Replays {
    type Result = ResponseFuture<Result<Replay>>;

    fn handle(
        &mut self,
        CancelReplay { endpoint, party, id }: CancelReplay,
        _: &mut Self::Context,
    ) -> Self::Result {
        let course = match self.find(endpoint, id) {
            Ok(course) => course.clone(),
            Err(error) => return Box::pin(async { Err(error) }),
        };
        course.cancel(party.act(Action::ReplayCancel, id));
        Box::pin(async move {
            course.over().await;
            let replay = course.replay();
            match replay.is_running() {
                false => Ok(replay),
                true => Err(Error::new(ErrorKind::Closed, "the engine is stopping or has stopped")),
            }
        })
    }
}

/// An endpoint is gone, and its replays with it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ForgetReplays {
    /// The endpoint's number in routes.
    pub endpoint: u32,
}

impl Handler<ForgetReplays> for Replays {
    type Result = ();

    fn handle(&mut self, ForgetReplays { endpoint }: ForgetReplays, _: &mut Self::Context) {
        self.courses.retain(|_, course| {
            let is_gone = course.endpoint == endpoint;
            if is_gone {
                course.signal.cancel();
            }
            !is_gone
        });
    }
}
