//! POST /backup: made where the operator wants it and nowhere else, by the operator and nobody else.

use std::path::Path;

use actix_web::http::Method;
use casewire::Engine;
use casewire_data::{store, token::Scope};
use serde_json::json;
use tempfile::TempDir;

use crate::support::host::{Host, fields, keys};

#[actix_web::test]
async fn a_backup_is_told_with_its_place_and_content_and_restores() {
    let dir = TempDir::new().unwrap();
    let backups = dir.path().join("elsewhere");
    let engine = Engine::builder(dir.path().join("data")).backup_dir(&backups).start().unwrap();
    let host = Host::around(engine).await;
    host.call(Method::POST, "/events", r#"{"type":"a.b","data":1}"#).await;
    for (body, name) in
        [(r#"{"name":"first"}"#, Some("first")), ("{}", None), (r#"{"name":null}"#, None), ("", None)]
    {
        let answer = host.call(Method::POST, "/backup", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let made = answer.data();
        assert_eq!(keys(&made), ["name", "path", "made_at", "events", "files", "bytes", "duration_ms"]);
        assert!(name.is_none_or(|name| made["name"] == name), "{made}");
        assert_eq!(made["events"], 1);
        let path = Path::new(made["path"].as_str().unwrap());
        assert_eq!(path, backups.join(made["name"].as_str().unwrap()));
        let into = dir.path().join("restored").join(made["name"].as_str().unwrap());
        assert_eq!(store::restore(path, &into).unwrap().verified.events, 1);
    }
    host.stop().await;
}

#[actix_web::test]
async fn what_is_no_name_or_taken_is_refused_and_nothing_is_written() {
    let dir = TempDir::new().unwrap();
    let backups = dir.path().join("data/backups");
    let host = Host::around(Engine::builder(dir.path().join("data")).start().unwrap()).await;
    for name in ["", "..", "../up", "/etc/passwd", "a/b", ".hidden", "a b"] {
        let body = json!({ "name": name }).to_string();
        assert_eq!(fields(&host.call(Method::POST, "/backup", &body).await.problem(422)), ["name"], "{name}");
    }
    let moved = host.call(Method::POST, "/backup", r#"{"to":"/tmp/x","name":1}"#).await.problem(422);
    assert_eq!(fields(&moved), ["name", "to"]);
    host.call(Method::POST, "/backup", "{").await.problem(400);
    let plain = [("Authorization", format!("Bearer {}", host.admin))];
    let plain = plain.each_ref().map(|(name, value)| (*name, value.as_str()));
    host.send(Method::POST, "/backup", &plain, b"{}".to_vec()).await.problem(415);
    assert!(!backups.exists());

    assert_eq!(host.call(Method::POST, "/backup", r#"{"name":"one"}"#).await.status, 201);
    let taken = host.call(Method::POST, "/backup", r#"{"name":"one"}"#).await.problem(409);
    assert!(taken["detail"].as_str().unwrap().contains("choose another name"), "{taken}");
    assert!(backups.join("one/backup.json").exists(), "in the data directory, unless told otherwise");
    host.stop().await;
}

#[actix_web::test]
async fn an_admin_of_a_single_tenant_makes_no_backup_of_all() {
    let host = Host::start().await;
    let north = host.token("north", &[Scope::Admin]).await;
    let detail = host.call_as(&north, Method::POST, "/backup", "{}").await.problem(403)["detail"].to_string();
    assert!(detail.contains("operator"), "{detail}");
    host.stop().await;
}

#[actix_web::test]
async fn a_place_that_cannot_be_written_is_told_to_the_operator_and_publishing_goes_on() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let builder = Engine::builder(dir.path().join("data")).backup_dir(dir.path().join("file"));
    let host = Host::around(builder.start().unwrap()).await;
    let failed = host.call(Method::POST, "/backup", "{}").await;
    let detail = failed.problem(503)["detail"].to_string();
    assert!(detail.contains("file"), "{detail}");
    assert_eq!(failed.header("retry-after"), Some("30"));
    assert_eq!(host.call(Method::POST, "/events", r#"{"type":"a.b","data":1}"#).await.status, 202);
    host.stop().await;
}
