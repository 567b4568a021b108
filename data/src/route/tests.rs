//! Where an event goes, held against asking every endpoint by itself.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::prelude::*;

use super::*;
use crate::{
    Timestamp,
    address::EgressPolicy,
    endpoint::{EndpointContext, EndpointDraft, EndpointIdentity},
    event::{Actor, Tenant},
    filter::Filter,
    id::EndpointId,
    scope::Source,
};

fn terms(ordinal: u32, change: impl FnOnce(&mut Endpoint)) -> Arc<Terms> {
    let (dialects, egress) = (Dialects::builtin(), EgressPolicy::default());
    let (default_dialect, now) = ("standard@1", Timestamp::default());
    let context = EndpointContext { dialects: &dialects, default_dialect, egress: &egress, now };
    let id = EndpointId::from_u128(ordinal.into());
    let identity = EndpointIdentity { id, ordinal, tenant: Tenant::default(), random: [0; 32] };
    let (url, events) = ("https://a.example".to_owned(), vec!["*".to_owned()]);
    let draft = EndpointDraft { url, events, ..EndpointDraft::default() };
    let mut endpoint = draft.into_endpoint(identity, &context).unwrap();
    change(&mut endpoint);
    Arc::new(Terms::new(Arc::new(endpoint), &dialects))
}

/// An endpoint whose dialect cannot say every event.
fn strict(ordinal: u32, change: impl FnOnce(&mut Endpoint)) -> Arc<Terms> {
    terms(ordinal, |endpoint| {
        endpoint.dialect = "claimable@1".into();
        change(endpoint);
    })
}

fn plain(ordinal: u32) -> Arc<Terms> {
    terms(ordinal, |_| {})
}

fn of_agency(ordinal: u32, agency: &str) -> Arc<Terms> {
    terms(ordinal, |endpoint| endpoint.scope.change(|it| it.agencies = [agency.to_owned()].into()))
}

fn event(agency: Option<&str>) -> NewEvent {
    NewEvent { agency: agency.map(str::to_owned), ..NewEvent::new("claim.assigned", "{}").unwrap() }
}

fn filtered(json: &str) -> Option<Arc<Filter>> {
    Some(Arc::new(Filter::new(json).unwrap().unwrap()))
}

/// The endpoints that were asked whether their dialect can say the event, in order.
fn asked(matched: &Matched, event: &NewEvent) -> Vec<u32> {
    let asked = RefCell::new(Vec::new());
    let express = |terms: &Terms, _: &NewEvent| {
        asked.borrow_mut().push(terms.ordinal());
        Ok(())
    };
    matched.routes_if(event, express).unwrap();
    asked.into_inner()
}

#[test]
fn an_event_goes_to_whoever_takes_it_in_ascending_order() {
    let endpoints = [of_agency(1, "north"), plain(2), of_agency(5, "south"), plain(7), of_agency(9, "north")];
    let matched = Matched::new(&endpoints);
    assert_eq!(*matched.routes(&event(None)).unwrap(), [2, 7]);
    assert_eq!(*matched.routes(&event(Some("north"))).unwrap(), [1, 2, 7, 9]);
    assert_eq!(*matched.routes(&event(Some("south"))).unwrap(), [2, 5, 7]);
    assert!(Matched::default().routes(&event(None)).unwrap().is_empty());
}

#[test]
fn a_filter_decides_besides_the_scope_and_tells_why() {
    let urgent = |ordinal, agency: &str| {
        terms(ordinal, |endpoint| {
            endpoint.filter = filtered(r#"{"data.n":{"gte":2},"agency":{"exists":true}}"#);
            endpoint.scope.change(|it| it.agencies = [agency.to_owned()].into());
        })
    };
    let all = [urgent(1, "north"), plain(2), urgent(3, "south")];
    let event = |data: &str| NewEvent {
        agency: Some("north".to_owned()),
        ..NewEvent::new("a", data.to_owned()).unwrap()
    };
    let matched = Matched::new(&all);
    assert_eq!(*matched.routes(&event(r#"{"n":2}"#)).unwrap(), [1, 2]);
    assert_eq!(*matched.routes(&event(r#"{"n":1}"#)).unwrap(), [2]);
    assert_eq!(all[0].choose(&event(r#"{"n":2}"#)), Choice::Taken);
    assert_eq!(all[0].choose(&event(r#"{"n":1}"#)), Choice::Filter("data.n".to_owned()));
    assert_eq!(all[2].choose(&event(r#"{"n":1}"#)), Choice::Scope);
    let other = terms(1, |endpoint| endpoint.events = [Pattern::new("b.*").unwrap()].into());
    assert_eq!(other.choose(&event("1")), Choice::Pattern);
    let unsayable = strict(1, |_| {}).choose(&NewEvent::new("claim.assigned", "{}").unwrap());
    assert!(matches!(unsayable, Choice::Dialect(_)), "{unsayable:?}");
}

#[test]
fn without_scopes_every_event_of_the_type_shares_one_list() {
    let endpoints = [plain(1), plain(2)];
    let matched = Matched::new(&endpoints);
    let routes = matched.routes(&event(None)).unwrap();
    assert!(Arc::ptr_eq(&routes, &matched.routes(&event(Some("north"))).unwrap()));
}

#[test]
fn a_dialect_is_asked_once_for_each_set_of_params_and_only_for_endpoints_that_take_the_event() {
    let plain = |ordinal| strict(ordinal, |_| {});
    let with_param = |ordinal, value: &str| {
        let params = BTreeMap::from([("a".to_owned(), value.to_owned())]);
        strict(ordinal, |it| it.params = params.into())
    };
    let of_agency = |ordinal, agency: &str| {
        strict(ordinal, |it| it.scope.change(|it| it.agencies = [agency.to_owned()].into()))
    };
    let casebook = terms(4, |endpoint| endpoint.dialect = "casebook@1".into());
    let says_all = terms(8, |endpoint| endpoint.dialect = "xpath@1".into());
    let endpoints = [
        plain(1),
        with_param(2, "x"),
        plain(3),
        casebook,
        with_param(5, "y"),
        with_param(6, "x"),
        plain(7),
        says_all,
    ];
    assert_eq!(asked(&Matched::new(&endpoints), &event(None)), [1, 2, 4, 5]);

    let scoped = [of_agency(1, "north"), of_agency(2, "south"), of_agency(3, "south")];
    assert_eq!(asked(&Matched::new(&scoped), &event(Some("south"))), [2]);
    assert_eq!(asked(&Matched::new(&scoped), &event(Some("west"))), [0; 0]);
    let scoped = [of_agency(1, "north"), plain(2), of_agency(3, "south")];
    for agency in [None, Some("north"), Some("south")] {
        assert_eq!(asked(&Matched::new(&scoped), &event(agency)).len(), 1, "{agency:?}");
    }
}

#[test]
fn what_no_dialect_can_say_is_refused_naming_the_endpoint_its_dialect_and_what_to_do() {
    let endpoints = [strict(1, |_| {}), strict(2, |_| {})];
    let refuse = |_: &Terms, _: &NewEvent| Err(Error::field("actor.kind", "is missing"));
    let error = Matched::new(&endpoints).routes_if(&event(None), refuse).unwrap_err();
    let [field] = error.field_errors() else { panic!("{error}") };
    assert_eq!(field.field, "actor.kind");
    let id = EndpointId::from_u128(1).to_string();
    for said in [&id, "claimable@1", "`actor.kind` is missing", "publish the event complete"] {
        assert!(field.message.contains(said), "{said}: {}", field.message);
    }
}

#[test]
fn an_endpoint_whose_dialect_is_gone_takes_what_its_scope_takes_but_a_sandbox_nothing() {
    let gone = |sandbox| {
        terms(3, |endpoint| {
            endpoint.dialect = "morse@1".into();
            endpoint.scope.change(|it| it.sandbox = sandbox);
            endpoint.scope.change(|it| it.agencies = ["north".to_owned()].into());
        })
    };
    let matched = Matched::new(&[gone(false)]);
    assert_eq!(*matched.routes(&event(Some("north"))).unwrap(), [3]);
    assert!(matched.routes(&event(Some("south"))).unwrap().is_empty());
    assert!(Matched::new(&[gone(true)]).routes(&event(Some("north"))).unwrap().is_empty());
}

#[test]
fn terms_differ_in_what_decides_on_an_event_and_nothing_else() {
    let same = [
        terms(1, |endpoint| endpoint.url = "https://b.example/".into()),
        terms(1, |endpoint| endpoint.name = Some("n".to_owned()).into()),
    ];
    assert!(same.iter().all(|other| other.agree_with(&plain(1))));
    let different = [
        terms(1, |endpoint| endpoint.events = [Pattern::new("a").unwrap()].into()),
        terms(1, |endpoint| endpoint.params = BTreeMap::from([("a".to_owned(), String::new())]).into()),
        terms(1, |endpoint| endpoint.scope.change(|it| it.sources = [Source::Ui].into())),
        terms(1, |endpoint| endpoint.scope.change(|it| it.sandbox = true)),
        terms(1, |endpoint| endpoint.filter = filtered(r#"{"agency":"north"}"#)),
        of_agency(1, "north"),
    ];
    assert!(!different.iter().any(|other| other.agree_with(&plain(1))));
}

proptest! {
    #[test]
    fn arranged_endpoints_answer_as_each_by_itself(
        scopes in proptest::collection::vec((0..3_u8, 0..3_u8, 0..2_u8, 0..3_u8), 0..12),
        agency in proptest::option::of(0..2_u8),
        kind in proptest::option::of(prop_oneof!["ui", "api", "robot"]),
        n in 0..3_u8,
    ) {
        let endpoints: Vec<_> = (0_u32..).zip(scopes).map(|(ordinal, (agency, source, param, filter))| {
            strict(ordinal, |endpoint| {
                // 0 and 1 are agencies or sources, 2 is all of them.
                endpoint.scope.change(|scope| {
                    scope.agencies = (agency < 2).then(|| agency.to_string()).into_iter().collect();
                    scope.sources = [Source::Ui, Source::Api].get(usize::from(source)).copied().into_iter().collect();
                });
                endpoint.params = BTreeMap::from([("p".to_owned(), param.to_string())]).into();
                endpoint.filter = [r#"{"data.n":1}"#, r#"{"data.n":{"ne":1}}"#].get(usize::from(filter)).and_then(|it| filtered(it));
            })
        }).collect();
        let mut event = event(agency.map(|agency| agency.to_string()).as_deref());
        event.data = format!(r#"{{"n":{n}}}"#).into();
        event.actor = kind.map(|kind| Actor { kind, id: None, name: None });

        let matched = Matched::new(&endpoints);
        let expected: Vec<_> = endpoints.iter().filter(|it| {
            let filter = it.endpoint.filter.as_ref().map(|filter| filter.as_str());
            let fits = filter.is_none_or(|filter| filter.contains("ne") != (n == 1));
            it.endpoint.scope.takes(&event) && fits
        }).collect();
        let ordinals: Vec<_> = expected.iter().map(|it| it.ordinal()).collect();
        prop_assert_eq!(&*matched.routes_if(&event, |_, _| Ok(())).unwrap(), &ordinals[..]);

        let asked = asked(&matched, &event);
        let params = |ordinal: &u32| &*endpoints[*ordinal as usize].endpoint.params;
        let distinct: std::collections::BTreeSet<_> = asked.iter().map(params).collect();
        prop_assert_eq!(distinct.len(), asked.len(), "each once: {:?}", &asked);
        prop_assert!(expected.iter().all(|it| distinct.contains(&*it.endpoint.params)));
        prop_assert!(asked.iter().all(|ordinal| ordinals.contains(ordinal)));
    }
}
