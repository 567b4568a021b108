//! Tokens are listed without their secrets, and end at once when they are deleted; nobody shuts itself out.

use actix_web::http::Method;
use casewire::Engine;
use casewire_data::token::Scope;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::host::{Answer, Host, fields, keys};

async fn listed(host: &Host, token: &str, query: &str) -> Vec<Value> {
    let answer = host.call_as(token, Method::GET, &format!("/tokens{query}"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains("cwt_"), "{}", answer.text);
    answer.data().as_array().unwrap().clone()
}

async fn delete(host: &Host, token: &str, id: &Value, query: &str) -> Answer {
    host.call_as(token, Method::DELETE, &format!("/tokens/{}{query}", id.as_str().unwrap()), "").await
}

#[actix_web::test]
async fn a_scope_that_is_named_twice_is_held_once() {
    let host = Host::start().await;
    let body = r#"{"scopes":["payload:read","deliveries:read","payload:read"]}"#;
    let made = host.call(Method::POST, "/tokens", body).await.data();
    assert_eq!(made["scopes"], serde_json::json!(["payload:read", "deliveries:read"]));
    host.stop().await;
}

#[actix_web::test]
async fn a_list_shows_what_a_token_may_do_and_never_the_token() {
    let host = Host::start().await;
    let body = r#"{"scopes":["endpoints:read","payload:read"],"description":"for the wall"}"#;
    let made = host.call(Method::POST, "/tokens", body).await.data();
    let all = listed(&host, &host.admin, "").await;
    assert_eq!(all.len(), 2);
    assert_eq!(keys(&all[0]), ["id", "tenant", "scopes", "description", "created_at"], "the newest first");
    for name in keys(&all[0]) {
        assert_eq!(all[0][name], made[name]);
    }
    let first = host.call(Method::GET, "/tokens?limit=1", "").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(listed(&host, &host.admin, &format!("?limit=1&cursor={cursor}")).await, all[1..]);
    host.stop().await;
}

#[actix_web::test]
async fn a_deleted_token_lets_nobody_in_any_more_also_over_a_restart() {
    let dir = TempDir::new().unwrap();
    let host = Host::around(Engine::builder(dir.path()).start().unwrap()).await;
    let reader = host.token("default", &[Scope::EndpointsRead]).await;
    assert_eq!(host.call_as(&reader, Method::GET, "/endpoints", "").await.status, 200);
    let id = listed(&host, &host.admin, "").await[0]["id"].clone();
    let deleted = delete(&host, &host.admin, &id, "").await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    host.call_as(&reader, Method::GET, "/endpoints", "").await.problem(401);
    delete(&host, &host.admin, &id, "").await.problem(404);
    let admin = host.admin.clone();
    host.stop().await;
    let host = Host::around(Engine::builder(dir.path()).start().unwrap()).await;
    host.call_as(&reader, Method::GET, "/endpoints", "").await.problem(401);
    assert_eq!(host.call_as(&admin, Method::GET, "/endpoints", "").await.status, 200);
    host.stop().await;
}

#[actix_web::test]
async fn the_last_admin_of_a_tenant_cannot_delete_itself_but_the_operator_can() {
    let host = Host::start().await;
    let north = host.token("north", &[Scope::Admin]).await;
    let own = listed(&host, &north, "").await[0]["id"].clone();
    host.token("north", &[Scope::EndpointsWrite]).await;
    let detail = delete(&host, &north, &own, "").await.problem(409)["detail"].to_string();
    assert!(detail.contains("create another one first"), "{detail}");

    let second = host.token("north", &[Scope::Admin]).await;
    let ids: Vec<_> = listed(&host, &second, "").await.iter().map(|token| token["id"].clone()).collect();
    assert_eq!(delete(&host, &second, &own, "").await.status, 204);
    host.call_as(&north, Method::GET, "/tokens", "").await.problem(401);
    assert_eq!(delete(&host, &second, &ids[1], "").await.status, 204, "it is no admin");

    delete(&host, &host.admin, &ids[0], "").await.problem(404);
    assert_eq!(delete(&host, &host.admin, &ids[0], "?tenant=north").await.status, 204);
    assert_eq!(listed(&host, &host.admin, "?tenant=north").await.len(), 0);
    host.stop().await;
}

#[actix_web::test]
async fn a_token_of_the_configuration_is_an_admin_too_and_is_not_listed() {
    let dir = TempDir::new().unwrap();
    let host = Host::around(Engine::builder(dir.path()).admin_token("configured").start().unwrap()).await;
    let all = listed(&host, "configured", "").await;
    assert_eq!(all.len(), 1, "the one that the test made: {all:?}");
    assert_eq!(delete(&host, &host.admin, &all[0]["id"], "").await.status, 204, "the other one is left");
    assert_eq!(listed(&host, "configured", "").await.len(), 0);
    host.stop().await;
}

#[actix_web::test]
async fn only_the_operator_names_another_tenant() {
    let host = Host::start().await;
    let north = host.token("north", &[Scope::Admin]).await;
    for path in ["/tokens?tenant=default", "/audit?tenant=default", "/tokens?tenant=south"] {
        host.call_as(&north, Method::GET, path, "").await.problem(403);
        assert_eq!(host.call(Method::GET, path, "").await.status, 200, "{path}");
    }
    assert_eq!(listed(&host, &north, "?tenant=north").await.len(), 1);
    let wrong = host.call(Method::GET, "/tokens?tenant=No!", "").await.problem(422);
    assert_eq!(fields(&wrong), ["tenant"]);
    host.stop().await;
}
