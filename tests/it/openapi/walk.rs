//! A walk over every operation as owner, stranger and nobody, with ids and bodies that are right, wrong and hostile. The
//! host holds every answer against the document; here it only has to keep its countenance.

use actix_web::http::Method;
use casewire_data::{limits::ADMIN_BODY_BYTES_MAX, token::Scope};

use crate::support::{
    contract::{CONTRACT, Ids, Operation},
    host::{Answer, Host},
};

const HOSTILE_IDS: [&str; 8] =
    ["x", "wh_", "evt_.wh_", "%FF", "%00", "..%2f..%2ftokens", "%F0%9F%98%80", "*"];

const HOSTILE_QUERIES: [&str; 12] = [
    "?",
    "?=",
    "?&&&",
    "?%",
    "?%FF=%FF",
    "?limit=1&limit=2",
    "?limit=99999999999999999999",
    "?cursor=AAAA",
    "?cursor=%00",
    "?type[]=x&type=%F0%9F%98%80",
    "?tenant=../default&tenant=x",
    "?a=1;drop%20table",
];

/// Every operation, those last that take things away.
fn operations() -> Vec<&'static Operation> {
    let mut operations: Vec<_> = CONTRACT.operations.iter().collect();
    operations.sort_by_key(|operation| operation.method == Method::DELETE);
    operations
}

fn keeps_its_countenance(operation: &Operation, answer: &Answer) {
    assert!(answer.status < 500, "{}: {} {}", operation.id(), answer.status, answer.text);
}

fn hostile_bodies() -> Vec<Vec<u8>> {
    let nested = |open: &str, close: &str| [open.repeat(10_000), close.repeat(10_000)].concat();
    let texts = [
        "{",
        "[]",
        "[[]]",
        "null",
        "1",
        "-0",
        "1e999",
        "\"x\"",
        "{}",
        "[{}]",
        "{\"\":{}}",
        "{\"a\":1,\"a\":2}",
        "{\"events\":[]}",
        "{\"events\":{}}",
        "{\"data\":null,\"type\":\"\\ud800\"}",
        "\u{feff}{}",
        "{} {}",
        "nul",
        "{\"__proto__\":{\"x\":1}}",
        "[1,]",
        "\u{0}",
    ];
    let many = format!("{{{}\"z\":0}}", (0..10_000).map(|n| format!("\"{n}\":0,")).collect::<String>());
    let long = format!(
        "{{\"url\":\"{0}\",\"name\":\"{0}\",\"type\":\"{0}\",\"data\":\"{0}\"}}",
        "x".repeat(100_000)
    );
    let mut bodies: Vec<_> = texts.map(|text| text.as_bytes().to_vec()).into();
    bodies.extend([nested("[", "]"), nested("{\"a\":", "}"), many, long].map(String::into_bytes));
    bodies.push(vec![0xff; 64]);
    bodies.push(vec![b' '; ADMIN_BODY_BYTES_MAX + 1]);
    bodies
}

#[actix_web::test]
async fn whoever_may_not_is_told_so_and_nothing_else() {
    let host = Host::start().await;
    let ids = Ids::of(&host).await;
    let weak = host.token("default", &[Scope::PayloadRead]).await;
    for operation in operations() {
        let path = operation.filled(|parameter| ids.fill(parameter));
        let anonymous = host.send(operation.method.clone(), &path, &[], Vec::new()).await;
        keeps_its_countenance(operation, &anonymous);
        assert!(!operation.needs_token() || anonymous.status == 401, "{}", operation.id());
        let lacking = host.call_as(&weak, operation.method.clone(), &path, "{").await;
        assert!(operation.scope().is_none() || lacking.status == 403, "{}: {}", operation.id(), lacking.text);
    }
    host.stop().await;
}

#[actix_web::test]
async fn ids_of_others_and_what_is_no_id_lead_nowhere() {
    let host = Host::start().await;
    let (ids, nobodys) = (Ids::of(&host).await, Ids::nobodys());
    let stranger = host.token("stranger", &[Scope::Admin]).await;
    // Whoever puts makes what is not there.
    let in_path = operations().into_iter().filter(|it| it.path.contains('{') && it.method != Method::PUT);
    for operation in in_path {
        let mut paths = vec![(&stranger, operation.filled(|parameter| ids.fill(parameter)))];
        paths.push((&host.admin, operation.filled(|parameter| nobodys.fill(parameter))));
        paths.extend(HOSTILE_IDS.map(|id| (&host.admin, operation.filled(|_| id.to_owned()))));
        for (token, path) in paths {
            for body in ["", "{}", "{"] {
                let answer = host.call_as(token, operation.method.clone(), &path, body).await;
                keeps_its_countenance(operation, &answer);
                assert!(answer.status >= 400, "{} {path}: {}", operation.id(), answer.text);
            }
        }
    }
    host.stop().await;
}

#[actix_web::test]
async fn whatever_is_sent_to_whom_it_may_concern_is_answered_as_described() {
    let host = Host::start().await;
    let ids = Ids::of(&host).await;
    let credentials = format!("Bearer {}", host.admin);
    let authorized = ("Authorization", credentials.as_str());
    let bodies = hostile_bodies();
    for operation in operations() {
        let path = operation.filled(|parameter| ids.fill(parameter));
        for query in HOSTILE_QUERIES {
            let answer = host.call(operation.method.clone(), &format!("{path}{query}"), "").await;
            keeps_its_countenance(operation, &answer);
        }
        if CONTRACT.body(operation).is_none() {
            continue;
        }
        let send = async |headers: &[(&str, &str)], body: &[u8]| {
            let headers = [&[authorized], headers].concat();
            let answer = host.send(operation.method.clone(), &path, &headers, body.to_vec()).await;
            keeps_its_countenance(operation, &answer);
        };
        for body in &bodies {
            send(&[("Content-Type", "application/json")], body).await;
        }
        for headers in [
            &[][..],
            &[("Content-Type", "")],
            &[("Content-Type", "text/plain")],
            &[("Content-Type", "application/json; charset=utf-16")],
            &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
        ] {
            send(headers, b"{}").await;
        }
    }
    host.stop().await;
}

#[actix_web::test]
async fn every_path_refuses_the_methods_that_it_does_not_have() {
    let host = Host::start().await;
    let nobodys = Ids::nobodys();
    for operation in operations() {
        let path = operation.filled(|parameter| nobodys.fill(parameter));
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
            let answer = host.call(method.parse().unwrap(), &path, "").await;
            keeps_its_countenance(operation, &answer);
        }
    }
    host.stop().await;
}
