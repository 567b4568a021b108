//! The console shows what there is and does what it says, and whatever events and receivers hold stays text.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use actix_web::http::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    binary::{Browser, Receiver, Server, TOKEN, skip},
    support::host::{Host, PREFIX},
};

/// Says so in the title if it runs.
const ATTACK: &str =
    "</pre><img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>";

#[test]
fn a_person_signs_in_sees_what_failed_and_sends_it_again() {
    let Some(mut browser) = Browser::start() else {
        return skip("there is no chromium with its chromedriver");
    };
    let dir = TempDir::new().unwrap();
    let receiver = Receiver::start(|attempt| if attempt.path == "/down" { 500 } else { 200 });
    let server = Server::start(dir.path(), &[("CASEWIRE_RETRY_SCHEDULE_SECONDS", "1")]);
    let (id, _) = server.endpoint(&receiver.url("/down"), &["cases.*"]);
    let path = format!("/endpoints/{id}");
    let mut api = server.connect();
    api.request("PATCH", &path, &json!({ "name": ATTACK }).to_string()).unwrap().data(200);
    let event = json!({ "type": "cases.created", "data": { "title": ATTACK }, "tags": { "note": ATTACK } });
    let event = api.request("POST", "/events", &event.to_string()).unwrap().id(202);

    browser.open(&format!("http://{}{PREFIX}/console", server.address));
    browser.fill("token", "not-a-token");
    browser.click("Sign in");
    browser.sees("token");
    assert_eq!(browser.value_of("document.getElementById('notice').className"), "bad");
    browser.fill("token", TOKEN);
    browser.click("Sign in");
    browser.sees(ATTACK);
    browser.click_first("main table a");
    browser.sees("Last 24 hours");

    receiver.wait("both attempts", |attempts| attempts.len() == 2);
    browser.click("Dead letters");
    browser.sees("dead");
    browser.click(&event);
    browser.sees("Attempt 2");
    api.request("PATCH", &path, &json!({ "url": receiver.url("/up") }).to_string()).unwrap().data(200);
    browser.click("Retry now");
    receiver.wait("the retry", |attempts| attempts.iter().any(|attempt| attempt.path == "/up"));
    browser.click(&event);
    browser.sees("<script>document.title='run'</script>");

    browser.click("Endpoints");
    browser.sees("Dialect");
    browser.click_first("main table a");
    browser.click("Pause");
    browser.sees("paused");
    assert_eq!(api.request("GET", &path, "").unwrap().data(200)["status"], "paused");
    assert_eq!(browser.value_of("document.title"), "Casewire", "no markup of others was run");

    browser.click("Sign out");
    browser.sees("it stays in this tab");
    assert_eq!(browser.value_of("sessionStorage.length"), 0);
}

#[actix_web::test]
async fn the_page_is_for_everybody_holds_no_data_and_lets_no_script_but_its_own_run() {
    let host = Host::start().await;
    let page = host.call_as("", Method::GET, "/console", "").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    let named = page.text.split(['"', '\'']).filter(|text| text.starts_with("console/"));
    let mut texts = vec![page.text.clone()];
    for file in named {
        let part = host.call_as("", Method::GET, &format!("/{file}"), "").await;
        assert_eq!((part.status, part.header("x-content-type-options")), (200, Some("nosniff")), "{file}");
        texts.push(part.text);
    }
    for module in ["page.js", "api.js"] {
        assert!(texts.iter().any(|text| text.contains(&format!("./{module}"))), "{module} is imported");
        texts.push(host.call_as("", Method::GET, &format!("/console/{module}"), "").await.text);
    }
    assert_eq!(texts.len(), 5);
    for text in &texts {
        for way in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "document.cookie"]
        {
            assert!(!text.contains(way), "{way} would make markup, or let others call, of what is data");
        }
    }
    host.stop().await;
}
