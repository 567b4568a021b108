//! A receiver is asked whether it wants deliveries before its endpoint is stored, where the dialect says so.

use std::{net::TcpListener, time::Duration};

use actix_web::http::Method;
use casewire::{
    EndpointDraft, EndpointId, EndpointInfo, EndpointPatch, Error, ErrorKind, Limits, Result, TenantHandle,
};
use serde_json::json;

use super::{Spoken, fields, obliging};
use crate::support::{
    Embedded, Gate, PATIENCE, Receiver, Reply, Request,
    host::{Host, fields as fields_of},
    to, wait_until,
};

const SHAKING: [&str; 2] = ["cloudevents@1", "clio@1"];

fn cloudevents(url: String) -> EndpointDraft {
    Spoken::of("cloudevents@1").draft(url)
}

fn agreeable() -> Receiver {
    Receiver::start(|request| obliging(request, 200))
}

/// One that agrees when the gate opens, and says nothing before.
fn hesitant(gate: &Gate) -> Receiver {
    let gate = gate.clone();
    Receiver::start(move |request| {
        gate.pass();
        obliging(request, 200)
    })
}

fn url(url: String) -> EndpointPatch {
    EndpointPatch { url: Some(url), ..EndpointPatch::default() }
}

fn origin(origin: &str) -> EndpointPatch {
    let params = Some([("origin".to_owned(), origin.to_owned())].into());
    EndpointPatch { params, ..EndpointPatch::default() }
}

fn description(text: &str) -> EndpointPatch {
    EndpointPatch { description: Some(Some(text.to_owned())), ..EndpointPatch::default() }
}

/// Holds a result to be a refusal of the receiver, and answers its words.
fn refusal(result: Result<EndpointInfo>) -> String {
    let error: Error = result.expect_err("the receiver did not agree");
    assert_eq!((error.kind(), fields(&error)), (ErrorKind::Invalid, vec!["url"]), "{error}");
    error.field_errors()[0].message.clone()
}

/// Begins a change that waits for its receiver.
fn begin(
    tenant: &TenantHandle,
    id: EndpointId,
    patch: EndpointPatch,
) -> tokio::task::JoinHandle<Result<EndpointInfo>> {
    let tenant = tenant.clone();
    tokio::spawn(async move { tenant.update_endpoint(id, patch).await })
}

#[tokio::test]
async fn a_receiver_that_agrees_is_asked_once_and_then_sent_deliveries() {
    let home = Embedded::start();
    for dialect in SHAKING {
        let (spoken, receiver) = (Spoken::of(dialect), agreeable());
        let endpoint = spoken.subscribe(&home, receiver.url()).await.endpoint;
        let [probe] = receiver.requests().try_into().unwrap_or_else(|all| panic!("{dialect}: {all:?}"));
        match dialect {
            "clio@1" => {
                assert_eq!((probe.method.as_str(), probe.body.len()), ("POST", 0));
                assert_eq!(probe.header("x-hook-secret"), endpoint.secrets[0].expose());
            }
            _ => {
                assert_eq!(probe.method, "OPTIONS");
                assert_eq!(probe.header("webhook-request-origin"), "cases.example.org");
                assert_eq!((probe.find("content-length"), probe.find("content-type")), (None, None));
            }
        }
        spoken.tenant(&home).publish(spoken.event()).await.unwrap();
        let delivery = receiver.received(2).await.remove(1);
        assert_eq!(delivery.method, "POST");
        let origin = delivery.find("webhook-request-origin");
        assert_eq!(origin, (dialect == "cloudevents@1").then_some("cases.example.org"));
        assert_eq!(delivery.find("x-hook-secret"), None, "{dialect}");
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_agree_gets_no_endpoint() {
    type Script = fn(&Request) -> Reply;
    let home = Embedded::start();
    let refusing: [(&str, Script); 6] = [
        ("cloudevents@1", |_| Reply::status(200)),
        ("cloudevents@1", |_| Reply::status(405)),
        ("cloudevents@1", |_| Reply::status(200).with("WebHook-Allowed-Origin", "another.example")),
        ("clio@1", |_| Reply::status(200)),
        ("clio@1", |_| Reply::status(200).with("X-Hook-Secret", "guessed")),
        ("clio@1", |request| obliging(request, 500)),
    ];
    for (dialect, script) in refusing {
        let (spoken, receiver) = (Spoken::of(dialect), Receiver::start(script));
        let tenant = spoken.tenant(&home);
        let words = refusal(tenant.create_endpoint(spoken.draft(receiver.url())).await);
        assert!(words.contains("did not agree") && words.contains("Answer "), "{words}");
        assert_eq!(tenant.endpoints().await.unwrap(), []);
        assert_eq!(receiver.count(), 1, "asked once");
    }
    let home = home.restart().await;
    for dialect in SHAKING {
        let tenant = Spoken::of(dialect).tenant(&home);
        assert_eq!(tenant.endpoints().await.unwrap(), []);
    }
}

#[tokio::test]
async fn any_origin_is_as_good_as_the_right_one_and_others_are_not_asked() {
    let home = Embedded::start();
    let open = Receiver::start(|_| Reply::status(204).with("WebHook-Allowed-Origin", "*"));
    home.subscribe(cloudevents(open.url())).await;
    for spoken in super::ALL.iter().filter(|spoken| !SHAKING.contains(&spoken.dialect)) {
        let silent = Receiver::start(|_| panic!("nobody asks it"));
        spoken.subscribe(&home, silent.url()).await;
        assert_eq!(silent.count(), 0, "{}", spoken.dialect);
    }
}

#[tokio::test]
async fn a_silent_receiver_is_named_so_in_time() {
    let home =
        Embedded::with(|builder| builder.limits(Limits { attempt_timeout_ms: 300, ..Limits::default() }));
    let gate = Gate::shut();
    for dialect in SHAKING {
        let spoken = Spoken::of(dialect);
        let words = refusal(spoken.tenant(&home).create_endpoint(spoken.draft(hesitant(&gate).url())).await);
        assert!(words.contains("no answer in 300 ms") && words.contains("Answer "), "{words}");
    }
    let down = crate::support::Down::reserve();
    let words = refusal(home.tenant().create_endpoint(cloudevents(down.url())).await);
    assert!(words.contains("connection refused"), "{words}");
    gate.open();
}

#[tokio::test]
async fn a_change_is_asked_about_if_the_question_is_another_one() {
    let (home, first, second) = (Embedded::start(), agreeable(), agreeable());
    let tenant = home.tenant();
    let endpoint = home.subscribe(cloudevents(first.url())).await;
    for patch in [description("d"), EndpointPatch { max_in_flight: Some(Some(2)), ..url(first.url()) }] {
        tenant.update_endpoint(endpoint, patch).await.unwrap();
    }
    assert_eq!(first.count(), 1, "nothing that it was asked has changed");
    tenant.update_endpoint(endpoint, origin("moved.example.org")).await.unwrap();
    assert_eq!(first.received(2).await[1].header("webhook-request-origin"), "moved.example.org");
    tenant.update_endpoint(endpoint, url(second.url())).await.unwrap();
    assert_eq!((first.count(), second.count()), (2, 1));

    let unwilling = Receiver::start(|_| Reply::status(404));
    let both = EndpointPatch { url: Some(unwilling.url()), ..description("not stored") };
    refusal(tenant.update_endpoint(endpoint, both).await);
    let stored = tenant.endpoint(endpoint).await.unwrap().endpoint;
    assert_eq!((stored.url.to_string(), stored.description.as_deref()), (second.url(), Some("d")));

    let (clio, receiver) = (Spoken::of("clio@1"), agreeable());
    let endpoint = clio.subscribe(&home, receiver.url()).await.endpoint.id;
    let rekeyed = EndpointPatch { secret: Some("new".to_owned()), ..EndpointPatch::default() };
    clio.tenant(&home).update_endpoint(endpoint, rekeyed).await.unwrap();
    assert_eq!(receiver.received(2).await[1].header("x-hook-secret"), "new");
}

#[tokio::test]
async fn no_forbidden_address_is_asked() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    let home = Embedded::with(|builder| builder.egress_allow(vec![]));
    // The last one is a name when it is saved, and judged by what it resolves to.
    for host in ["127.0.0.1", "localhost", "169.254.169.254", "ip6-localhost"] {
        refusal(home.tenant().create_endpoint(cloudevents(format!("https://{host}:{port}/"))).await);
    }
    assert!(trap.accept().is_err(), "nobody connected");
}

#[tokio::test]
async fn while_a_receiver_is_asked_everything_else_goes_on() {
    let (home, gate, willing) = (Embedded::start(), Gate::shut(), agreeable());
    let slow = hesitant(&gate);
    let tenant = home.tenant();
    let endpoint = home.subscribe(cloudevents(willing.url())).await;
    let creating = tokio::spawn({
        let (tenant, draft) = (tenant.clone(), cloudevents(slow.at("/new")));
        async move { tenant.create_endpoint(draft).await }
    });
    let changing = begin(&tenant, endpoint, url(slow.at("/changed")));
    slow.received(2).await;

    let other = home.subscribe(to(willing.url(), &["*"])).await;
    tenant.update_endpoint(other, description("other")).await.unwrap();
    tenant.update_endpoint(endpoint, description("meanwhile")).await.unwrap();
    tenant.delete_endpoint(other).await.unwrap();
    assert!(!creating.is_finished() && !changing.is_finished());

    gate.open();
    let (created, changed) = (creating.await.unwrap().unwrap(), changing.await.unwrap().unwrap());
    assert_ne!(created.endpoint.ordinal, changed.endpoint.ordinal);
    assert_eq!(changed.endpoint.description.as_deref(), Some("meanwhile"), "no change is lost");
    assert_eq!(*changed.endpoint.url, slow.at("/changed"));
    assert_eq!(slow.count(), 2);
    home.restart().await.tenant().endpoint(created.endpoint.id).await.unwrap();
}

#[tokio::test]
async fn a_change_that_is_overtaken_is_asked_about_anew_and_given_up_in_the_end() {
    let (home, willing) = (Embedded::start(), agreeable());
    let gates: [Gate; 3] = Default::default();
    let at_receiver = gates.clone();
    let slow = Receiver::start(move |request| {
        at_receiver[request.attempt - 1].pass();
        obliging(request, 200)
    });
    let tenant = home.tenant();
    let endpoint = home.subscribe(cloudevents(willing.url())).await;
    let changing = begin(&tenant, endpoint, url(slow.url()));
    for (round, gate) in gates.iter().enumerate() {
        slow.received(round + 1).await;
        tenant.update_endpoint(endpoint, origin(&format!("o{round}.example"))).await.unwrap();
        gate.open();
    }
    assert_eq!(changing.await.unwrap().unwrap_err().kind(), ErrorKind::Conflict);
    let asked = slow.requests();
    let origins: Vec<_> = asked.iter().map(|request| request.header("webhook-request-origin")).collect();
    assert_eq!(origins, ["cases.example.org", "o0.example", "o1.example"]);
    assert_eq!(tenant.endpoint(endpoint).await.unwrap().endpoint.url.to_string(), willing.url());
}

#[tokio::test]
async fn an_endpoint_that_is_deleted_meanwhile_does_not_come_back() {
    let (home, gate, willing) = (Embedded::start(), Gate::shut(), agreeable());
    let slow = hesitant(&gate);
    let endpoint = home.subscribe(cloudevents(willing.url())).await;
    let changing = begin(&home.tenant(), endpoint, url(slow.url()));
    slow.received(1).await;
    home.tenant().delete_endpoint(endpoint).await.unwrap();
    gate.open();
    assert_eq!(changing.await.unwrap().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(home.restart().await.tenant().endpoints().await.unwrap(), []);
}

#[tokio::test]
async fn the_most_endpoints_that_a_tenant_may_have_are_the_most_that_it_gets() {
    let home =
        Embedded::with(|builder| builder.limits(Limits { endpoints_per_tenant_max: 2, ..Limits::default() }));
    let gate = Gate::shut();
    let slow = hesitant(&gate);
    let creating: Vec<_> = (0..4)
        .map(|n| {
            let (tenant, draft) = (home.tenant(), cloudevents(slow.at(&format!("/{n}"))));
            tokio::spawn(async move { tenant.create_endpoint(draft).await })
        })
        .collect();
    slow.received(4).await;
    gate.open();
    let mut created = 0;
    for result in creating {
        match result.await.unwrap() {
            Ok(_) => created += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    }
    assert_eq!((created, home.tenant().endpoints().await.unwrap().len()), (2, 2));
}

#[tokio::test]
async fn one_tenants_receivers_that_hang_keep_no_other_from_being_asked() {
    let (home, gate, willing) = (Embedded::start(), Gate::shut(), agreeable());
    let slow = hesitant(&gate);
    let creating: Vec<_> = (0..65)
        .map(|n| {
            let (tenant, draft) = (home.tenant(), cloudevents(slow.at(&format!("/{n}"))));
            tokio::spawn(async move { tenant.create_endpoint(draft).await })
        })
        .collect();
    slow.received(64).await;
    Spoken::of("cloudevents@1").subscribe(&home, willing.url()).await;
    let look = async || creating.iter().filter(|creating| creating.is_finished()).count();
    wait_until(look, |finished| *finished == 1).await;
    gate.open();
    let mut busy = 0;
    for result in creating {
        busy += usize::from(result.await.unwrap().is_err_and(|error| error.kind() == ErrorKind::Busy));
    }
    assert_eq!((busy, slow.count()), (1, 64));
    home.subscribe(cloudevents(willing.url())).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_receiver_that_is_asked() {
    let (home, gate) = (Embedded::start(), Gate::shut());
    let slow = hesitant(&gate);
    let creating = tokio::spawn({
        let (tenant, draft) = (home.tenant(), cloudevents(slow.url()));
        async move { tenant.create_endpoint(draft).await }
    });
    slow.received(1).await;
    let stopping = home.engine.shutdown(PATIENCE);
    // The receiver would be waited for twice as long.
    tokio::time::timeout(Duration::from_secs(5), stopping).await.expect("it stops at once");
    assert_eq!(creating.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    gate.open();
    assert_eq!(home.restart().await.tenant().endpoints().await.unwrap(), []);
}

#[actix_web::test]
async fn the_api_answers_with_the_receivers_refusal() {
    let (host, unwilling) = (Host::start().await, Receiver::start(|_| Reply::status(404)));
    let body = json!({ "url": unwilling.url(), "events": ["a.b"], "dialect": "cloudevents@1" }).to_string();
    let problem = host.call(Method::POST, "/endpoints", &body).await.problem(422);
    assert_eq!(fields_of(&problem), ["url"]);
    let words = problem["errors"][0]["message"].as_str().unwrap();
    assert!(words.contains("answered 404") && words.contains("WebHook-Allowed-Origin"), "{words}");
    assert_eq!(host.call(Method::GET, "/endpoints", "").await.json(), json!({"data": []}));
    host.stop().await;
}
