//! Nothing of one tenant is visible to another, and a token does what its scopes say and no more.

use actix_web::http::Method;
use casewire_data::token::Scope;
use serde_json::json;

use crate::support::{
    contract::{CONTRACT, Ids},
    host::{Host, fields, keys},
};

/// Every operation that asks for a scope, with these ids in its path.
fn routes(ids: &Ids) -> Vec<(Method, String, Scope)> {
    let scoped = CONTRACT.operations.iter().filter_map(|it| Some((it, Scope::parse(it.scope()?).unwrap())));
    scoped.map(|(it, scope)| (it.method.clone(), it.filled(|parameter| ids.fill(parameter)), scope)).collect()
}

#[actix_web::test]
async fn no_route_answers_without_a_token_or_beyond_its_scopes() {
    let host = Host::start().await;
    let routes = routes(&Ids::nobodys());
    assert!(routes.len() > 25, "the document has the scopes: {routes:?}");
    for (method, path, needed) in routes {
        for credentials in ["", "Bearer", "Bearer wrong", "Basic YTpi"] {
            let headers = [("Authorization", credentials)];
            let sent = if credentials.is_empty() { &headers[..0] } else { &headers[..] };
            // The body is broken and never looked at.
            let answer = host.send(method.clone(), &path, sent, b"{".to_vec()).await;
            answer.problem(401);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path}");
        }
        let others: Vec<_> =
            Scope::ALL.into_iter().filter(|scope| *scope != needed && *scope != Scope::Admin).collect();
        let token = host.token("default", &others).await;
        let detail =
            host.call_as(&token, method.clone(), &path, "{").await.problem(403)["detail"].to_string();
        assert!(detail.contains(needed.as_str()), "{method} {path}: {detail}");

        let token = host.token("default", &[needed]).await;
        let status = host.call_as(&token, method.clone(), &path, "{").await.status;
        assert!(![401, 403].contains(&status), "{method} {path}: {status}");
    }
    host.stop().await;
}

#[actix_web::test]
async fn an_id_of_another_tenant_is_like_one_that_never_was() {
    let host = Host::start().await;
    let own = Ids::of(&host).await;
    let stranger = host.token("stranger", &[Scope::Admin]).await;

    let queries = |ids: &Ids| {
        [
            format!("/deliveries?endpoint={}", ids.endpoint),
            format!("/deliveries?event={}&status=dead", ids.event),
        ]
        .map(|path| (Method::GET, path, Scope::DeliveriesRead))
    };
    let all = |ids: &Ids| routes(ids).into_iter().chain(queries(ids));
    for ((method, path, _), (_, never, _)) in all(&own).zip(all(&Ids::nobodys())) {
        // Whoever puts makes what is not there.
        if path == never || method == Method::PUT {
            continue;
        }
        let body = if [Method::PATCH, Method::POST].contains(&method) { "{}" } else { "" };
        let other = host.call_as(&stranger, method.clone(), &path, body).await;
        let unknown = host.call_as(&stranger, method.clone(), &never, body).await;
        assert_eq!(other.problem(404), unknown.problem(404), "{method} {path}");
    }
    for list in ["/endpoints", "/events", "/deliveries", "/deliveries?status=held"] {
        let listed = host.call_as(&stranger, Method::GET, list, "").await;
        assert_eq!(listed.json(), json!({"data": []}), "{list}");
    }
    for (kind, id) in [("endpoints", &own.endpoint), ("sources", &own.source), ("events", &own.event)] {
        let still = host.call(Method::GET, &format!("/{kind}/{id}"), "").await;
        assert_eq!(still.status, 200, "{kind} are still there");
    }
    host.stop().await;
}

#[actix_web::test]
async fn only_an_admin_of_the_default_tenant_creates_tokens_for_others() {
    let host = Host::start().await;
    let body = r#"{"tenant":"north","scopes":["admin"],"description":"for the north"}"#;
    let created = host.call(Method::POST, "/tokens", body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let token = created.data();
    assert_eq!(keys(&token), ["id", "tenant", "scopes", "description", "token", "created_at"]);
    assert_eq!(token["tenant"], "north");

    let north = token["token"].as_str().unwrap();
    host.call_as(north, Method::POST, "/tokens", r#"{"tenant":"default","scopes":["admin"]}"#)
        .await
        .problem(403);
    let own = host.call_as(north, Method::POST, "/tokens", r#"{"scopes":["endpoints:read"]}"#).await.data();
    assert_eq!(own["tenant"], "north");
    let reader = own["token"].as_str().unwrap();
    assert_eq!(host.call_as(reader, Method::GET, "/endpoints", "").await.status, 200);

    let wrong = r#"{"tenant":"No!","scopes":["admin","everything"]}"#;
    assert_eq!(
        fields(&host.call(Method::POST, "/tokens", wrong).await.problem(422)),
        ["tenant", "scopes[1]"]
    );
    let none = host.call(Method::POST, "/tokens", r#"{"scopes":[]}"#).await.problem(422);
    assert_eq!(fields(&none), ["scopes"]);
    assert!(none["detail"].as_str().unwrap().starts_with("scopes: "), "{none}");
    host.stop().await;
}

#[actix_web::test]
async fn probes_and_unknown_paths_ask_for_no_token() {
    let host = Host::start().await;
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = host.send(Method::GET, path, &[], Vec::new()).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": status})));
        let head = host.send(Method::HEAD, path, &[], Vec::new()).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    }
    for path in ["", "/", "/endpoint", "/endpoints/", "/endpoints/a/b", "/%00"] {
        host.send(Method::GET, path, &[], Vec::new()).await.problem(404);
    }
    for (method, path, allow) in [
        (Method::PUT, "/endpoints", "GET, HEAD, POST"),
        (Method::POST, "/endpoints/x", "GET, HEAD, PATCH, DELETE"),
        (Method::PUT, "/events", "GET, HEAD, POST, DELETE"),
        (Method::GET, "/endpoints/preview", "POST"),
        (Method::GET, "/endpoints/x/test", "POST"),
        (Method::POST, "/event-types", "GET, HEAD"),
        (Method::POST, "/event-types/a.b", "GET, HEAD, PUT, DELETE"),
        (Method::POST, "/deliveries", "GET, HEAD"),
        (Method::GET, "/events/batch", "POST"),
        (Method::DELETE, "/events/x", "GET, HEAD"),
        (Method::GET, "/deliveries/x/retry", "POST"),
        (Method::GET, "/backup", "POST"),
        (Method::POST, "/healthz", "GET, HEAD"),
    ] {
        let answer = host.send(method.clone(), path, &[], Vec::new()).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    host.stop().await;
}
