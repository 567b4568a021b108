//! Sources: made, shown, changed and deleted like endpoints, and there after a restart.

use casewire::{ErrorKind, InboundRequest, SourceDraft};

use super::*;
use crate::support::{
    Embedded,
    host::{fields, keys},
};

#[actix_web::test]
async fn a_source_is_shown_with_its_secret_once_and_then_without() {
    let door = Door::open().await;
    let host = &door.host;
    let draft = r#"{"name":"court","dialect":"standard@1","description":"The court's"}"#;
    let created = host.call(Method::POST, "/sources", draft).await;
    let source = created.data();
    assert_eq!(created.header("cache-control"), Some("no-store"));
    assert_eq!(
        keys(&source),
        ["id", "name", "dialect", "url", "secret", "description", "created_at", "updated_at"]
    );
    assert_eq!(source["url"], "/v2.3/webhooks/inbound/court");
    assert!(source["id"].as_str().unwrap().starts_with("src_"));
    assert!(source["secret"].as_str().unwrap().starts_with("whsec_"), "made for it");

    let path = format!("/sources/{}", source["id"].as_str().unwrap());
    let shown = host.call(Method::GET, &path, "").await.data();
    assert_eq!(keys(&shown), ["id", "name", "dialect", "url", "description", "created_at", "updated_at"]);
    let patch = format!(r#"{{"secret":"{WHSEC}","description":null}}"#);
    let changed = host.call(Method::PATCH, &path, &patch).await.data();
    assert_eq!(keys(&changed), ["id", "name", "dialect", "url", "created_at", "updated_at"]);
    assert!(changed["updated_at"].as_str() > shown["updated_at"].as_str());
    assert_eq!(host.call(Method::GET, "/sources", "").await.data(), json!([changed]));

    assert_eq!(host.call(Method::DELETE, &path, "").await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        host.call(method, &path, "").await.problem(404);
    }
    host.call(Method::PATCH, &path, "{}").await.problem(404);
    door.source(draft).await;
    door.close().await;
}

#[actix_web::test]
async fn wrong_fields_are_named() {
    let door = Door::open().await;
    let host = &door.host;
    door.source(r#"{"name":"court","dialect":"github@1","secret":"s"}"#).await;
    for (body, expected) in [
        ("{}", &["name", "dialect"][..]),
        (r#"{"name":"Court","dialect":"none@1"}"#, &["name", "dialect"]),
        (r#"{"name":"src_1","dialect":"github@1"}"#, &["name", "secret"]),
        (r#"{"name":"a","dialect":"github@1","secret":"s","colour":1}"#, &["colour"]),
        (r#"{"name":"a","dialect":"ecourtdate@1","secret":"more-than-24-characters-long"}"#, &["secret"]),
        (r#"{"name":"a","dialect":"casebook@1","secret":"s","params":{"x":"1"}}"#, &["params.x", "secret"]),
        (r#"{"name":"a","dialect":"casebook@1","params":{"tenant_id":"1"}}"#, &["params.tenant_id"]),
    ] {
        let problem = host.call(Method::POST, "/sources", body).await.problem(422);
        assert_eq!(fields(&problem), expected, "{body}: {problem}");
    }
    host.call(Method::POST, "/sources", r#"{"name":"court","dialect":"claimable@1"}"#).await.problem(409);
    let id = host.call(Method::GET, "/sources", "").await.data()[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/sources/{id}");
    for (patch, expected) in [
        (r#"{"name":"b","dialect":"clio@1","id":"src_"}"#, &["name", "dialect", "id"][..]),
        (r#"{"secret":null}"#, &["secret"]),
        (r#"{"secret":"a b","params":{"x":"1"}}"#, &["params.x", "secret"]),
    ] {
        let problem = host.call(Method::PATCH, &path, patch).await.problem(422);
        assert_eq!(fields(&problem), expected, "{patch}: {problem}");
    }
    let stranger = host.token("stranger", &[Scope::Admin]).await;
    host.call_as(&stranger, Method::GET, &path, "").await.problem(404);
    assert_eq!(host.call_as(&stranger, Method::GET, "/sources", "").await.data(), json!([]));
    door.close().await;
}

#[tokio::test]
async fn sources_survive_a_restart_and_stay_deleted_when_they_are() {
    let mut home = Embedded::start();
    let draft = |name: &str| SourceDraft {
        name: name.to_owned(),
        dialect: "github@1".to_owned(),
        secret: Some(system("github@1").secret.unwrap().to_owned()),
        ..SourceDraft::default()
    };
    let kept = home.tenant().create_source(draft("kept")).await.unwrap();
    let gone = home.tenant().create_source(draft("gone")).await.unwrap();
    home.tenant().delete_source(gone.id).await.unwrap();

    let sent = system("github@1").genuine();
    let mut receipts = Vec::new();
    for _ in 0..2 {
        home = home.restart().await;
        assert_eq!(home.tenant().sources().await.unwrap(), std::slice::from_ref(&kept));
        assert_eq!(home.tenant().source(gone.id).await.unwrap_err().kind(), ErrorKind::NotFound);
        let request = InboundRequest { method: "POST", query: "", headers: &sent.headers, body: &sent.body };
        assert_eq!(home.tenant().receive(gone.id, request).await.unwrap_err().kind(), ErrorKind::NotFound);
        let received = home.tenant().receive(kept.id, request).await.unwrap();
        receipts.push(received.outcome.unwrap().unwrap());
        let forged = InboundRequest { body: b"{}", ..request };
        let refused = home.tenant().receive(kept.id, forged).await.unwrap().outcome.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unproven);
    }
    assert_eq!(receipts[0].id, receipts[1].id);
    assert_eq!((receipts[0].duplicate, receipts[1].duplicate), (false, true), "once, over a restart");
    home.shutdown().await;
}
