//! A browser without a window, led by WebDriver (W3C): it clicks and types as a person does.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Connection, PATIENCE, server::Process};

/// Nothing that a browser does on its own account: no calls home, no sandbox that a container lacks.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
/// What WebDriver calls a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Ends as soon as the page holds a text: at once, or with the change that brings it.
const UNTIL_SHOWN: &str = "
    const [wanted, done] = arguments;
    const observer = new MutationObserver(look);
    function look() {
        if (!document.body.innerText.includes(wanted)) return;
        observer.disconnect();
        done(true);
    }
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    look();";

/// One window; closed when dropped.
pub struct Browser {
    driver: Connection,
    session: String,
    _process: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `None` if this machine has none.
    pub fn start() -> Option<Self> {
        let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !there("chromedriver") || !there("chromium") {
            return None;
        }
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let mut process = Process::start(command);
        let port = loop {
            let line = process.line().expect("chromedriver says where it listens");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let mut driver = Connection::open(&format!("127.0.0.1:{port}"), "", "").unwrap();
        let profile = TempDir::new().unwrap();
        let mut arguments: Vec<_> = ARGUMENTS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "timeouts": { "script": PATIENCE.as_millis() as u64, "implicit": PATIENCE.as_millis() as u64 },
        } } });
        let session = value(&mut driver, "POST", "/session", &wanted);
        let session = session["sessionId"].as_str().unwrap().to_owned();
        Some(Self { driver, session, _process: process, _profile: profile })
    }

    pub fn open(&mut self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Waits until the page shows a text.
    pub fn sees(&mut self, text: &str) {
        self.post("/execute/async", &json!({ "script": UNTIL_SHOWN, "args": [text] }));
    }

    /// What an expression of JavaScript is on the page.
    pub fn value_of(&mut self, expression: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": format!("return {expression}"), "args": [] }))
    }

    /// Clicks the button, or the link, that reads so.
    pub fn click(&mut self, label: &str) {
        let path = format!("//*[(self::button or self::a) and normalize-space()='{label}']");
        self.click_on("xpath", &path);
    }

    /// Clicks the first element that a CSS selector finds.
    pub fn click_first(&mut self, selector: &str) {
        self.click_on("css selector", selector);
    }

    /// The page may put another in its place before it is clicked on; then that one is meant.
    fn click_on(&mut self, using: &str, value: &str) {
        loop {
            let element = self.element(using, value);
            let path = format!("/session/{}/element/{element}/click", self.session);
            let answer = self.driver.request("POST", &path, "{}").unwrap();
            if answer.status == 200 {
                return;
            }
            assert!(answer.text.contains("stale element reference"), "{value}: {}", answer.text);
        }
    }

    /// Types into the field of a name.
    pub fn fill(&mut self, name: &str, text: &str) {
        let element = self.element("css selector", &format!("[name={name}]"));
        self.post(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    fn element(&mut self, using: &str, value: &str) -> String {
        let found = self.post("/element", &json!({ "using": using, "value": value }));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    fn post(&mut self, command: &str, body: &Value) -> Value {
        let path = format!("/session/{}{command}", self.session);
        value(&mut self.driver, "POST", &path, body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Takes the browser along; the driver is killed after it.
        let _ = self.driver.request("DELETE", &format!("/session/{}", self.session), "");
    }
}

fn value(driver: &mut Connection, method: &str, path: &str, body: &Value) -> Value {
    let answer = driver.request(method, path, &body.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text);
    serde_json::from_str::<Value>(&answer.text).unwrap()["value"].take()
}
