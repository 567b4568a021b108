//! Whatever comes in, the answer names what is wrong, and is never a 500.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use actix_web::{http::Method, web};
use casewire_data::limits::ADMIN_BODY_BYTES_MAX;
use serde_json::json;

use crate::support::{
    contract::{CONTRACT, Ids},
    host::{Host, PREFIX, fields},
};

#[actix_web::test]
async fn wrong_fields_are_named_all_at_once() {
    let host = Host::start().await;
    let id = host.endpoint(r#"{"url":"https://a.example","events":["cases.*"]}"#).await;
    let endpoint = format!("/endpoints/{id}");
    let table: &[(Method, &str, &str, &[&str])] = &[
        (Method::POST, "/endpoints", "{}", &["url", "events"]),
        (Method::POST, "/endpoints", "[]", &["body"]),
        (Method::POST, "/endpoints", "null", &["body"]),
        (
            Method::POST,
            "/endpoints",
            r#"{"url":1,"events":"cases.*","status":"on"}"#,
            &["url", "events", "status"],
        ),
        (
            Method::POST,
            "/endpoints",
            r#"{"url":null,"events":["cases.*",7,null]}"#,
            &["url", "events[1]", "events[2]"],
        ),
        (Method::POST, "/endpoints", r#"{"url":"https://a.example","events":["a"],"colour":1}"#, &["colour"]),
        (Method::POST, "/endpoints", r#"{"url":"https://a.example","url":"x","events":["a"]}"#, &["url"]),
        (
            Method::POST,
            "/endpoints",
            r#"{"url":"https://a.example","events":["a"],"secret":null}"#,
            &["secret"],
        ),
        (Method::POST, "/endpoints", r#"{"url":"\ud800","events":["a"]}"#, &["url"]),
        (Method::POST, "/endpoints", r#"{"url":"https://a.example","events":["["]}"#, &["events[0]"]),
        (Method::POST, "/endpoints", r#"{"url":"nowhere","events":["a"]}"#, &["url"]),
        (
            Method::PATCH,
            &endpoint,
            r#"{"url":null,"events":null,"status":null}"#,
            &["url", "events", "status"],
        ),
        (Method::PATCH, &endpoint, r#"{"headers":{"x-a":1,"x-b":"2"}}"#, &["headers.x-a"]),
        (
            Method::PATCH,
            &endpoint,
            r#"{"max_in_flight":-1,"timeout_seconds":1.5}"#,
            &["max_in_flight", "timeout_seconds"],
        ),
        (
            Method::PATCH,
            &endpoint,
            r#"{"retry":{"schedule_seconds":[1,"2"],"x":1}}"#,
            &["retry.schedule_seconds[1]", "retry.x"],
        ),
        (
            Method::PATCH,
            &endpoint,
            r#"{"sources":["ui","UI","robot"],"agencies":"north","params":{"a":1},"sandbox":"yes","ordering":"by case"}"#,
            &["params.a", "agencies", "sources[1]", "sources[2]", "sandbox", "ordering"],
        ),
        (
            Method::PATCH,
            &endpoint,
            r#"{"agencies":["north",""],"params":{"tenant_id":"a","B":""},"sandbox":true}"#,
            &["params.B", "sandbox", "agencies[1]"],
        ),
        (Method::PATCH, &endpoint, r#"{"params":{"tenant_id":"a"}}"#, &["params.tenant_id"]),
        (Method::POST, "/endpoints", r#"{"url":"https://a.example","events":[]}"#, &["events"]),
        (Method::POST, "/endpoints", r#"{"url":"https://a.example","events":null}"#, &["events"]),
        (Method::PATCH, &endpoint, r#"{"id":"wh_1"}"#, &["id"]),
        (Method::PATCH, &endpoint, r#"{"dialect":"xpath@1"}"#, &["dialect"]),
        (Method::POST, "/events", "{}", &["type", "data"]),
        (
            Method::POST,
            "/events",
            r#"{"type":"a b","data":1,"occurred_at":"today"}"#,
            &["type", "occurred_at"],
        ),
        (
            Method::POST,
            "/events",
            r#"{"type":"a","data":1,"actor":{"kind":"ui","id":1.5,"x":0}}"#,
            &["actor.id", "actor.x"],
        ),
        (Method::POST, "/events", r#"{"type":"a","data":1,"resource":{"type":"case"}}"#, &["resource.id"]),
        (Method::POST, "/events", r#"{"type":"a","data":1,"tags":{"a":"1","a":"2"}}"#, &["tags.a"]),
        (
            Method::POST,
            "/events",
            r#"{"type":"a","data":1,"agency":"","idempotency_key":""}"#,
            &["idempotency_key", "agency"],
        ),
        (Method::POST, "/events/batch", "{}", &["events"]),
        (Method::POST, "/events/batch", r#"[{"type":"a","data":1},2]"#, &["[1]"]),
        (Method::GET, "/endpoints?limit=0&cursor=!", "", &["limit", "cursor"]),
        (Method::GET, "/endpoints?limit=201", "", &["limit"]),
        (Method::GET, "/events?type=cases.*&limit=0&pageSize=1", "", &["type", "limit", "pageSize"]),
        (Method::GET, "/events?resource=people&since=today&until=", "", &["resource", "since", "until"]),
        (Method::GET, "/events?status=dead&endpoint=wh_1", "", &["status", "endpoint"]),
        (Method::GET, "/events?type=a&type=b&cursor=d2hfMDFK", "", &["cursor", "type"]),
        (Method::GET, "/deliveries?endpoint=wh_1&event=7&status=done", "", &["endpoint", "event", "status"]),
        (Method::GET, "/deliveries?type=&since=2026-04-29T11:10:00+02:00", "", &["type", "since"]),
        (Method::GET, "/deliveries?resource=people/1&limit=201", "", &["limit", "resource"]),
    ];
    for (method, path, body, expected) in table {
        let problem = host.call(method.clone(), path, body).await.problem(422);
        assert_eq!(fields(&problem), *expected, "{method} {path} {body}: {problem}");
    }
    host.stop().await;
}

#[actix_web::test]
async fn what_is_not_json_is_refused_with_its_place() {
    let host = Host::start().await;
    let bomb = "[".repeat(10_000);
    let closed_bomb = format!(r#"{{"type":"a","data":{bomb}{}}}"#, "]".repeat(10_000));
    for body in
        ["{", "{\"url\":}", "{} {}", "nul", "'a'", "{\"a\":1,}", "\u{feff}{}", "[NaN]", &bomb, &closed_bomb]
    {
        for path in ["/endpoints", "/events", "/events/batch", "/tokens"] {
            let detail = host.call(Method::POST, path, body).await.problem(400)["detail"].to_string();
            assert!(detail.contains("line 1 column "), "{path}: {detail}");
        }
    }
    let problem = host.call(Method::POST, "/events", "{\n  \"type\": oops\n}").await.problem(400);
    assert!(problem["detail"].as_str().unwrap().contains("line 2 column 11"), "{problem}");
    host.stop().await;
}

#[actix_web::test]
async fn a_body_must_be_text_of_the_right_type_within_the_limit() {
    let host = Host::start().await;
    let credentials = format!("Bearer {}", host.admin);
    let post = async |extra: &[(&str, &str)], body: &[u8]| {
        let headers = [&[("Authorization", credentials.as_str())], extra].concat();
        host.send(Method::POST, "/events", &headers, body.to_vec()).await
    };
    let good = br#"{"type":"a","data":1}"#;
    let json = ("Content-Type", "application/json");
    assert_eq!(post(&[("Content-Type", "application/json; charset=utf-8")], good).await.status, 202);

    for headers in [
        &[][..],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[("Content-Type", "application/json; charset=utf-16")],
        &[json, ("Content-Encoding", "gzip")],
    ] {
        post(headers, good).await.problem(415);
    }
    post(&[json], b"{\"type\":\"a\xff\",\"data\":1}").await.problem(400);
    post(&[json], b"").await.problem(400);
    post(&[json], &vec![b' '; ADMIN_BODY_BYTES_MAX + 1]).await.problem(413);
    let most = [&vec![b' '; ADMIN_BODY_BYTES_MAX - good.len()], &good[..]].concat();
    assert_eq!(post(&[json], &most).await.status, 202);
    host.stop().await;
}

#[actix_web::test]
async fn what_is_no_id_is_as_unknown_as_an_id_that_never_was() {
    let host = Host::start().await;
    for id in [
        "x",
        "wh_",
        "wh_01j1c6zgq6fqth2x6m2vs3p0xw",
        "evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW",
        "%FF",
        "%2e%2e",
        "a.b",
    ] {
        for path in ["/endpoints/{}", "/events/{}", "/events/{}/deliveries", "/deliveries/{}"] {
            host.call(Method::GET, &path.replace("{}", id), "").await.problem(404);
        }
        host.call(Method::PATCH, &format!("/endpoints/{id}"), "{}").await.problem(404);
        host.call(Method::POST, &format!("/deliveries/{id}/retry"), "").await.problem(404);
    }
    host.stop().await;
}

#[actix_web::test]
async fn a_body_without_end_is_answered_and_cut_off() {
    let host = Host::start().await;
    for (token, status) in [(host.admin.clone(), "413"), ("wrong".to_owned(), "401")] {
        let mut stream = TcpStream::connect(host.address()).unwrap();
        let head = web::block(move || {
            write!(
                stream,
                "POST {PREFIX}/events HTTP/1.1\r\nHost: host\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            .unwrap();
            let mut reader = stream.try_clone().unwrap();
            // Read while the body is still being sent: a reset at its end may overtake the answer.
            let head = std::thread::spawn(move || {
                let mut head = [0; "HTTP/1.1 413".len()];
                reader.read_exact(&mut head).map(|()| String::from_utf8_lossy(&head).into_owned())
            });
            let chunk = format!("{:x}\r\n{}\r\n", 64 * 1024, " ".repeat(64 * 1024));
            let begun = Instant::now();
            while stream.write_all(chunk.as_bytes()).is_ok() {
                assert!(begun.elapsed() < Duration::from_secs(20), "it goes on reading");
            }
            head.join().unwrap().unwrap()
        })
        .await
        .unwrap();
        assert_eq!(head, format!("HTTP/1.1 {status}"));
    }
    host.stop().await;
}

#[actix_web::test]
async fn a_body_that_may_be_left_out_may_be_announced() {
    let host = Host::start().await;
    let ids = Ids::of(&host).await;
    let credentials = format!("Bearer {}", host.admin);
    let headers = [("Authorization", credentials.as_str()), ("Content-Type", "application/json")];
    let may = CONTRACT.operations.iter().filter(|it| it.told["requestBody"]["required"] == false);
    let may: Vec<_> = may.collect();
    assert_eq!(may.len(), 3, "a test, a rotation, a backup");
    for operation in may {
        let path = operation.filled(|parameter| ids.fill(parameter));
        let answer = host.send(operation.method.clone(), &path, &headers, Vec::new()).await;
        assert!(answer.status < 300, "{path}: {}", answer.text);
        host.send(operation.method.clone(), &path, &headers, b" ".to_vec()).await.problem(400);
    }
    host.stop().await;
}

#[actix_web::test]
async fn a_whole_number_may_be_written_with_a_point_or_an_exponent() {
    let host = Host::start().await;
    let body = r#"{"url":"https://a.example","events":["a"],"max_in_flight":4.0,"timeout_seconds":1.2e1,"retry":{"schedule_seconds":[1E1]}}"#;
    let made = host.call(Method::POST, "/endpoints", body).await.data();
    assert_eq!((&made["max_in_flight"], &made["timeout_seconds"]), (&json!(4), &json!(12)));
    assert_eq!(made["retry"]["schedule_seconds"], json!([10]));
    let path = format!("/endpoints/{}", made["id"].as_str().unwrap());
    for (value, field) in [("4.5", "max_in_flight"), ("1e300", "max_in_flight"), ("-1.0", "timeout_seconds")]
    {
        let refused =
            host.call(Method::PATCH, &path, &format!(r#"{{"{field}":{value}}}"#)).await.problem(422);
        assert_eq!(fields(&refused), [field], "{value}");
    }
    host.stop().await;
}

#[actix_web::test]
async fn types_of_the_engines_own_are_not_for_the_catalogue() {
    let host = Host::start().await;
    for name in ["casewire", "casewire.x", "casewire.delivery.dead"] {
        let refused = host.call(Method::PUT, &format!("/event-types/{name}"), r#"{"schema":false}"#).await;
        assert_eq!(fields(&refused.problem(422)), ["type"], "{name}");
    }
    host.call(Method::PUT, "/event-types/casewired.x", "{}").await.data();
    host.stop().await;
}
