//! A tenant that keeps its events for less time than others, or fewer of them: they are gone for it, and for nobody else.

use actix_web::http::Method;
use casewire::{EndpointStatus, ErrorKind, Limits, NewEvent, RetrySchedule, Tenant};
use casewire_data::token::Scope;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Embedded, Gate, Receiver, Reply,
    host::{Answer, Host},
    settings, to, wait_until,
};

#[tokio::test]
async fn events_of_a_tenant_go_by_its_own_period_and_those_of_others_stay() {
    let north = Tenant::new("north").unwrap();
    let tenants_retention_ms = [(north.clone(), 1_000)].into();
    let home = Embedded::with(move |builder| {
        builder
            .limits(Limits { tenants_retention_ms: Clone::clone(&tenants_retention_ms), ..Limits::default() })
    });
    let (theirs, ours) = (Receiver::willing(), Receiver::willing());
    let tenant = home.engine.tenant(north.clone());
    let northern = tenant.create_endpoint(to(theirs.url(), &["held"])).await.unwrap().endpoint.id;
    let southern = home.subscribe(to(ours.url(), &["held"])).await;
    let set = async |status: EndpointStatus| {
        for (tenant, endpoint) in [(&tenant, northern), (&home.tenant(), southern)] {
            let patch = casewire::EndpointPatch { status: Some(status), ..Default::default() };
            tenant.update_endpoint(endpoint, patch).await.unwrap();
        }
    };
    set(EndpointStatus::Paused).await;
    let old = tenant.publish(NewEvent::new("held", "1").unwrap()).await.unwrap().id;
    let kept = home.publish("held").await;
    // A segment ends with what comes after it has aged.
    let looked = async || {
        tenant.publish(NewEvent::new("more", "1").unwrap()).await.unwrap();
        tenant.event(old).await
    };
    let gone = wait_until(looked, Result::is_err).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(home.tenant().event(kept).await.is_ok());
    set(EndpointStatus::Active).await;
    let young = tenant.publish(NewEvent::new("held", "2").unwrap()).await.unwrap().id;
    theirs.received_all(&[young]).await;
    ours.received_all(&[kept]).await;
    assert_eq!(theirs.events(), [young], "what is gone is sent to nobody, though it was held for this one");
    assert_eq!(ours.events(), [kept]);
    let home = home.restart().await;
    assert_eq!(home.engine.tenant(north).event(old).await.unwrap_err().kind(), ErrorKind::NotFound);
    home.shutdown().await;
}

/// A host in which the north may keep a MiB of events, and a token of the north's.
async fn northern_host(dir: &TempDir) -> (Host, String) {
    let tenant = |name| Tenant::new(name).unwrap();
    let limits = Limits {
        tenants_retention_bytes: [(tenant("north"), 1 << 20)].into(),
        // Nobody's, but it is looked the more often what is too much.
        tenants_retention_ms: [(tenant("quick"), 1_000)].into(),
        ..Limits::default()
    };
    let builder = settings(dir.path()).retry_schedule(RetrySchedule::new(vec![3_600]).unwrap());
    let host = Host::around(builder.limits(limits).start().unwrap()).await;
    let token = host.token("north", &[Scope::Admin]).await;
    (host, token)
}

/// The north's door.
struct North<'a>(&'a Host, &'a str);

impl North<'_> {
    async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.0.call_as(self.1, method, path, &body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &Value::Null).await
    }

    async fn endpoint(&self, url: String, more: Value) -> String {
        let mut body = json!({ "url": url, "events": ["cases.*"], "dialect": "standard@1" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.call(Method::POST, "/endpoints", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.data()["id"].as_str().unwrap().to_owned()
    }

    async fn publish(&self, event_type: &str, case: &str, data: Value) -> String {
        let body = json!({ "type": event_type, "data": data, "resource": { "type": "case", "id": case } });
        let made = self.call(Method::POST, "/events", &body).await;
        assert_eq!(made.status, 202, "{}", made.text);
        made.data()["id"].as_str().unwrap().to_owned()
    }

    async fn status(&self, event: &str, endpoint: &str) -> String {
        let shown = self.get(&format!("/deliveries/{event}.{endpoint}")).await.data();
        shown["status"].as_str().unwrap().to_owned()
    }

    async fn until(&self, event: &str, endpoint: &str, status: &str) {
        let seen = async || (endpoint.to_owned(), self.status(event, endpoint).await);
        wait_until(seen, |(_, it)| it == status).await;
    }

    /// All that a list has, page by page.
    async fn list(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}{cursor}")).await.json();
            items.extend(page["data"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { return items };
            cursor = format!("&cursor={next}");
        }
    }

    /// How many deliveries a replay to an endpoint would send, by status.
    async fn replayable(&self, endpoint: &str) -> Vec<u64> {
        let mut counts = Vec::new();
        for status in ["dead", "delivered", "cancelled", "missing"] {
            let body = json!({ "status": [status], "types": ["cases.*"], "dry_run": true });
            let path = format!("/endpoints/{endpoint}/replay");
            let counted = self.call(Method::POST, &path, &body).await;
            assert_eq!(counted.status, 202, "{}", counted.text);
            counts.push(counted.data()["count"].as_u64().unwrap());
        }
        counts
    }

    async fn previewed(&self) -> u64 {
        let body = json!({ "events": ["cases.*"], "last": 1_000 });
        let answer = self.call(Method::POST, "/endpoints/preview", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["taken"].as_u64().unwrap()
    }
}

async fn expired(host: &Host) -> u64 {
    let page = host.call(Method::GET, "/metrics", "").await.text;
    let line = page.lines().find_map(|it| it.strip_prefix("casewire_deliveries_total{result=\"expired\"} "));
    line.unwrap().parse().unwrap()
}

#[actix_web::test]
async fn what_is_below_a_horizon_is_nowhere_to_be_seen_and_holds_up_nothing() {
    let dir = TempDir::new().unwrap();
    let (host, token) = northern_host(&dir).await;
    let north = North(&host, &token);
    let works = Gate::shut();
    let gate = works.clone();
    let failing = Receiver::start(move |_| Reply::status(if gate.is_open() { 204 } else { 500 }));
    let willing = Receiver::willing();
    let delivered = north.endpoint(willing.url(), json!({})).await;
    let dead = north.endpoint(failing.url(), json!({ "retry": { "schedule_seconds": [] } })).await;
    let held = north.endpoint(willing.at("/held"), json!({})).await;
    let paused = json!({ "status": "paused" });
    north.call(Method::PATCH, &format!("/endpoints/{held}"), &paused).await;
    let ordered = north.endpoint(failing.at("/ordered"), json!({ "ordering": "resource" })).await;
    // At once, so that they are in one file of the log and go together.
    let case = |event_type: &str| json!({ "type": event_type, "data": 1, "resource": { "type": "case", "id": "7" } });
    let both = json!([case("cases.created"), case("cases.changed")]);
    let both = north.call(Method::POST, "/events/batch", &both).await.data();
    let [first, second] = [0, 1].map(|index| both[index]["id"].as_str().unwrap().to_owned());
    for event in [&first, &second] {
        north.until(event, &delivered, "delivered").await;
        north.until(event, &dead, "dead").await;
        north.until(event, &held, "held").await;
    }
    north.until(&first, &ordered, "retrying").await;
    let missed = north.endpoint(willing.at("/missed"), json!({ "status": "paused" })).await;

    // All of this is seen as long as it is there.
    assert_eq!(north.replayable(&delivered).await, [0, 2, 0, 0]);
    assert_eq!(north.replayable(&dead).await, [2, 0, 0, 0]);
    assert_eq!(north.replayable(&missed).await, [0, 0, 0, 2]);
    assert_eq!(north.previewed().await, 2);
    let lists = ["/events?type=cases.created", "/events?resource=case/7", "/deliveries?type=cases.changed"];
    let by_status = ["dead", "delivered", "held", "retrying"].map(|it| format!("/deliveries?status={it}"));
    let lists: Vec<&str> = lists.into_iter().chain(by_status.iter().map(String::as_str)).collect();
    for path in &lists {
        assert!(!north.list(path).await.is_empty(), "{path}");
    }
    assert_eq!(expired(&host).await, 0);

    let filler = json!("x".repeat(100_000));
    let pushed = async || {
        north.publish("filler", "9", filler.clone()).await;
        north.get(&format!("/events/{second}")).await.status
    };
    wait_until(pushed, |status| *status == 404).await;

    let never = "evt_00000000000000000000000000";
    for event in [&first, &second] {
        for path in [format!("/events/{event}"), format!("/events/{event}/deliveries")] {
            let gone = north.get(&path).await.problem(404);
            let nothing = north.get(&path.replace(event.as_str(), never)).await.problem(404);
            assert_eq!(gone, nothing, "as one that never was");
        }
        for endpoint in [&delivered, &dead, &held, &ordered] {
            let path = format!("/deliveries/{event}.{endpoint}");
            for (method, path) in [(Method::GET, path.clone()), (Method::POST, format!("{path}/retry"))] {
                let gone = north.call(method.clone(), &path, &Value::Null).await.problem(404);
                let nothing = path.replace(event.as_str(), never);
                assert_eq!(gone, north.call(method, &nothing, &Value::Null).await.problem(404));
            }
        }
        north.get(&format!("/deliveries?event={event}")).await.problem(404);
    }
    for path in &lists {
        assert_eq!(north.list(path).await, Vec::<Value>::new(), "{path}");
    }
    assert_eq!(north.previewed().await, 0);
    for endpoint in [&delivered, &dead, &held, &ordered, &missed] {
        assert_eq!(north.replayable(endpoint).await, [0; 4], "{endpoint}");
    }
    // Held twice, and of one case one that was to be retried and one behind it.
    assert_eq!(expired(&host).await, 4);

    works.open();
    north.call(Method::PATCH, &format!("/endpoints/{held}"), &json!({ "status": "active" })).await;
    let third = north.publish("cases.closed", "7", json!(3)).await;
    for endpoint in [&delivered, &dead, &held, &ordered] {
        north.until(&third, endpoint, "delivered").await;
    }
    let sent = |receiver: &Receiver, path: &str| {
        let requests = receiver.requests().into_iter().filter(|it| it.path == path);
        requests.map(|it| it.event().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(sent(&willing, "/held"), std::slice::from_ref(&third), "what was held is gone");
    assert_eq!(sent(&failing, "/ordered"), [first.clone(), third.clone()], "its case waits for nothing");
    assert_eq!(expired(&host).await, 4, "counted once");
    host.stop().await;
}
