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
fn routes(subscriptions: &mut Subscriptions, event_type: &str, agency: &str) -> Vec<u32> {
    let event = NewEvent { agency: Some(agency.to_owned()), ..NewEvent::new(event_type, "{}").unwrap() };
    let [first, second] = [(); 2].map(|()| subscriptions.matches(&event.event_type));
    assert!(Arc::ptr_eq(&first, &second), "the second answer is the first one, remembered");
    first.routes(&event).unwrap().to_vec()
}

#[test]
fn a_type_goes_to_the_endpoints_that_match_it() {
    let mut subscriptions = Subscriptions::default();
    for (ordinal, pattern) in [(3, "cases.*"), (1, "*"), (2, "people.*")] {
        subscriptions.change(ordinal, terms(&endpoint(ordinal, pattern)));
    }
    assert_eq!(routes(&mut subscriptions, "cases.created", "north"), [1, 3]);
    assert_eq!(routes(&mut subscriptions, "people.created", "north"), [1, 2]);
    subscriptions.change(1, None);
    assert_eq!(routes(&mut subscriptions, "cases.created", "north"), [3]);
}

#[test]
fn a_change_of_the_scope_alone_is_not_overlooked() {
    let mut subscriptions = Subscriptions::default();
    let before = endpoint(1, "cases.*");
    subscriptions.change(1, terms(&before));
    assert_eq!(routes(&mut subscriptions, "cases.created", "south"), [1]);
    let mut change = |patch: EndpointPatch| {
        let patched = with(|context| before.patched(patch, context)).unwrap();
        subscriptions.change(1, terms(&patched));
        ["north", "south"].map(|agency| routes(&mut subscriptions, "cases.created", agency).len())
    };
    let agencies = |list: &[&str]| EndpointPatch {
        agencies: Some(list.iter().map(|&agency| agency.to_owned()).collect()),
        ..EndpointPatch::default()
    };
    assert_eq!(change(agencies(&["north"])), [1, 0]);
    assert_eq!(change(agencies(&["south", "west"])), [0, 1]);
    assert_eq!(change(agencies(&[])), [1, 1]);
}

#[test]
fn a_change_that_is_about_something_else_forgets_nothing() {
    let mut subscriptions = Subscriptions::default();
    let before = endpoint(1, "cases.*");
    subscriptions.change(1, terms(&before));
    let event_type = EventType::new("cases.created").unwrap();
    let matched = subscriptions.matches(&event_type);
    let renamed = EndpointPatch { name: Some(Some("n".to_owned())), ..EndpointPatch::default() };
    subscriptions.change(1, terms(&with(|context| before.patched(renamed, context)).unwrap()));
    subscriptions.change(2, None);
    assert!(Arc::ptr_eq(&matched, &subscriptions.matches(&event_type)));
}
