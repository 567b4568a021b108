//! One event can be followed in the log, from publish to its last attempt, by its id.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Receiver, Server};

/// The lines of a log in JSON that are about an event, in order.
fn lines_of(log: &str, event: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines.filter(|line| line["fields"]["event"] == event).collect()
}

#[test]
fn every_line_of_an_event_has_its_id_endpoint_and_attempt() {
    let dir = TempDir::new().unwrap();
    let receiver = Receiver::start(|attempt| if attempt.path == "/bad" { 404 } else { 200 });
    let settings = [
        ("CASEWIRE_LOG", "casewire=debug"),
        ("CASEWIRE_LOG_FORMAT", "json"),
        ("CASEWIRE_RETRY_SCHEDULE_SECONDS", "0"),
    ];
    let server = Server::start(dir.path(), &settings);
    let (good, _) = server.endpoint(&receiver.url("/good"), &["a.good"]);
    let (bad, _) = server.endpoint(&receiver.url("/bad"), &["a.bad"]);
    let publish = |event_type: &str| {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let body = json!({"type": event_type, "data": 1, "tags": {"traceparent": parent}}).to_string();
        let receipt = server.connect().request("POST", "/events", &body).unwrap().data(202);
        receipt["id"].as_str().unwrap().to_owned()
    };
    let (delivered, dead) = (publish("a.good"), publish("a.bad"));
    let settled = |event: &str, endpoint: &str, status: &str| {
        let path = format!("/deliveries/{event}.{endpoint}");
        let mut connection = server.connect();
        let deadline = std::time::Instant::now() + crate::binary::PATIENCE;
        while connection.request("GET", &path, "").unwrap().data(200)["status"] != status {
            assert!(std::time::Instant::now() < deadline, "{event} never became {status}");
        }
    };
    settled(&delivered, &good, "delivered");
    settled(&dead, &bad, "dead");
    let log = server.terminate().stderr;

    let told = |event: &str| -> Vec<_> {
        let field = |line: &Value, name: &str| line["fields"][name].clone();
        let told = |line: &Value| (field(line, "message"), field(line, "endpoint"), field(line, "number"));
        lines_of(&log, event).iter().map(told).collect()
    };
    let line = |message: &str, endpoint: &str, number: u64| (json!(message), json!(endpoint), json!(number));
    let published = (json!("published"), Value::Null, Value::Null);
    assert_eq!(
        told(&delivered),
        [published.clone(), line("an attempt begins", &good, 1), line("delivered", &good, 1),]
    );
    assert_eq!(
        told(&dead),
        [
            published,
            line("an attempt begins", &bad, 1),
            line("failed; will be retried", &bad, 1),
            line("an attempt begins", &bad, 2),
            line("given up: a dead letter", &bad, 2),
        ]
    );
    let lines = lines_of(&log, &delivered);
    assert_eq!(lines[0]["fields"]["deliveries"], 1);
    assert!(lines[0]["fields"]["traceparent"].as_str().unwrap().contains("4bf92f35"), "{}", lines[0]);
    assert_eq!(lines[2]["fields"]["outcome"], "200");
    for line in lines {
        let span = &line["span"];
        assert_eq!((&span["name"], &span["event"]), (&json!("event"), &json!(delivered)), "{line}");
        assert_eq!((&span["tenant"], &span["event_type"]), (&json!("default"), &json!("a.good")), "{line}");
    }
}

#[test]
fn all_that_serve_writes_as_json_is_json_and_the_page_on_it_says_so() {
    let dir = TempDir::new().unwrap();
    let stderr = dir.path().join("stderr");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_casewire"));
    serve.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path().join("data"));
    let serve = serve.env("CASEWIRE_LOG", "casewire=debug").stdout(Stdio::piped());
    let mut serve = serve.stderr(File::create(&stderr).unwrap()).spawn().unwrap();
    let mut announced = BufReader::new(serve.stdout.take().unwrap()).lines().map(Result::unwrap);
    let listening = |line: &String| serde_json::from_str::<Value>(line).expect(line)["listening"].is_string();
    assert!(announced.any(|line| listening(&line)));
    serve.kill().unwrap();
    serve.wait().unwrap();
    for line in announced.chain(fs::read_to_string(stderr).unwrap().lines().map(str::to_owned)) {
        serde_json::from_str::<Value>(&line).expect(&line);
    }

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/README.md");
    let page = fs::read_to_string(page).unwrap();
    let followed = page.lines().find(|line| line.contains("| jq -c 'select(.fields.event")).unwrap();
    assert!(
        followed.contains("casewire serve --json 2>&1 |"),
        "jq ends at the first line that is none: {followed}"
    );
}
