//! What is taken in as a little program, or as a name in a path: schemas, filters, event types. However they are made up,
//! the answer is one of the document's, and it comes soon.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use casewire_data::limits::EVENT_TYPE_BYTES_MAX;
use serde_json::{Value, json};

use crate::support::host::{Answer, Host};

/// Far more than any answer takes, even unoptimised and beside other tests; far less than a schema can be made to take.
const SOON: Duration = Duration::from_secs(5);

async fn soon(host: &Host, method: Method, path: &str, body: &str) -> Answer {
    let begun = Instant::now();
    let answer = host.call(method.clone(), path, body).await;
    let (took, start) = (begun.elapsed(), body.get(..body.len().min(80)).unwrap_or_default());
    assert!(took < SOON, "{method} {path} {start} took {took:?}");
    assert!(answer.status < 500, "{method} {path} {start}: {}", answer.text);
    answer
}

/// Nested so deep, around what stands in the middle.
fn nested(depth: usize, open: &str, middle: &str, close: &str) -> String {
    [&open.repeat(depth), middle, &close.repeat(depth)].concat()
}

/// Schemas, and payloads that take them long.
fn schemas() -> Vec<(String, Value)> {
    let with = |schema: Value, payload: Value| (schema.to_string(), payload);
    let text = |schema: String, payload: Value| (schema, payload);
    let chain: Value = (0..1_000)
        .map(|n| {
            let next = format!("#/$defs/s{}", n + 1);
            (format!("s{n}"), json!({ "anyOf": [{ "$ref": next }, { "$ref": next }] }))
        })
        .chain([("s1000".to_owned(), json!(false))])
        .collect::<serde_json::Map<_, _>>()
        .into();
    let short_chain: Value = (0..40)
        .map(|n| {
            let next = format!("#/$defs/s{}", n + 1);
            (format!("s{n}"), json!({ "anyOf": [{ "$ref": next }, { "$ref": next }] }))
        })
        .chain([("s40".to_owned(), json!(false))])
        .collect::<serde_json::Map<_, _>>()
        .into();
    let circle: Value = (0..100)
        .map(|n| (format!("s{n}"), json!({ "$ref": format!("#/$defs/s{}", (n + 1) % 100) })))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let numbers: Vec<_> = (0..10_000).collect();
    let others: Vec<_> = (20_000..40_000).collect();
    let greedy = "(x|xx|xxx|y?)*z{1,9}".repeat(8);
    let patterns: Vec<_> = (0..1_500).map(|n| json!({ "pattern": format!("{}{n}", "[^a-z]{9}q") })).collect();
    let heavy: Vec<_> = (0..1_500).map(|n| json!({ "pattern": format!("(x?){{60}}y{n}") })).collect();
    let by_pattern: Value = (0..1_500)
        .map(|n| (format!("(x?){{60}}y{n}"), json!(false)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let long_name = "n".repeat(30_000);
    let mistakes: Value =
        (0..4_000).map(|n| (format!("{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let many: Value =
        (0..5_000).map(|n| (format!("{}", n), json!(n))).collect::<serde_json::Map<_, _>>().into();
    vec![
        with(json!({ "$ref": "#" }), json!(1)),
        with(json!({ "$ref": "#/$defs/s0", "$defs": circle }), json!(1)),
        with(json!({ "$ref": "#/$defs/s0", "$defs": chain }), json!(1)),
        with(json!({ "$ref": "#/$defs/s0", "$defs": short_chain }), json!(1)),
        with(json!({ "items": { "$ref": "#" }, "additionalProperties": { "$ref": "#" } }), json!([[[[{}]]]])),
        with(json!({ "allOf": [{ "items": { "$ref": "#" } }, { "items": { "$ref": "#" } }] }),
            serde_json::from_str(&nested(60, "[", "1", "]")).unwrap()),
        with(json!({ "$ref": "#/$defs/%00~2" }), json!(1)),
        with(json!({ "enum": numbers }), json!(0)),
        with(json!({ "items": { "enum": numbers } }), json!(others)),
        with(json!({ "contains": { "enum": numbers } }), json!(others)),
        with(json!({ "items": { "const": numbers } }), json!(vec![json!(numbers); 4])),
        with(json!({ "uniqueItems": true }), json!(vec![json!(numbers); 4])),
        with(json!({ "items": { "uniqueItems": true } }), json!(vec![json!(numbers); 4])),
        with(json!({ "pattern": greedy }), json!("x".repeat(16_000))),
        with(json!({ "pattern": "((a{100}){100}){100}" }), json!("a")),
        with(json!({ "pattern": "(".repeat(30_000) }), json!("a")),
        with(json!({ "pattern": nested(10_000, "(", "a", ")") }), json!("a")),
        with(json!({ "pattern": "a{4294967296}" }), json!("a")),
        with(json!({ "pattern": "(?=a)\\1" }), json!("a")),
        with(json!({ "allOf": patterns }), json!("a".repeat(16_000))),
        with(json!({ "allOf": heavy }), json!("x".repeat(16_000))),
        with(json!({ "items": { "pattern": "(x?){60}y" } }), json!(vec!["x".repeat(10_000); 12])),
        with(json!({ "patternProperties": by_pattern }), json!({ "x".repeat(10_000): 1 })),
        with(json!({ "propertyNames": { "allOf": heavy } }), json!({ "x".repeat(10_000): 1 })),
        with(json!({ "properties": { long_name: mistakes } }), json!(1)),
        with(json!({ "required": (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>() }), many.clone()),
        with(json!({ "items": { "required": (0..5_000).map(|n| n.to_string()).collect::<Vec<_>>() } }), json!(vec![json!({}); 20_000])),
        with(json!({ "dependentRequired": { "0": (0..5_000).map(|n| n.to_string()).collect::<Vec<_>>() } }), many),
        with(json!({ "multipleOf": 1e-300 }), json!(1e300)),
        with(json!({ "multipleOf": 999_999_999_999_999_999_u64 }), json!(1)),
        text(r#"{"minimum":1e-300,"maximum":1e300,"multipleOf":1e-300}"#.to_owned(), json!(1)),
        with(json!({ "minLength": 1e30, "maxItems": 1e-1 }), json!("a")),
        text(nested(60, r#"{"not":"#, "{}", "}"), json!(1)),
        text(nested(126, r#"{"not":"#, "{}", "}"), json!(1)),
        text(nested(126, r#"{"x-":"#, "{}", "}"), json!(1)),
        text(nested(126, "[", "", "]"), json!(1)),
        text(nested(60, r#"{"if":{},"then":"#, "{}", "}"), json!(1)),
        text(r#"{"type":["object","type",null],"properties":[],"required":{},"enum":[],"items":[1],"$schema":7,"pattern":1}"#.to_owned(), json!(1)),
        text(r#"{"title":"\u0000","enum":["\u0000"],"properties":{"\u0000":true}}"#.to_owned(), json!(1)),
        text(r#"{"type":"object","type":"array"}"#.to_owned(), json!(1)),
        text("\"x\"".to_owned(), json!(1)),
    ]
}

#[actix_web::test]
async fn schemas_of_any_kind_are_refused_or_held_against_payloads_soon() {
    let host = Host::start().await;
    for (schema, payload) in schemas() {
        for force in ["", "?force=true"] {
            let body = format!(r#"{{"sample":{payload},"schema":{schema}}}"#);
            soon(&host, Method::PUT, &format!("/event-types/a.b{force}"), &body).await;
        }
        soon(&host, Method::POST, "/events", &json!({ "type": "a.b", "data": payload }).to_string()).await;
        soon(&host, Method::GET, "/event-types/a.b", "").await;
        host.call(Method::DELETE, "/event-types/a.b", "").await;
    }
    host.stop().await;
}

#[actix_web::test]
async fn whatever_stands_for_an_event_type_is_one_or_leads_nowhere() {
    let host = Host::start().await;
    let id = host.endpoint(r#"{"url":"http://127.0.0.1:9/","events":["*"]}"#).await;
    let long = ["a".repeat(EVENT_TYPE_BYTES_MAX), "a".repeat(EVENT_TYPE_BYTES_MAX + 1), "a.".repeat(5_000)];
    let odd = [
        "a%2Fb",
        "%2F",
        "..",
        ".",
        "a..b",
        ".a",
        "a.",
        "*",
        "a.*",
        "%00",
        "%FF",
        "%F0%9F%98%80",
        "a%20b",
        "a%0D%0Ab",
        "a%2E%2Eb",
        "a;b",
        "a%3Fb",
        "a%23b",
        "%25",
        "%",
        "%zz",
        "a+b",
        "a%2Bb",
        "a:b",
        "_",
        "-",
        "0",
        "casewire.x",
        "casewire",
    ];
    for name in odd.into_iter().chain(long.iter().map(String::as_str)) {
        for method in ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"] {
            let body = if method == "PUT" { "{}" } else { "" };
            soon(&host, method.parse().unwrap(), &format!("/event-types/{name}"), body).await;
        }
        let body = json!({ "type": name }).to_string();
        soon(&host, Method::POST, &format!("/endpoints/{id}/test"), &body).await;
    }
    for odd in ["null", "1", "[]", "{}", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "true", "1e999"] {
        let body = format!(r#"{{"type":{odd}}}"#);
        soon(&host, Method::POST, &format!("/endpoints/{id}/test"), &body).await;
    }
    for query in ["?force=", "?force=1", "?force=true&force=true", "?force=%FF", "?Force=true", "?type=a"] {
        soon(&host, Method::PUT, &format!("/event-types/a.b{query}"), "{}").await;
    }
    host.stop().await;
}

fn filters() -> Vec<String> {
    let paths = |count: usize, value: &str| -> String {
        let all: Vec<_> = (0..count).map(|n| format!(r#""data.p{n}":{value}"#)).collect();
        format!("{{{}}}", all.join(","))
    };
    let values: Vec<_> = (0..513).map(|n| n.to_string()).collect();
    let path = |path: &str| json!({ path: 1 }).to_string();
    let mut filters = vec![
        paths(32, "1"),
        paths(33, "1"),
        paths(1_000, "{}"),
        format!(r#"{{"data.a":[{}]}}"#, values.join(",")),
        format!(r#"{{"data.a":{{"in":[{}],"not_in":[{0}]}}}}"#, values[1..].join(",")),
        nested(120, r#"{"data.a":"#, "1", "}"),
        format!(r#"{{"data.a":{}}}"#, nested(120, "[", "1", "]")),
        format!(r#"{{"data.a":"{}"}}"#, "x".repeat(17_000)),
        path(&format!("data{}", ".a".repeat(31))),
        path(&format!("data{}", ".a".repeat(32))),
        path(&format!("/data{}", "/a".repeat(8_000))),
        path(&"x".repeat(15_000)),
        r#"{"data.a":1,"data.a":2}"#.to_owned(),
        r#"{"data.\ud800":1}"#.to_owned(),
        r#"{"data.a":{"\ud800":1}}"#.to_owned(),
        r#"{"data.a":1e300,"data.b":{"gt":-1e-300}}"#.to_owned(),
        format!(r#"{{"data.a":{{"lt":{}}}}}"#, "9".repeat(300)),
        format!(r#"{{"data.a":{{"contains":"{}"}}}}"#, "ab".repeat(7_000)),
    ];
    let odd = [
        "",
        ".",
        "..",
        "/",
        "//",
        "/data/~",
        "/data/~2",
        "/data/~01",
        "data",
        "data.",
        "tags",
        "tags.",
        "TYPE",
    ];
    filters.extend(odd.map(path));
    let values = [
        "null",
        "[]",
        "{}",
        r#"{"gt":null}"#,
        r#"{"exists":1}"#,
        r#"{"regex":"(a+)+"}"#,
        r#"{"eq":{}}"#,
        "[[1]]",
    ];
    filters.extend(values.map(|value| format!(r#"{{"data.a":{value}}}"#)));
    filters.extend(["[]", "null", "1", "\"x\"", "true", "{}"].map(str::to_owned));
    filters
}

#[actix_web::test]
async fn a_resource_to_erase_is_named_as_one_or_refused() {
    let host = Host::start().await;
    let long = format!("?resource=a/{}", "b".repeat(5_000));
    for query in
        ["", "?resource=", "?resource=/", "?resource=people", "?resource=a/b&resource=a/c", "?more=1"]
    {
        soon(&host, Method::DELETE, &format!("/events{query}"), "").await.problem(422);
    }
    for query in ["?resource=a/%FF", "?resource=a/b/c", "?resource=%00/%00", "?resource=../..", &long] {
        soon(&host, Method::DELETE, &format!("/events{query}"), "").await;
    }
    host.stop().await;
}

#[actix_web::test]
async fn filters_of_any_kind_are_refused_or_looked_through_soon() {
    let host = Host::start().await;
    let id = host.endpoint(r#"{"url":"http://127.0.0.1:9/","events":["*"],"status":"paused"}"#).await;
    let large =
        json!({ "type": "a.b", "data": { "a": "ab".repeat(50_000), "p1": vec![1; 1_000] } }).to_string();
    for _ in 0..20 {
        host.call(Method::POST, "/events", &large).await;
    }
    for filter in filters() {
        let fields = format!(r#""events":["*"],"filter":{filter}"#);
        soon(&host, Method::POST, "/endpoints/preview", &format!(r#"{{{fields},"last":1000}}"#)).await;
        let made =
            soon(&host, Method::POST, "/endpoints", &format!(r#"{{"url":"http://127.0.0.1:9/",{fields}}}"#))
                .await;
        let path = format!("/endpoints/{id}");
        let changed = soon(&host, Method::PATCH, &path, &format!(r#"{{"filter":{filter}}}"#)).await;
        assert_eq!(made.status == 201, changed.status == 200, "{filter}");
        soon(&host, Method::GET, &path, "").await;
        soon(&host, Method::POST, "/events", &large).await;
    }
    for last in
        ["0", "1001", "-1", "1.5", "4294967296", "99999999999999999999", "1e999", "null", "\"9\"", "[]"]
    {
        let body = format!(r#"{{"events":["*"],"last":{last}}}"#);
        soon(&host, Method::POST, "/endpoints/preview", &body).await.problem(422);
    }
    host.stop().await;
}
