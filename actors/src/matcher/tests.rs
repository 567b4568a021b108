//! What is remembered holds until an endpoint changes in what it takes.

use casewire_data::{
    Timestamp,
    address::EgressPolicy,
    dialect::Dialects,
    endpoint::{Endpoint, EndpointContext, EndpointDraft, EndpointIdentity, EndpointPatch},
    event::NewEvent,
    id::EndpointId,
};

use super::*;

fn with<T>(check: impl FnOnce(&EndpointContext<'_>) -> T) -> T {
    let (dialects, egress) = (Dialects::builtin(), EgressPolicy::default());
    let (default_dialect, now) = ("standard@1", Timestamp::default());
    check(&EndpointContext { dialects: &dialects, default_dialect, egress: &egress, now })
}

fn endpoint(ordinal: u32, pattern: &str) -> Endpoint {
    let id = EndpointId::from_u128(ordinal.into());
    let identity = EndpointIdentity { id, ordinal, tenant: Tenant::default(), random: [0; 32] };
    let (url, events) = ("https://a.example".to_owned(), vec![pattern.to_owned()]);
    with(|context| {
        EndpointDraft { url, events, ..EndpointDraft::default() }.into_endpoint(identity, context).unwrap()
    })
}

fn terms(endpoint: &Endpoint) -> Option<Terms> {
    Some(Terms::new(Arc::new(endpoint.clone()), &Dialects::builtin()))
}

/// Where an event of a type goes, asked twice: once worked out, once remembered.
fn routes(matcher: &mut Matcher, event_type: &str, agency: &str) -> Vec<u32> {
    let event = NewEvent { agency: Some(agency.to_owned()), ..NewEvent::new(event_type, "{}").unwrap() };
    let first = matcher.matches(&Tenant::default(), &event.event_type);
    let second = remembered(matcher, event_type).unwrap();
    assert!(Arc::ptr_eq(&first, &second), "the second answer is the first one, remembered");
    first.routes(&event).unwrap().to_vec()
}

/// What a publisher reads without asking the actor.
fn remembered(matcher: &Matcher, event_type: &str) -> Option<Arc<Matched>> {
    let event_type = EventType::new(event_type).unwrap();
    matcher.answers.all(&Tenant::default(), [&event_type].into_iter()).map(|mut all| all.remove(0))
}

fn change(matcher: &mut Matcher, ordinal: u32, terms: Option<Terms>) {
    matcher.subscribe(Subscribe { tenant: Tenant::default(), ordinal, terms });
}

#[test]
fn a_type_goes_to_the_endpoints_that_match_it() {
    let mut matcher = Matcher::default();
    for (ordinal, pattern) in [(3, "cases.*"), (1, "*"), (2, "people.*")] {
        change(&mut matcher, ordinal, terms(&endpoint(ordinal, pattern)));
    }
    assert_eq!(routes(&mut matcher, "cases.created", "north"), [1, 3]);
    assert_eq!(routes(&mut matcher, "people.created", "north"), [1, 2]);
    change(&mut matcher, 1, None);
    assert_eq!(routes(&mut matcher, "cases.created", "north"), [3]);
}

#[test]
fn a_change_of_the_scope_alone_is_not_overlooked() {
    let mut matcher = Matcher::default();
    let before = endpoint(1, "cases.*");
    change(&mut matcher, 1, terms(&before));
    assert_eq!(routes(&mut matcher, "cases.created", "south"), [1]);
    let mut patch = |patch: EndpointPatch| {
        let patched = with(|context| before.patched(patch, context)).unwrap();
        change(&mut matcher, 1, terms(&patched));
        ["north", "south"].map(|agency| routes(&mut matcher, "cases.created", agency).len())
    };
    let agencies = |list: &[&str]| EndpointPatch {
        agencies: Some(list.iter().map(|&agency| agency.to_owned()).collect()),
        ..EndpointPatch::default()
    };
    assert_eq!(patch(agencies(&["north"])), [1, 0]);
    assert_eq!(patch(agencies(&["south", "west"])), [0, 1]);
    assert_eq!(patch(agencies(&[])), [1, 1]);
}

#[test]
fn a_change_that_is_about_something_else_forgets_nothing() {
    let mut matcher = Matcher::default();
    let before = endpoint(1, "cases.*");
    change(&mut matcher, 1, terms(&before));
    let event_type = EventType::new("cases.created").unwrap();
    let matched = matcher.matches(&Tenant::default(), &event_type);
    let renamed = EndpointPatch { name: Some(Some("n".to_owned())), ..EndpointPatch::default() };
    change(&mut matcher, 1, terms(&with(|context| before.patched(renamed, context)).unwrap()));
    change(&mut matcher, 2, None);
    assert!(Arc::ptr_eq(&matched, &remembered(&matcher, "cases.created").unwrap()));
}

#[test]
fn nobody_is_served_from_memory_while_a_change_is_on_its_way() {
    let mut matcher = Matcher::default();
    assert!(remembered(&matcher, "cases.created").unwrap().routes(&new_event()).unwrap().is_empty());
    matcher.answers.change_begins();
    assert!(remembered(&matcher, "cases.created").is_none(), "the tenant may be about to have an endpoint");
    change(&mut matcher, 1, terms(&endpoint(1, "cases.*")));
    matcher.answers.change_ends();
    assert!(remembered(&matcher, "cases.created").is_none(), "the actor has not worked it out yet");
    assert_eq!(routes(&mut matcher, "cases.created", "north"), [1]);
    matcher.answers.change_begins();
    assert!(remembered(&matcher, "cases.created").is_none(), "the endpoint may be about to go");
    change(&mut matcher, 1, None);
    matcher.answers.change_ends();
    assert!(routes(&mut matcher, "cases.created", "north").is_empty());
}

/// Through the actor itself, as publishers and the registry go: no publisher overtakes a change.
#[actix::test]
async fn whoever_asks_after_a_change_was_sent_is_answered_by_it() {
    let (matching, tenant) = (Matching::start([]), Tenant::default());
    let event = new_event();
    for round in 0..200 {
        let present = round % 2 == 0;
        let terms = present.then(|| terms(&endpoint(1, "cases.*")).unwrap());
        matching.change(Subscribe { tenant: tenant.clone(), ordinal: 1, terms });
        for _ in 0..2 {
            let matched = matching.matches(&tenant, [&event.event_type].into_iter()).await.unwrap();
            assert_eq!(matched[0].routes(&event).unwrap().len(), usize::from(present), "round {round}");
        }
    }
}

fn new_event() -> NewEvent {
    NewEvent::new("cases.created", "{}").unwrap()
}
