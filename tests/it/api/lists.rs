//! Events and deliveries are listed newest first, once each, by any of their filters and all of them together.

use std::collections::BTreeMap;

use actix_web::http::Method;
use casewire::{NewEvent, Tenant};
use casewire_data::{id::EventId, token::Scope};
use serde_json::{Value, json};

use crate::support::{
    Gate, Receiver, Reply,
    contract::{CONTRACT, Ids, Operation},
    host::{Host, fields, keys},
    wait_until,
};

const TYPES: [&str; 4] = ["cases.created", "cases.updated", "cases.created", "tasks.created"];
/// Every status, with how many deliveries of a stage come to have it.
const STATUSES: [(&str, usize); 7] = [
    ("pending", 2),
    ("in_flight", 1),
    ("retrying", 3),
    ("delivered", 4),
    ("dead", 3),
    ("cancelled", 3),
    ("held", 3),
];

/// Four events, and endpoints at which they came to every status there is.
struct Stage {
    host: Host,
    endpoints: BTreeMap<&'static str, String>,
    events: Vec<String>,
    gate: Gate,
}

impl Stage {
    async fn set() -> Self {
        let (host, gate) = (Host::start().await, Gate::shut());
        let failing = Receiver::start(|_| Reply::status(500)).url();
        let waits = gate.clone();
        let slow = Receiver::start(move |_| {
            waits.pass();
            Reply::status(204)
        });
        let drafts = [
            ("delivered", json!({"url": Receiver::willing().url(), "events": ["*"]})),
            ("dead", json!({"url": failing, "events": ["cases.*"], "retry": {"schedule_seconds": [0]}})),
            (
                "retrying",
                json!({"url": failing, "events": ["cases.*"], "retry": {"schedule_seconds": [3600]}}),
            ),
            ("slow", json!({"url": slow.url(), "events": ["cases.*"], "max_in_flight": 1})),
            ("held", json!({"url": "https://a.example", "events": ["cases.*"], "status": "paused"})),
            ("cancelled", json!({"url": "https://a.example", "events": ["cases.*"], "status": "paused"})),
        ];
        let mut endpoints = BTreeMap::new();
        for (name, draft) in drafts {
            endpoints.insert(name, host.endpoint(&draft.to_string()).await);
        }
        let mut events = Vec::new();
        for (n, name) in TYPES.iter().enumerate() {
            let event = json!({"type": name, "data": {}, "resource": {"type": "case", "id": n.to_string()}});
            events.push(publish(&host, &event).await);
        }
        let deleted = format!("/endpoints/{}", endpoints["cancelled"]);
        assert_eq!(host.call(Method::DELETE, &deleted, "").await.status, 204);
        let come = |listed: &Vec<Value>| {
            let count = |status: &str| listed.iter().filter(|it| it["status"] == status).count();
            STATUSES.iter().all(|(status, expected)| count(status) == *expected)
        };
        wait_until(async || list(&host, "/deliveries", "limit=200").await, come).await;
        Self { host, endpoints, events, gate }
    }

    async fn strike(self) {
        self.gate.open();
        self.host.stop().await;
    }
}

async fn publish(host: &Host, event: &Value) -> String {
    let answer = host.call(Method::POST, "/events", &event.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.data()["id"].as_str().unwrap().to_owned()
}

/// All of a list, from page to page.
async fn list(host: &Host, path: &str, query: &str) -> Vec<Value> {
    list_behind(host, path, query, "").await
}

/// All of it that is behind a cursor.
async fn list_behind(host: &Host, path: &str, query: &str, cursor: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
    loop {
        let answer = host.call(Method::GET, &format!("{path}?{query}{cursor}"), "").await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        let page = answer.json();
        items.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// When an event was published, in milliseconds, by its id.
fn millis(event: &str) -> u64 {
    (event.parse::<EventId>().unwrap().as_u128() >> 80) as u64
}

fn time(millis: u64) -> String {
    casewire::Timestamp::from_millis(millis as i64).to_rfc3339_micros()
}

#[actix_web::test]
async fn deliveries_are_listed_by_each_filter_and_by_all_of_them_together() {
    let stage = Stage::set().await;
    let all = list(&stage.host, "/deliveries", "limit=200").await;
    let mut newest_first = ids(&all);
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!((all.len(), ids(&all)), (19, newest_first));
    let (first, last) = (millis(&stage.events[1]), millis(&stage.events[3]));
    let window = [("since", time(first)), ("until", time(last))];
    let some = |name, values: &[&str]| {
        let given = values.iter().map(|value| vec![(name, (*value).to_owned())]);
        std::iter::once(Vec::new()).chain(given).collect::<Vec<_>>()
    };
    let endpoints = ["delivered", "dead", "slow", "cancelled"].map(|name| stage.endpoints[name].as_str());
    let statuses = STATUSES.map(|(status, _)| status);
    for endpoint in some("endpoint", &endpoints) {
        for event in some("event", &[&stage.events[1]]) {
            for event_type in some("type", &["cases.created", "never.published"]) {
                for status in some("status", &statuses) {
                    for window in [&[][..], &window] {
                        let filters = [&endpoint, &event, &event_type, &status, window].concat();
                        let takes = |it: &&Value| filters.iter().all(|(name, value)| takes(it, name, value));
                        let wanted: Vec<Value> = all.iter().filter(takes).cloned().collect();
                        let query: Vec<_> =
                            filters.iter().map(|(name, value)| format!("{name}={value}")).collect();
                        let query = query.join("&");
                        assert_eq!(list(&stage.host, "/deliveries", &query).await, wanted, "{query}");
                    }
                }
            }
        }
    }
    stage.strike().await;
}

fn takes(delivery: &Value, name: &str, value: &str) -> bool {
    let at = || millis(delivery["event_id"].as_str().unwrap());
    let given = |time: &str| casewire::Timestamp::parse(time).unwrap().as_millis() as u64;
    match name {
        "since" => at() >= given(value),
        "until" => at() < given(value),
        "endpoint" => delivery["endpoint_id"] == value,
        "event" => delivery["event_id"] == value,
        _ => delivery[name] == value,
    }
}

#[actix_web::test]
async fn a_listed_delivery_is_what_the_delivery_itself_says() {
    let stage = Stage::set().await;
    for delivery in list(&stage.host, "/deliveries", "limit=5").await {
        let path = format!("/deliveries/{}", delivery["id"].as_str().unwrap());
        let mut alone = stage.host.call(Method::GET, &path, "").await.data();
        alone["attempts"] = json!(alone["attempts"].as_array().unwrap().len());
        assert_eq!(keys(&delivery), keys(&alone));
        assert_eq!(delivery, alone);
    }
    for event in &stage.events {
        let path = format!("/events/{event}/deliveries");
        let of_event = list(&stage.host, &path, "limit=2").await;
        assert_eq!(of_event, list(&stage.host, "/deliveries", &format!("event={event}")).await);
        assert!(of_event.iter().all(|it| it["event_id"] == event.as_str()) && !of_event.is_empty());
    }
    stage.strike().await;
}

#[actix_web::test]
async fn events_are_listed_by_each_filter_and_without_their_payloads() {
    let host = Host::start().await;
    let mut events = Vec::new();
    for n in 0..30 {
        let event = json!({
            "type": TYPES[n % 4], "data": {"n": n}, "agency": "north",
            "resource": {"type": "case", "id": format!("C/{}", n % 5)},
        });
        events.insert(0, publish(&host, &event).await);
    }
    let all = list(&host, "/events", "limit=7").await;
    assert_eq!(ids(&all), events);
    assert_eq!(keys(&all[0]), ["id", "type", "created_at", "occurred_at", "resource", "agency"]);

    let of = |takes: &dyn Fn(&Value) -> bool| all.iter().filter(|it| takes(it)).cloned().collect::<Vec<_>>();
    let (since, until) = (millis(&events[20]), millis(&events[10]));
    let within = |it: &Value| (since..until).contains(&millis(it["id"].as_str().unwrap()));
    let about = |it: &Value| it["resource"]["id"] == "C/3";
    let created = |it: &Value| it["type"] == "cases.created";
    let window = format!("since={}&until={}", time(since), time(until));
    for (query, wanted) in [
        ("type=cases.created".to_owned(), of(&created)),
        ("resource=case/C/3".to_owned(), of(&about)),
        ("resource=case%2FC%2F3&type=cases.created".to_owned(), of(&|it| about(it) && created(it))),
        (window.clone(), of(&within)),
        (
            format!("{window}&resource=case/C/3&type=cases.created"),
            of(&|it| within(it) && about(it) && created(it)),
        ),
        ("resource=case/C".to_owned(), Vec::new()),
        ("type=cases".to_owned(), Vec::new()),
        ("since=2999-01-01T00:00:00Z".to_owned(), Vec::new()),
        ("until=1969-01-01T00:00:00Z".to_owned(), Vec::new()),
    ] {
        assert_eq!(list(&host, "/events", &query).await, wanted, "{query}");
    }
    host.stop().await;
}

#[actix_web::test]
async fn pages_neither_repeat_nor_leave_out_anything_while_events_come_in() {
    let host = Host::start().await;
    for _ in 0..3 {
        host.endpoint(r#"{"url":"https://a.example","events":["*"],"status":"paused"}"#).await;
    }
    let event = json!({"type": "cases.created", "data": {}});
    for _ in 0..20 {
        publish(&host, &event).await;
    }
    for path in ["/deliveries", "/events"] {
        let before = list(&host, path, "limit=200").await;
        let (mut seen, mut cursor, mut first) = (Vec::new(), String::new(), true);
        while first || !cursor.is_empty() {
            first = false;
            let page = host.call(Method::GET, &format!("{path}?limit=7{cursor}"), "").await.json();
            seen.extend(page["data"].as_array().unwrap().iter().cloned());
            cursor = page["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
            publish(&host, &event).await;
            publish(&host, &event).await;
        }
        assert!(seen.len() >= 20, "{path}: {}", seen.len());
        assert_eq!(ids(&seen), ids(&before), "{path}");
    }
    host.stop().await;
}

#[actix_web::test]
async fn a_cursor_goes_on_where_it_ended_over_a_restart_and_a_deletion_and_under_any_filter() {
    let dir = tempfile::TempDir::new().unwrap();
    let start = || casewire::Engine::builder(dir.path()).start().unwrap();
    let host = Host::around(start()).await;
    for _ in 0..3 {
        host.endpoint(r#"{"url":"https://a.example","events":["*"],"status":"paused"}"#).await;
    }
    for n in 0..10 {
        publish(&host, &json!({"type": TYPES[n % 4], "data": {}})).await;
    }
    let before = list(&host, "/deliveries", "").await;
    let page = host.call(Method::GET, "/deliveries?limit=7", "").await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    // The very endpoint of the delivery that the page ended with.
    let gone = before[6]["endpoint_id"].as_str().unwrap();
    assert_eq!(host.call(Method::DELETE, &format!("/endpoints/{gone}"), "").await.status, 204);
    host.stop().await;

    let host = Host::around(start()).await;
    publish(&host, &json!({"type": TYPES[0], "data": {}})).await;
    let rest = list_behind(&host, "/deliveries", "limit=4", cursor).await;
    assert_eq!(ids(&rest), ids(&before[7..]));
    for filter in [
        "status=cancelled",
        "status=held",
        "type=cases.created",
        "status=delivered",
        &format!("endpoint={gone}"),
    ] {
        let (name, value) = filter.split_once('=').unwrap();
        let wanted: Vec<Value> = rest.iter().filter(|it| takes(it, name, value)).cloned().collect();
        let found = list_behind(&host, "/deliveries", &format!("{filter}&limit=2"), cursor).await;
        assert_eq!(found, wanted, "{filter}");
    }
    let of_events = host.call(Method::GET, "/events?limit=1", "").await.json();
    let path = format!("/deliveries?cursor={}", of_events["next_cursor"].as_str().unwrap());
    let problem = host.call(Method::GET, &path, "").await.problem(422);
    assert_eq!(problem["errors"][0]["field"], "cursor", "of another list");
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("next_cursor"), "{problem}");
    host.stop().await;
}

#[actix_web::test]
async fn a_pattern_is_no_type_and_the_answer_says_so() {
    let host = Host::start().await;
    for path in ["/events?type=cases.*", "/deliveries?type=*"] {
        let problem = host.call(Method::GET, path, "").await.problem(422);
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("not a pattern"), "{message}");
    }
    host.stop().await;
}

/// Thousands of them within a millisecond or two, as a batch is: a cursor between them can't be a time.
#[actix_web::test]
async fn what_is_rare_is_found_once_however_many_requests_the_first_search_takes() {
    let host = Host::start().await;
    let tenant = host.engine.tenant(Tenant::default());
    let mut rare = Vec::new();
    for batch in 0..4 {
        let data = format!("{{\"text\":\"{}\"}}", "x".repeat(8_000));
        let names = (0..500).map(|n| if n == 250 { "cases.rare" } else { "cases.created" });
        let events = names.map(|name| NewEvent::new(name, data.clone()).unwrap()).collect();
        let receipts = tenant.publish_batch(events).await.unwrap();
        rare.insert(0, receipts[250].id.to_string());
        assert_eq!(rare.len(), batch + 1);
    }
    for _ in 0..2 {
        assert_eq!(ids(&list(&host, "/events", "type=cases.rare&limit=1").await), rare);
        assert_eq!(ids(&list(&host, "/events", "type=cases.rare").await), rare);
        assert!(list(&host, "/events", "type=cases.absent").await.is_empty());
        assert!(list(&host, "/deliveries", "type=cases.rare").await.is_empty());
    }
    let stranger = host.token("stranger", &[Scope::DeliveriesRead]).await;
    let page = host.call_as(&stranger, Method::GET, "/events", "").await.json();
    assert_eq!(page, json!({"data": []}), "no cursor either: all of it is known to be another's");
    host.stop().await;
}

#[actix_web::test]
async fn a_list_refuses_by_name_what_it_has_no_parameter_for() {
    let host = Host::start().await;
    let ids = Ids::of(&host).await;
    let in_pages =
        |told: &&Operation| told.parameters("query").iter().any(|parameter| parameter["name"] == "cursor");
    let lists: Vec<_> = CONTRACT.operations.iter().filter(in_pages).collect();
    assert!(lists.len() >= 9, "the document has the lists");
    for list in lists {
        let path = list.filled(|parameter| ids.fill(parameter));
        for (query, named) in [("pageSize=3", "pageSize"), ("limit=1&limit=2", "limit"), ("Limit=1", "Limit")]
        {
            let refused = host.call(Method::GET, &format!("{path}?{query}"), "").await.problem(422);
            assert_eq!(fields(&refused), [named], "{path}?{query}");
        }
        host.call(Method::GET, &format!("{path}?limit=200"), "").await.data();
    }
    host.stop().await;
}
