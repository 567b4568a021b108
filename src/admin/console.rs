//! The console: a web page for people, which signs in with a token and calls the API like any other client.
//!
//! It can do what its token can, and nothing here knows who looks at it: the page holds no data. The token is kept by the
//! browser's tab and sent in a header, never in a cookie, so no other site can have a browser use it. Whatever the API
//! answers becomes text on the page; should markup get through, the policy below lets no script of it run.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
};

use super::operation::{Access, Operation, Success};

/// Scripts, styles and calls from and to this server alone, none inline; no frame around the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const NO_COMMAND: &str = "it is for browsers";

pub(super) fn operations() -> Vec<Operation> {
    let part = |operation: Operation, summary, content_type| {
        operation
            .about(summary, "The same for everybody: it holds no data.")
            .access(Access::Open)
            .answers(Success::text(200, content_type))
            .no_command(NO_COMMAND)
    };
    vec![
        part(
            Operation::get("/console", "getConsole", |route| {
                route.to(async || answer(HTML, include_str!("console/index.html")))
            }),
            "A web page that signs in with a token and shows endpoints, deliveries, events and the audit",
            HTML,
        ),
        part(
            Operation::get("/console/console.css", "getConsoleStyle", |route| {
                route.to(async || answer(CSS, include_str!("console/console.css")))
            }),
            "How the console looks",
            CSS,
        ),
        part(
            Operation::get("/console/console.js", "getConsolePages", |route| {
                route.to(async || answer(JAVASCRIPT, include_str!("console/console.js")))
            }),
            "The console's pages",
            JAVASCRIPT,
        ),
        part(
            Operation::get("/console/page.js", "getConsoleElements", |route| {
                route.to(async || answer(JAVASCRIPT, include_str!("console/page.js")))
            }),
            "What the console's pages are made of",
            JAVASCRIPT,
        ),
        part(
            Operation::get("/console/api.js", "getConsoleCalls", |route| {
                route.to(async || answer(JAVASCRIPT, include_str!("console/api.js")))
            }),
            "The console's way to the API",
            JAVASCRIPT,
        ),
    ]
}

fn answer(content_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::build(StatusCode::OK)
        .content_type(content_type)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        // Asked for anew after an upgrade of the server.
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(text)
}
