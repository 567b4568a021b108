//! A dialect of an operator's own: read from a folder at the start, without recompiling; and what happens when it is
//! wrong, or gone.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use casewire::{
    DeliveryStatus, Dialects, EndpointDraft, EndpointPatch, EndpointStatus, NewEvent, read_dialects,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    binary::{self, Server, run},
    support::{Embedded, Receiver, to, wait_until},
};

const OWN: &str = r#"
id = "own@1"
summary = "An operator's own"
vocabulary = { kind = "open" }
headers = { Content-Type = "application/vnd.own+json", X-Own-Id = "$id", X-Own-Court = "$params.court" }
params.court.summary = "the number of the court"
body.template = '{ "what": $type, "court": $params.court, "of": $resource.id, "record": $data }'
secret = { origin = "customer", form = "text" }
signature = { header = "X-Own-Signature", content = "$body", encoding = "hex", scheme = { secret = "text", algorithm = "hmac-sha256" } }
"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    files.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
    dir
}

fn path(dir: &TempDir) -> &str {
    dir.path().to_str().unwrap()
}

#[test]
fn an_own_dialect_is_served_without_recompiling_and_sends_what_render_shows() {
    let (data, own) = (TempDir::new().unwrap(), folder(&[("own@1.toml", OWN)]));
    let receiver = binary::Receiver::start(|_| 200);
    let server =
        Server::start(data.path(), &[("CASEWIRE_DIALECTS", path(&own)), ("CASEWIRE_DIALECT", "own@1")]);
    let url = receiver.url("/in?a=b");
    let endpoint = json!({
        "url": url, "events": ["case.*"], "dialect": "own@1", "params": { "court": "07" }, "secret": "between-us",
    });
    server.connect().request("POST", "/endpoints", &endpoint.to_string()).unwrap().data(201);
    let event =
        r#"{"type":"case.opened","data":{ "n": 1.0, "é": "\/" },"resource":{"type":"case","id":"C-1"}}"#;
    let id = server.connect().request("POST", "/events", event).unwrap().id(202);

    let attempts = receiver.wait("the delivery", |attempts| !attempts.is_empty());
    let body = r#"{"what":"case.opened","court":"07","of":"C-1","record":{ "n": 1.0, "é": "\/" }}"#;
    assert_eq!(String::from_utf8_lossy(&attempts[0].body), body);
    assert_eq!(attempts[0].path, "/in?a=b");

    let file = own.path().join("event.json");
    fs::write(&file, event).unwrap();
    let of = ["--dialect", "own@1", "--dialects", path(&own), "--event", file.to_str().unwrap()];
    let how = ["--url", &url, "--secret", "between-us", "--param", "court=07", "--id", &id, "--json"];
    let rendered = run(&[&["dialect", "render"], &of[..], &how].concat(), &[]);
    let rendered: Value = serde_json::from_str(&rendered.stdout).unwrap_or_else(|_| panic!("{rendered:?}"));
    assert_eq!(rendered["body"], body);
    let headers = rendered["headers"].as_array().unwrap().iter();
    let headers = headers.map(|header| {
        (header[0].as_str().unwrap().to_ascii_lowercase(), header[1].as_str().unwrap().to_owned())
    });
    assert_eq!(headers.collect::<std::collections::BTreeMap<_, _>>(), attempts[0].headers);
    let names: Vec<_> =
        rendered["headers"].as_array().unwrap().iter().map(|it| it[0].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "Host",
            "Content-Type",
            "X-Own-Id",
            "X-Own-Court",
            "X-Own-Signature",
            "User-Agent",
            "Content-Length"
        ]
    );
}

#[test]
fn a_server_with_a_broken_folder_ends_at_once_and_says_where_and_what_to_do() {
    let data = TempDir::new().unwrap();
    let refused = |folder: &Path, dialect: &str| {
        let begun = Instant::now();
        let env = [("CASEWIRE_DIALECTS", folder.to_str().unwrap()), ("CASEWIRE_DIALECT", dialect)];
        let ended = Server::try_start(data.path(), &env).err().expect("it does not start");
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        ended.stderr
    };
    let broken = OWN.replace("\"open\"", "\"ajar\"").replace("$resource.id", "$resource.di");
    let broken = folder(&[("own@1.toml", &broken)]);
    let said = refused(broken.path(), "xpath@1");
    for wrong in [
        "own@1.toml line 4, vocabulary.kind: ",
        "`open` or `closed`",
        "line 7, body.template: ",
        "$resource.id",
    ] {
        assert!(said.contains(wrong), "{wrong}: {said}");
    }
    assert!(refused(&broken.path().join("no"), "xpath@1").contains("cannot read the folder of dialects"));
    let good = folder(&[("own@1.toml", OWN)]);
    let said = refused(good.path(), "own@2");
    assert!(said.contains("there is no dialect `own@2`") && said.contains("own@1"), "{said}");
    assert_eq!(data.path().read_dir().unwrap().count(), 0, "nothing was begun");
}

#[test]
fn the_commands_tell_of_own_and_shipped_dialects() {
    let own = folder(&[("own@1.toml", OWN), ("mine.toml", "id = 1")]);
    let good = own.path().join("own@1.toml");
    let wrong = own.path().join("mine.toml");
    let checked = run(&["dialect", "check", good.to_str().unwrap(), wrong.to_str().unwrap()], &[]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("own@1.toml: good, own@1\n"), "{checked:?}");
    assert!(
        checked.stdout.contains("mine.toml line 1, id: is not a text; put it in quotes\n"),
        "{checked:?}"
    );
    fs::write(&wrong, OWN).unwrap();
    let twice = run(&["dialect", "check", good.to_str().unwrap(), wrong.to_str().unwrap()], &[]);
    assert!(twice.code == Some(1) && twice.stdout.contains("mine.toml: is own@1, as is "), "{twice:?}");
    let renamed = run(&["dialect", "check", wrong.to_str().unwrap()], &[]);
    assert!(renamed.code == Some(0) && renamed.stdout.contains("call it own@1.toml"), "{renamed:?}");
    fs::remove_file(wrong).unwrap();
    let pipe = run(&["dialect", "check", "/dev/zero"], &[]);
    assert!(pipe.code == Some(1) && pipe.stdout.contains("is no regular file"), "{pipe:?}");

    let listed = run(&["dialect", "list", "--json"], &[("CASEWIRE_DIALECTS", path(&own))]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let ids: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), Dialects::builtin().ids().count() + 1);
    assert!(ids.contains(&"own@1") && ids.contains(&"xpath@1"));

    for dialect in Dialects::builtin().all() {
        let id = dialect.id();
        let shown = run(&["dialect", "show", id], &[]);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        assert!(dialect.assumptions().iter().all(|it| shown.stdout.contains(&it.text)), "{}", shown.stdout);
        assert!(dialect.header_names().all(|name| shown.stdout.contains(name)), "{}", shown.stdout);
        assert_eq!(run(&["dialect", "show", id, "--file"], &[]).stdout.trim_end(), dialect.text().trim_end());
        let json = run(&["dialect", "show", id, "--json"], &[]);
        assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap()["id"], id);
    }
    let heard = run(&["listen", "--dialect", "own@2", "--dialects", path(&own)], &[]);
    assert!(heard.code == Some(2) && heard.stderr.contains("own@1"), "{heard:?}");
    let unknown = run(&["dialect", "show", "morse@1"], &[]);
    assert!(unknown.code == Some(2) && unknown.stderr.contains("choose from casebook@1"), "{unknown:?}");
}

#[test]
fn an_event_that_a_dialect_cannot_express_is_told_field_by_field() {
    let event = folder(&[("e.json", r#"{"type":"claim.assigned","data":[],"actor":{"kind":"robot"}}"#)]);
    let file = event.path().join("e.json");
    let render = ["dialect", "render", "--dialect", "claimable@1", "--event", file.to_str().unwrap()];
    let told = run(&render, &[]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{told:?}");
    for field in ["\n  actor.kind must be", "\n  actor.name must be", "\n  data must be an object"] {
        assert!(told.stderr.contains(field), "{field}: {}", told.stderr);
    }
    let sample = |of: &[&str]| run(&[&["dialect", "render", "--dialect"], of].concat(), &[]);
    assert_eq!(sample(&["xpath@1", "--sample", "cases.created"]).code, Some(0));
    assert_eq!(sample(&["xpath@1", "--sample", "claim.assigned"]).code, Some(1), "not of its vocabulary");
    let without = |id: &str, event_type: &str| sample(&[id, "--sample", event_type, "--without-secret"]);
    assert!(!without("hivelight@1", "task.created").stdout.contains("X-Secret"));
    assert_eq!(without("xpath@1", "cases.created").code, Some(2), "its endpoints always have one");
    let unsigned = without("github@1", "issues.opened");
    assert!(unsigned.code == Some(0) && !unsigned.stdout.contains("X-Hub"), "{unsigned:?}");
    let nothing = sample(&["xpath@1"]);
    assert!(
        nothing.code == Some(2) && nothing.stderr.contains("--event <FILE>|--sample <TYPE>"),
        "{nothing:?}"
    );
    let no_url = sample(&["xpath@1", "--sample", "cases.created", "--url", "ftp://court.example/"]);
    assert!(no_url.code == Some(2) && no_url.stderr.contains("https://"), "{no_url:?}");
    fs::write(&file, r#"{"type":"claim.assigned","data":[],"actor":{"kind":7}}"#).unwrap();
    let unread = run(&render, &[]);
    assert!(
        unread.code == Some(1) && unread.stderr.contains("actor: is not an object with `kind`"),
        "{unread:?}"
    );
    let unknown = sample(&["xpath@1", "--sample", "cases.reopened"]);
    assert!(unknown.code == Some(2) && unknown.stderr.contains("choose from "), "{unknown:?}");
}

#[tokio::test]
async fn an_endpoint_whose_dialect_is_gone_holds_its_events_and_sends_them_when_it_is_back() {
    let receiver = Receiver::willing();
    let own = std::sync::Arc::new(folder(&[("own@1.toml", OWN)]));
    let at_start = own.clone();
    let mut home = Embedded::with(move |builder| builder.dialects(read_dialects(at_start.path()).unwrap()));
    let draft = EndpointDraft {
        dialect: Some("own@1".to_owned()),
        params: [("court".to_owned(), "07".to_owned())].into(),
        secret: Some("between-us".to_owned()),
        ..to(receiver.url(), &["*"])
    };
    let endpoint = home.subscribe(draft).await;
    let before = home.tenant().endpoint(endpoint).await.unwrap().endpoint;

    fs::remove_file(own.path().join("own@1.toml")).unwrap();
    home = home.restart().await;
    let gone = home.tenant().endpoint(endpoint).await.unwrap().endpoint;
    assert_eq!(gone.status, EndpointStatus::Paused);
    let reason = gone.status_reason.as_ref().unwrap();
    assert!(reason.contains("own@1.toml") && reason.contains("--dialects"), "{reason}");
    let event = NewEvent::new("case.opened", r#"{"n":1}"#).unwrap();
    let held = home.tenant().publish(event).await.unwrap();
    assert_eq!(held.deliveries, 1);
    home.until(held.id, endpoint, DeliveryStatus::Held).await;

    let activate = EndpointPatch { status: Some(EndpointStatus::Active), ..EndpointPatch::default() };
    let refused = home.tenant().update_endpoint(endpoint, activate).await.unwrap_err();
    assert_eq!(refused.field_errors()[0].field, "status");
    let rename = EndpointPatch { name: Some(Some("Harbor".to_owned())), ..EndpointPatch::default() };
    home.tenant().update_endpoint(endpoint, rename).await.unwrap();
    home = home.restart().await;
    wait_until(async || home.tenant().endpoint(endpoint).await.unwrap().held, |held| *held == 1).await;
    assert_eq!(receiver.count(), 0);

    fs::write(own.path().join("own@1.toml"), OWN).unwrap();
    home = home.restart().await;
    home.until(held.id, endpoint, DeliveryStatus::Delivered).await;
    let back = home.tenant().endpoint(endpoint).await.unwrap().endpoint;
    assert_eq!((back.status, back.status_reason.as_deref()), (EndpointStatus::Active, None));
    assert_eq!((back.name.as_deref(), &back.secrets), (Some("Harbor"), &before.secrets));
}
