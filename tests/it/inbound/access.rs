//! Requests that prove nothing need a token; whoever has none learns of no source.

use super::*;

#[actix_web::test]
async fn what_proves_nothing_needs_a_token_that_may_publish() {
    let door = Door::open().await;
    let reader = door.host.token("default", &[Scope::EndpointsRead, Scope::DeliveriesRead]).await;
    let stranger = door.host.token("stranger", &[Scope::Admin]).await;
    for system in SYSTEMS.iter().filter(|system| system.secret.is_none()) {
        let source = door.source(&system.draft()).await;
        assert!(source.get("secret").is_none(), "{}", system.dialect);
        let (sent, before) = (system.genuine(), door.stored().await);
        let by_id = format!("/inbound/{}", source["id"].as_str().unwrap());
        for path in [sent.path.clone(), by_id] {
            let sent = sent.clone().at(path);
            for credentials in [None, Some("wrong")] {
                let sent = credentials.map_or(sent.clone(), |token| sent.clone().bearing(token));
                let answer = door.send(&sent).await;
                answer.problem(401);
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{}", system.dialect);
                let nowhere = door.send(&sent.at("/inbound/nowhere")).await;
                assert_eq!((&answer.text, header_names(&answer)), (&nowhere.text, header_names(&nowhere)));
            }
            door.send(&sent.clone().bearing(&reader)).await.problem(403);
            door.send(&sent.clone().bearing(&stranger)).await.problem(404);
        }
        assert_eq!(door.stored().await, before, "{}", system.dialect);
        let answer = door.send(&sent.bearing(&door.publisher)).await;
        assert_eq!(answer.status, 202, "{}: {}", system.dialect, answer.text);
    }
    door.close().await;
}

#[actix_web::test]
async fn an_unknown_source_is_unproven_to_outsiders_and_not_found_to_those_with_a_token() {
    let door = Door::of(system("github@1")).await;
    let sent = system("github@1").genuine();
    for path in
        ["/inbound/nowhere", "/inbound/src_01J1C6ZGQ6FQTH2X6M2VS3P0XW", "/inbound/%FF", "/inbound/a%20b"]
    {
        door.send(&sent.clone().at(path)).await.problem(401);
        door.send(&sent.clone().at(path).bearing(&door.publisher)).await.problem(404);
    }
    door.close().await;
}

#[actix_web::test]
async fn a_name_is_looked_up_in_the_tenant_of_the_token_and_an_id_in_all() {
    let door = Door::open().await;
    let (system, host) = (system("github@1"), &door.host);
    let admin = host.token("court", &[Scope::Admin]).await;
    let created = host.call_as(&admin, Method::POST, "/sources", &system.draft()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.data()["id"].as_str().unwrap().to_owned();
    assert_eq!(created.data()["url"], format!("/v2.3/webhooks/inbound/{id}"), "its name needs a token");

    let sent = system.genuine();
    door.send(&sent).await.problem(401);
    let by_id = door.send(&sent.clone().at(format!("/inbound/{id}"))).await;
    assert_eq!(by_id.status, 202, "{}", by_id.text);
    let by_name = door.send(&sent.clone().bearing(&admin)).await;
    assert_eq!((by_name.status, &by_name.data()["duplicate"]), (202, &json!(true)));
    // The signature is proof enough, whoever's token came along.
    let with_other = door.send(&sent.clone().at(format!("/inbound/{id}")).bearing(&door.publisher)).await;
    assert_eq!(with_other.status, 202, "{}", with_other.text);
    assert_eq!(door.stored().await, 0, "it is another tenant's");
    // Without proof it is a source that never was, to whoever has another tenant's token.
    let forged = sent.clone().at(format!("/inbound/{id}")).bearing(&door.publisher).with_body("{ }");
    door.send(&forged).await.problem(404);
    let court = host.engine.tenant(Tenant::new("court").unwrap());
    court.event(by_id.data()["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
    door.close().await;
}
