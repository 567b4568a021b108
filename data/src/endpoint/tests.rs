//! What a draft may say, what a patch changes, and what is stored of it.

use super::*;
use crate::{address::EgressPolicy, dialect::Dialects, error::Error, limits, scope::Source};

const NOW: Timestamp = Timestamp::from_millis(1_777_453_800_000);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Runs a check in the context of an engine with the built-in dialects, at a time.
fn with<T>(now: Timestamp, check: impl FnOnce(&EndpointContext<'_>) -> T) -> T {
    let (dialects, egress) = (Dialects::builtin(), EgressPolicy::default());
    check(&EndpointContext { dialects: &dialects, default_dialect: "xpath@1", egress: &egress, now })
}

fn identity() -> EndpointIdentity {
    EndpointIdentity { id: EndpointId::from_u128(1), ordinal: 7, tenant: Tenant::default(), random: [9; 32] }
}

fn draft() -> EndpointDraft {
    EndpointDraft {
        url: "https://partner.example.com/webhooks/xpath".into(),
        events: vec!["cases.*".into(), "assignments.*".into()],
        ..EndpointDraft::default()
    }
}

fn create(draft: EndpointDraft) -> Result<Endpoint> {
    with(NOW, |context| draft.into_endpoint(identity(), context))
}

fn fields(error: &Error) -> Vec<&str> {
    error.field_errors().iter().map(|error| error.field.as_str()).collect()
}

#[test]
fn a_draft_becomes_an_endpoint_with_a_secret_of_its_own_and_the_default_dialect() {
    let endpoint = create(draft()).unwrap();
    assert_eq!((endpoint.id, endpoint.ordinal), (EndpointId::from_u128(1), 7));
    assert_eq!(&*endpoint.url, "https://partner.example.com/webhooks/xpath");
    assert_eq!(endpoint.status, EndpointStatus::Active);
    assert_eq!(&*endpoint.dialect, "xpath@1");
    assert_eq!(*endpoint.secrets, [Secret::generate([9; 32])]);
    assert_eq!((endpoint.created_at, endpoint.updated_at), (NOW, NOW));
    let given = create(EndpointDraft { secret: Some(SECRET.into()), ..draft() }).unwrap();
    assert_eq!(*given.secrets, [Secret::parse(SECRET).unwrap()]);
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let long = "x".repeat(limits::DESCRIPTION_BYTES_MAX + 1);
    let wrong = EndpointDraft {
        url: "nowhere".into(),
        events: vec!["cases.created".into(), "cases.reopened".into()],
        description: Some(long.clone()),
        name: Some(long),
        status: None,
        secret: Some("whsec_short".into()),
        dialect: None,
        params: BTreeMap::from([("Tenant".into(), "a".into()), ("b".into(), "x".repeat(1_025))]),
        agencies: vec!["north".into(), String::new(), "x".repeat(limits::LABEL_BYTES_MAX + 1)],
        sources: vec![Source::Ui],
        sandbox: true,
        filter: Some("[]".to_owned()),
        headers: BTreeMap::from([("Host".into(), "a".into()), ("X-A".into(), "a\nb".into())]),
        ordering: DeliveryOrder::Resource,
        max_in_flight: Some(0),
        rate_limit_per_second: Some(-3.0),
        timeout_seconds: Some(limits::ATTEMPT_TIMEOUT_SECONDS_MAX + 1),
        retry_schedule_seconds: Some(vec![1, u64::MAX]),
        tls: TlsDraft { ca_pem: Some(String::new()), client_cert_pem: Some(String::new()) },
    };
    assert_eq!(
        fields(&create(wrong).unwrap_err()),
        [
            "url",
            "events[1]",
            "params.Tenant",
            "params.b",
            "sandbox",
            "secret",
            "agencies[1]",
            "agencies[2]",
            "filter",
            "description",
            "name",
            "headers.Host",
            "headers.X-A",
            "max_in_flight",
            "rate_limit_per_second",
            "timeout_seconds",
            "retry.schedule_seconds[1]",
            "tls.ca_pem",
            "tls.client_cert_pem",
        ]
    );
}

#[test]
fn limits_hold_for_url_headers_dialect_and_empty_lists() {
    let url = format!("https://example.com/{}", "x".repeat(limits::URL_BYTES_MAX));
    assert_eq!(fields(&create(EndpointDraft { url, ..draft() }).unwrap_err()), ["url"]);
    // Short as written, too long once its characters are escaped.
    let url = format!("https://example.com/{}", "é".repeat(limits::URL_BYTES_MAX / 2 - 20));
    assert_eq!(fields(&create(EndpointDraft { url, ..draft() }).unwrap_err()), ["url"]);
    let headers = (0..=limits::HEADERS_MAX).map(|n| (format!("x-{n}"), String::new())).collect();
    assert_eq!(fields(&create(EndpointDraft { headers, ..draft() }).unwrap_err()), ["headers"]);
    let headers = ["x-a", "X-A"].map(|name| (name.to_owned(), String::new())).into();
    assert_eq!(fields(&create(EndpointDraft { headers, ..draft() }).unwrap_err()), ["headers.x-a"]);
    let unknown = EndpointDraft { dialect: Some("morse@1".into()), ..draft() };
    assert_eq!(
        fields(&create(unknown).unwrap_err()),
        ["dialect"],
        "said once, however many fields depend on it"
    );
    let params = |count| (0..count).map(|n| (format!("p_{n}"), String::new())).collect();
    let many = EndpointDraft { params: params(limits::PARAMS_MAX + 1), ..draft() };
    assert_eq!(fields(&create(many).unwrap_err()), ["params"]);
    let agencies = |count: usize| EndpointDraft { agencies: vec!["north".into(); count], ..draft() };
    assert!(create(agencies(limits::AGENCIES_MAX)).is_ok());
    assert_eq!(fields(&create(agencies(limits::AGENCIES_MAX + 1)).unwrap_err()), ["agencies"]);
    assert_eq!(fields(&create(EndpointDraft { events: vec![], ..draft() }).unwrap_err()), ["events"]);
}

#[test]
fn who_moves_or_resumes_an_endpoint_gives_it_another_chance() {
    let failing = Failing { since: NOW, disables_at: None };
    let draft = EndpointDraft { status: Some(EndpointStatus::Paused), ..draft() };
    let noted = create(draft).unwrap().noted(Some(failing));
    assert_eq!(noted.updated_at, NOW, "the engine's notes are no change of its owner's");
    let patched = |patch| with(NOW, |context| noted.patched(patch, context)).unwrap().failing;
    let same = EndpointPatch {
        url: Some(noted.url.to_string()),
        status: Some(EndpointStatus::Paused),
        rate_limit_per_second: Some(Some(2.5)),
        ..EndpointPatch::default()
    };
    assert_eq!(patched(same), Some(Box::new(failing)));
    let moved = EndpointPatch { url: Some("https://other.example.com/".into()), ..EndpointPatch::default() };
    assert_eq!(patched(moved), None);
    let resumed = EndpointPatch { status: Some(EndpointStatus::Active), ..EndpointPatch::default() };
    assert_eq!(patched(resumed), None);
    assert_eq!(noted.host(), "partner.example.com");
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let draft = EndpointDraft { description: Some("one".into()), timeout_seconds: Some(5), ..draft() };
    let before = create(draft).unwrap();
    let later = NOW.plus_millis(60_000);
    let patch = EndpointPatch {
        events: Some(vec!["cases.*".into()]),
        status: Some(EndpointStatus::Paused),
        timeout_seconds: Some(None),
        ..EndpointPatch::default()
    };
    let after = with(later, |context| before.patched(patch, context)).unwrap();
    let expected = Endpoint {
        events: [Pattern::new("cases.*").unwrap()].into(),
        status: EndpointStatus::Paused,
        timeout_seconds: None,
        updated_at: later,
        ..before
    };
    assert!(after == expected, "{after:?}");
}

#[test]
fn params_and_sandbox_are_for_the_dialect_to_allow() {
    let unknown = EndpointDraft { params: BTreeMap::from([("tenant_id".into(), "a".into())]), ..draft() };
    let error = create(unknown).unwrap_err();
    assert_eq!(fields(&error), ["params.tenant_id"]);
    assert!(error.to_string().contains("xpath@1"), "{error}");
    let error = create(EndpointDraft { sandbox: true, ..draft() }).unwrap_err();
    assert_eq!(fields(&error), ["sandbox"]);
    assert!(error.to_string().contains("xpath@1 has no sandbox"), "{error}");
}

#[test]
fn a_scope_is_two_sets_that_a_patch_replaces_one_by_one() {
    let twice = |name: &str| vec![name.to_owned(), name.to_owned()];
    let sources = vec![Source::Api, Source::Ui, Source::Api];
    let before = create(EndpointDraft { agencies: twice("north"), sources, ..draft() }).unwrap();
    assert_eq!(before.scope.agencies, ["north".to_owned()].into());
    assert_eq!(before.scope.sources, [Source::Ui, Source::Api].into());

    let agencies = EndpointPatch { agencies: Some(twice("south")), ..EndpointPatch::default() };
    let after = with(NOW, |context| before.patched(agencies, context)).unwrap();
    let expected = EventScope { agencies: ["south".to_owned()].into(), ..(*before.scope).clone() };
    assert_eq!(*after.scope, expected);
    let none = EndpointPatch { sources: Some(Vec::new()), ..EndpointPatch::default() };
    let after = with(NOW, |context| after.patched(none, context)).unwrap();
    assert_eq!(*after.scope, EventScope { sources: [].into(), ..expected });
}

#[test]
fn an_endpoint_takes_256_bytes_beside_what_it_has_of_its_own() {
    // Two counts stand before it, and the allocator's next larger room has 320 bytes: 6 MB of 100,000 endpoints.
    assert!(size_of::<Endpoint>() + 2 * size_of::<usize>() <= 256, "{}", size_of::<Endpoint>());
}

#[test]
fn an_endpoint_whose_dialect_is_gone_can_still_be_paused() {
    let mut endpoint = create(draft()).unwrap();
    endpoint.dialect = "morse@1".into();
    let held = endpoint.speechless(&Dialects::builtin()).unwrap();
    let renamed = EndpointPatch { name: Some(Some("n".into())), ..EndpointPatch::default() };
    let renamed = with(NOW, |context| held.patched(renamed, context)).unwrap();
    assert_eq!(renamed.to_stored().status, EndpointStatus::Active, "it goes on when its dialect is back");
    let paused = EndpointPatch { status: Some(EndpointStatus::Paused), ..EndpointPatch::default() };
    let paused = with(NOW, |context| held.patched(paused, context)).unwrap();
    assert_eq!((paused.to_stored().status, paused.status_reason.as_deref()), (EndpointStatus::Paused, None));
}

#[test]
fn a_new_secret_replaces_all() {
    let mut before = create(draft()).unwrap();
    before.secrets = [before.secrets[0].clone(), Secret::generate([1; 32])].into();
    let patch = EndpointPatch { secret: Some(SECRET.into()), ..EndpointPatch::default() };
    let after = with(NOW, |context| before.patched(patch, context)).unwrap();
    assert_eq!(*after.secrets, [Secret::parse(SECRET).unwrap()]);
}

#[test]
fn every_change_shows_in_updated_at_at_whole_seconds_even_if_the_clock_goes_back() {
    let mut endpoint = create(draft()).unwrap();
    for now in [NOW, NOW.plus_millis(1), NOW.plus_millis(-86_400_000)] {
        let patched = with(now, |context| endpoint.patched(EndpointPatch::default(), context)).unwrap();
        assert!(patched.updated_at.as_secs() > endpoint.updated_at.as_secs());
        assert_eq!(patched.created_at, endpoint.created_at);
        endpoint = patched;
    }
}

#[test]
fn an_endpoint_that_the_engine_disabled_says_why_until_it_is_active_again() {
    let disabled = create(draft()).unwrap().disabled("gone".into(), NOW);
    assert_eq!((disabled.status, disabled.status_reason.as_deref()), (EndpointStatus::Paused, Some("gone")));
    let renamed = EndpointPatch { name: Some(Some("n".into())), ..EndpointPatch::default() };
    let renamed = with(NOW, |context| disabled.patched(renamed, context)).unwrap();
    assert_eq!(renamed.status_reason.as_deref(), Some("gone"));
    let resumed = EndpointPatch { status: Some(EndpointStatus::Active), ..EndpointPatch::default() };
    let resumed = with(NOW, |context| renamed.patched(resumed, context)).unwrap();
    assert_eq!((resumed.status, resumed.status_reason.as_deref()), (EndpointStatus::Active, None));
}

#[test]
fn an_endpoint_is_stored_and_reads_back_and_its_debug_print_keeps_secrets() {
    let headers = BTreeMap::from([("authorization".to_owned(), "Bearer CANARY".to_owned())]);
    let draft = EndpointDraft {
        headers,
        secret: Some(SECRET.into()),
        retry_schedule_seconds: Some(vec![1]),
        ..draft()
    };
    assert!(!format!("{draft:?}").contains("CANARY") && !format!("{draft:?}").contains("MfKQ"));
    let endpoint = create(draft).unwrap();
    assert!(!format!("{endpoint:?}").contains("CANARY") && !format!("{endpoint:?}").contains("MfKQ"));
    let rotation = Rotation::default();
    let rotated = with(NOW, |context| endpoint.rotated(&rotation, [7; 32], context)).unwrap();
    assert_eq!(rotated.retiring.len(), 1);
    for endpoint in [endpoint, rotated] {
        let stored = rmp_serde::to_vec_named(&endpoint).unwrap();
        assert!(rmp_serde::from_slice::<Endpoint>(&stored).unwrap() == endpoint);
    }
}

/// The fields of an endpoint as they were before there were params and scopes.
#[derive(Serialize)]
struct Former<'a> {
    id: EndpointId,
    ordinal: u32,
    tenant: &'a Tenant,
    url: &'a str,
    description: Option<&'a str>,
    name: Option<&'a str>,
    events: &'a [Pattern],
    status: EndpointStatus,
    status_reason: Option<&'a str>,
    secrets: &'a [Secret],
    dialect: &'a str,
    headers: &'a BTreeMap<String, String>,
    max_in_flight: Option<u32>,
    timeout_seconds: Option<u32>,
    retry: Option<RetrySchedule>,
    held_through: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[test]
fn an_endpoint_stored_before_there_were_params_and_scopes_takes_everything() {
    let endpoint = create(draft()).unwrap();
    let former = Former {
        id: endpoint.id,
        ordinal: endpoint.ordinal,
        tenant: &endpoint.tenant,
        url: &endpoint.url,
        description: None,
        name: None,
        events: &endpoint.events,
        status: endpoint.status,
        status_reason: None,
        secrets: &endpoint.secrets,
        dialect: &endpoint.dialect,
        headers: &endpoint.headers,
        max_in_flight: None,
        timeout_seconds: None,
        retry: None,
        held_through: 0,
        created_at: endpoint.created_at,
        updated_at: endpoint.updated_at,
    };
    let stored = rmp_serde::to_vec_named(&former).unwrap();
    let read = rmp_serde::from_slice::<Endpoint>(&stored).unwrap();
    assert!(read.scope.is_everything() && read.params.is_empty());
    assert!(read == endpoint);
}
