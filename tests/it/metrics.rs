//! What the engine counts is told as Prometheus reads it, to the operator alone, under the names that the README gives.

use std::{collections::BTreeMap, fs, path::Path};

use actix_web::http::Method;
use casewire_data::token::Scope;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    binary::{Server, TOKEN, run},
    support::{
        host::{Host, receiver},
        wait_until,
    },
};

/// The samples of a page, by name and label.
type Samples = BTreeMap<String, f64>;

/// Reads a page as the text format has it, strictly: each family once, with help and type before its samples.
fn read(page: &str) -> Samples {
    let (mut samples, mut types) = (Samples::new(), BTreeMap::new());
    let mut family = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').expect(line).0.to_owned();
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {family} ")));
            let kind = kind.unwrap_or_else(|| panic!("the type of {family}"));
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{family}: {kind}");
            assert_eq!(kind == "counter", family.ends_with("_total"), "{family}");
            assert_eq!(types.insert(family.clone(), kind), None, "{family} is there once");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect(line);
        let name = series.split('{').next().unwrap();
        let suffixes: &[&str] =
            if types[&family] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{line} in {family}");
        assert_eq!(samples.insert(series.to_owned(), value.parse().expect(line)), None, "{line}");
    }
    samples
}

async fn page(host: &Host) -> String {
    let answer = host.call(Method::GET, "/metrics", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    answer.text
}

/// Waits until a sample has a value, and answers all of them.
async fn until(host: &Host, series: &str, value: f64) -> Samples {
    wait_until(async || read(&page(host).await), |samples| samples[series] == value).await
}

#[actix_web::test]
async fn what_happens_is_counted() {
    let host = Host::start().await;
    let ((good, _good), (bad, _bad)) = (receiver(200, ""), receiver(503, ""));
    host.endpoint(&json!({"url": good, "events": ["a.*"]}).to_string()).await;
    host.endpoint(&json!({"url": bad, "events": ["a.b"]}).to_string()).await;
    host.endpoint(r#"{"url":"https://a.example","events":["a.b"],"status":"paused"}"#).await;
    let body = r#"{"type":"a.b","data":{"n":1},"idempotency_key":"k"}"#;
    for _ in 0..2 {
        assert_eq!(host.call(Method::POST, "/events", body).await.status, 202);
    }
    // That of the paused endpoint is left when the other two are settled.
    until(&host, "casewire_deliveries_waiting{state=\"new\"}", 1.0).await;
    let seen = until(&host, "casewire_attempts_in_flight", 0.0).await;
    for (series, value) in [
        ("casewire_events_published_total", 1.0),
        ("casewire_events_repeated_total", 1.0),
        ("casewire_publishes_refused_total", 0.0),
        ("casewire_queue_events", 0.0),
        ("casewire_queue_bytes", 0.0),
        ("casewire_queue_events_max", 10_000.0),
        ("casewire_deliveries_matched_total", 3.0),
        ("casewire_deliveries_total{result=\"dead\"}", 0.0),
        ("casewire_attempts_total{outcome=\"2xx\"}", 1.0),
        ("casewire_attempts_total{outcome=\"5xx\"}", 1.0),
        ("casewire_attempts_total{outcome=\"connect\"}", 0.0),
        ("casewire_attempt_duration_seconds_count", 2.0),
        ("casewire_attempt_duration_seconds_bucket{le=\"+Inf\"}", 2.0),
        ("casewire_first_attempt_delay_seconds_count", 2.0),
        ("casewire_endpoints{status=\"active\"}", 2.0),
        ("casewire_endpoints{status=\"paused\"}", 1.0),
        ("casewire_endpoints{status=\"disabled\"}", 0.0),
        ("casewire_endpoints_failing", 0.0),
        ("casewire_endpoints_down", 0.0),
        ("casewire_deliveries_waiting{state=\"new\"}", 1.0),
        ("casewire_deliveries_waiting{state=\"retry\"}", 1.0),
        ("casewire_dead_letters", 0.0),
        ("casewire_mailboxes", 2.0),
        ("casewire_journal_writable", 1.0),
        ("casewire_journal_segments", 1.0),
    ] {
        assert_eq!(seen[series], value, "{series}");
    }
    for series in [
        "casewire_journal_batch_writes_count",
        "casewire_journal_sync_duration_seconds_count",
        "casewire_journal_sync_duration_seconds_sum",
        "casewire_journal_bytes",
        "casewire_journal_written_bytes_total",
    ] {
        assert!(seen[series] > 0.0, "{series}");
    }
    host.stop().await;
}

#[actix_web::test]
async fn a_deleted_endpoint_leaves_nothing_that_waits() {
    let host = Host::start().await;
    let paused = r#"{"url":"https://a.example","events":["a.b"],"status":"paused"}"#;
    let endpoint = host.endpoint(paused).await;
    host.call(Method::POST, "/events", r#"{"type":"a.b","data":1}"#).await;
    until(&host, "casewire_deliveries_waiting{state=\"new\"}", 1.0).await;
    host.call(Method::DELETE, &format!("/endpoints/{endpoint}"), "").await;
    let seen = until(&host, "casewire_deliveries_waiting{state=\"new\"}", 0.0).await;
    assert_eq!(seen["casewire_endpoints{status=\"paused\"}"], 0.0);
    host.stop().await;
}

#[actix_web::test]
async fn a_page_does_not_grow_with_what_the_engine_holds() {
    let host = Host::start().await;
    let series = async || {
        let page = page(&host).await;
        page.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect::<Vec<_>>()
    };
    let before = series().await;
    for n in 0..5 {
        let tenant = host.token(&format!("tenant-{n}"), &[Scope::Admin]).await;
        let endpoint = json!({"url": format!("https://n{n}.example"), "events": ["*"], "status": "paused"});
        host.call_as(&tenant, Method::POST, "/endpoints", &endpoint.to_string()).await;
        let event = json!({"type": format!("a.n{n}"), "data": 1});
        assert_eq!(host.call_as(&tenant, Method::POST, "/events", &event.to_string()).await.status, 202);
    }
    assert_eq!(series().await, before);
    host.stop().await;
}

#[actix_web::test]
async fn the_figures_of_all_tenants_are_for_the_operator() {
    let host = Host::start().await;
    let tenant = host.token("north", &[Scope::Admin]).await;
    let refused = host.call_as(&tenant, Method::GET, "/metrics", "").await.problem(403);
    assert!(refused["detail"].as_str().unwrap().contains("`default`"), "{refused}");
    let scraper = host.token("default", &[Scope::DeliveriesRead]).await;
    assert_eq!(host.call_as(&scraper, Method::GET, "/metrics", "").await.status, 200);
    host.stop().await;
}

#[actix_web::test]
async fn every_name_is_in_the_operators_page_and_none_besides() {
    let host = Host::start().await;
    let page = page(&host).await;
    let operators_page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/README.md")).unwrap();
    let mut told: Vec<_> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    told.sort_unstable();
    let is_name = |text: &&str| text.starts_with("casewire_") || text.starts_with("process_");
    let table = operators_page.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = table.flat_map(|row| row.split(" |").next().unwrap_or_default().split('`'));
    let mut documented: Vec<_> =
        names.map(|text| text.split('{').next().unwrap_or_default()).filter(is_name).collect();
    documented.sort_unstable();
    assert_eq!(documented, told);
    assert!(page.starts_with(&host.engine.metrics()[..100]), "an embedding host reads the same");
    host.stop().await;
}

#[test]
fn the_command_prints_a_table_or_json() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]);
    let (url, env) = (server.url(), [("CASEWIRE_TOKEN", TOKEN)]);
    let table = run(&["metrics", "--server", &url], &env);
    let row = table.stdout.lines().find(|line| line.starts_with("casewire_endpoints ")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["casewire_endpoints", "status=\"active\"", "0"]);
    assert!(!table.stdout.contains("_bucket"), "{}", table.stdout);
    let listed = run(&["--json", "metrics", "--server", &url], &env);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let active = json!({"name": "casewire_endpoints", "labels": {"status": "active"}, "value": 0.0});
    assert!(listed["data"].as_array().unwrap().contains(&active), "{listed}");
    let (endpoint, _) = server.endpoint("https://a.example/", &["a.*"]);
    let stats = run(&["endpoints", "stats", &endpoint, "--server", &url], &env);
    assert!(
        stats.stdout.lines().any(|line| line == format!("endpoint       {endpoint}")),
        "{}",
        stats.stdout
    );
    let stats = run(&["--json", "endpoints", "stats", &endpoint, "--server", &url], &env);
    let stats: Value = serde_json::from_str(&stats.stdout).unwrap();
    assert_eq!(
        (&stats["data"]["backlog"], stats["data"]["hours"].as_array().map(Vec::len)),
        (&json!(0), Some(24))
    );
    server.terminate();
}
