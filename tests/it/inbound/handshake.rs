//! A sender that asks first whether it is welcome gets its answer, and that is all that comes of it.

use super::*;
use crate::support::PATIENCE;

impl Door {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.host.send(method, path, headers, Vec::new()).await
    }
}

#[actix_web::test]
async fn cloudevents_asks_by_options() {
    let door = Door::of(system("cloudevents@1")).await;
    let origin = ("WebHook-Request-Origin", "cases.example.com");
    let answer = door.ask(Method::OPTIONS, "/inbound/cloudevents-1", &[origin]).await;
    assert_eq!((answer.status, &*answer.text), (200, ""));
    assert_eq!(answer.header("webhook-allowed-origin"), Some("cases.example.com"));
    assert_eq!(answer.header("webhook-allowed-rate"), Some("*"));
    assert_eq!(answer.header("allow"), Some("POST"));

    door.ask(Method::OPTIONS, "/inbound/cloudevents-1", &[]).await.problem(401);
    door.ask(Method::OPTIONS, "/inbound/nowhere", &[origin]).await.problem(401);
    let credentials = format!("Bearer {}", door.publisher);
    let known = [("Authorization", credentials.as_str())];
    let refused = door.ask(Method::OPTIONS, "/inbound/cloudevents-1", &known).await;
    refused.problem(405);
    assert_eq!(refused.header("allow"), Some("POST"));
    door.ask(Method::OPTIONS, "/inbound/nowhere", &known).await.problem(404);
    door.ask(Method::GET, "/inbound/cloudevents-1", &known).await.problem(405);
    assert_eq!(door.stored().await, 0);
    door.close().await;
}

#[actix_web::test]
async fn clio_asks_by_its_secret() {
    let system = system("clio@1");
    let door = Door::of(system).await;
    let right = ("X-Hook-Secret", system.secret.unwrap());
    let answer = door.ask(Method::POST, "/inbound/clio-1", &[right]).await;
    assert_eq!((answer.status, &*answer.text), (200, ""));
    assert_eq!(answer.header("x-hook-secret"), Some(right.1));

    for wrong in ["", "another"] {
        // As a delivery, it is not signed; and it has no type.
        let json = ("Content-Type", "application/json");
        let answer = door.ask(Method::POST, "/inbound/clio-1", &[("X-Hook-Secret", wrong), json]).await;
        answer.problem(401);
        assert_eq!(answer.header("x-hook-secret"), None);
    }
    assert_eq!(door.stored().await, 0);
    door.close().await;
}

#[actix_web::test]
async fn hivelight_has_its_secret_back_on_every_answer_to_a_request_that_brought_it() {
    let system = system("hivelight@1");
    let door = Door::of(system).await;
    let genuine = system.genuine();
    let mut forged = genuine.clone();
    forged.header("x-secret").push('x');
    for (status, sent) in [
        (202, genuine.clone()),
        (202, genuine.clone()),
        (422, genuine.clone().with_body("{}")),
        (400, genuine.clone().with_body("{")),
    ] {
        let answer = door.send(&sent).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.header("x-secret"), system.secret);
    }
    let refused = door.send(&forged).await;
    refused.problem(401);
    assert_eq!(refused.header("x-secret"), None);
    assert_eq!(door.stored().await, 1);
    door.host.engine.shutdown(PATIENCE).await;
    let closed = door.send(&genuine).await;
    closed.problem(503);
    assert_eq!((closed.header("retry-after"), closed.header("x-secret")), (Some("5"), system.secret));
    door.close().await;
}
