//! `/openapi.json` as a judge: every answer that a test of the API gets is held against what is written there.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use actix_web::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::host::{Answer, Host, PREFIX};

/// What the tests hold answers against.
pub static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::of(serde_json::from_str(&casewire::openapi(PREFIX)).unwrap()));

/// See the module.
pub struct Contract {
    pub document: Value,
    /// The same, but an object has the fields that are written there and no others.
    strict: Value,
    pub operations: Vec<Operation>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// One operation of the document.
#[derive(Clone)]
pub struct Operation {
    pub method: Method,
    /// With parameters in braces.
    pub path: String,
    /// What is written of it.
    pub told: Value,
    pointer: String,
}

impl Operation {
    /// The scope that a token needs.
    pub fn scope(&self) -> Option<&str> {
        self.told["x-casewire-scope"].as_str()
    }

    /// Whether it asks for a token at all, and for nothing that could stand for one.
    pub fn needs_token(&self) -> bool {
        self.told["security"] == json!([{ "bearer": [] }])
    }

    /// What it is called.
    pub fn id(&self) -> &str {
        self.told["operationId"].as_str().unwrap()
    }

    /// Its parameters in the path or in the query.
    pub fn parameters(&self, place: &str) -> Vec<&Value> {
        self.told["parameters"].as_array().into_iter().flatten().filter(|it| it["in"] == place).collect()
    }

    /// Its path, each parameter filled in by what its description says.
    pub fn filled(&self, fill: impl Fn(&Value) -> String) -> String {
        let fill_in = |path: String, parameter: &&Value| {
            path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &fill(parameter))
        };
        self.parameters("path").iter().fold(self.path.clone(), fill_in)
    }

    fn fits(&self, path: &str) -> bool {
        let (mut told, mut asked) = (self.path.split('/'), path.split('/'));
        loop {
            match (told.next(), asked.next()) {
                (None, None) => return true,
                (Some(told), Some(asked)) if told == asked => {}
                (Some(told), Some(asked)) if told.starts_with('{') && !asked.is_empty() => {}
                _ => return false,
            }
        }
    }
}

/// Ids to put into paths.
pub struct Ids {
    pub endpoint: String,
    pub event: String,
    pub event_type: String,
    pub replay: String,
    pub source: String,
    pub token: String,
}

impl Ids {
    /// Of things that never were.
    pub fn nobodys() -> Self {
        let [endpoint, event, replay, source, token] =
            ["wh", "evt", "rpl", "src", "tok"].map(|prefix| format!("{prefix}_01J1C6ZGQ6FQTH2X6M2VS3P0XW"));
        Self { endpoint, event, event_type: "never.was".to_owned(), replay, source, token }
    }

    /// Of things of the tenant `default` that are made for it. The endpoint takes the event and is paused.
    pub async fn of(host: &Host) -> Self {
        let id = |answer: Answer| answer.data()["id"].as_str().expect("it is made").to_owned();
        let post = async |path: &str, body: &str| id(host.call(Method::POST, path, body).await);
        let endpoint =
            host.endpoint(r#"{"url":"http://127.0.0.1:9/","events":["a.*"],"status":"paused"}"#).await;
        Self {
            replay: post(&format!("/endpoints/{endpoint}/replay"), r#"{"status":["missing"]}"#).await,
            endpoint,
            event: post("/events", r#"{"type":"a.b","data":1}"#).await,
            event_type: {
                let put = host.call(Method::PUT, "/event-types/a.b", r#"{"sample":{"amount":3}}"#).await;
                put.data()["name"].as_str().expect("it is registered").to_owned()
            },
            source: post("/sources", r#"{"name":"theirs","dialect":"standard@1"}"#).await,
            token: post("/tokens", r#"{"scopes":["payload:read"]}"#).await,
        }
    }

    /// What to put in for a parameter of a path, by what the document says of it.
    pub fn fill(&self, parameter: &Value) -> String {
        let form = parameter["schema"]["pattern"].as_str().unwrap_or_default();
        let Self { endpoint, event, event_type, replay, source, token } = self;
        match (form.starts_with("^evt_"), form.contains("wh_")) {
            (true, true) => format!("{event}.{endpoint}"),
            (true, false) => event.clone(),
            (false, true) => endpoint.clone(),
            _ if parameter["name"] == "type" => event_type.clone(),
            _ if form.starts_with("^rpl_") => replay.clone(),
            _ if form.starts_with("^tok_") => token.clone(),
            _ if form.starts_with("^src_") || parameter["name"] == "source" => source.clone(),
            _ => panic!("the tests know no id for {parameter}"),
        }
    }
}

impl Contract {
    fn of(document: Value) -> Self {
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, told) in methods.as_object().unwrap() {
                operations.push(Operation {
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.clone(),
                    told: told.clone(),
                    pointer: format!("/paths/{}/{method}", path.replace('/', "~1")),
                });
            }
        }
        let mut strict = document.clone();
        close(&mut strict);
        Self { document, strict, operations, validators: Mutex::default() }
    }

    /// What the document has at a reference, or the value itself.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).expect(reference),
            None => value,
        }
    }

    /// The schema of the JSON that an operation takes.
    pub fn body<'a>(&'a self, operation: &'a Operation) -> Option<&'a Value> {
        let schema = operation.told.pointer("/requestBody/content/application~1json/schema")?;
        Some(self.resolve(schema))
    }

    /// Holds an answer to be one that the document has for this request, to the last field.
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let what = format!("{method} {path} -> {} {}", answer.status, answer.text);
        let path = path.split('?').next().unwrap();
        let fitting: Vec<_> = self.operations.iter().filter(|it| it.fits(path)).collect();
        // A literal path comes before one with a parameter in its place.
        let fewest = fitting.iter().map(|it| it.path.matches('{').count()).min();
        let fitting: Vec<_> =
            fitting.into_iter().filter(|it| Some(it.path.matches('{').count()) == fewest).collect();
        if fitting.is_empty() {
            assert_eq!(answer.status, 404, "an unknown path: {what}");
            return self.check_problem("NotFound", answer, &what);
        }
        let method_told = if *method == Method::HEAD { &Method::GET } else { method };
        let Some(operation) = fitting.iter().find(|it| it.method == method_told) else {
            assert_eq!(answer.status, 405, "an unknown method: {what}");
            let mut allowed: Vec<_> = fitting.iter().map(|it| it.method.as_str()).collect();
            allowed.extend(allowed.contains(&"GET").then_some("HEAD"));
            let mut told: Vec<_> = answer.header("allow").unwrap_or_default().split(", ").collect();
            allowed.sort_unstable();
            told.sort_unstable();
            assert_eq!(told, allowed, "{what}");
            return self.check_problem("MethodNotAllowed", answer, &what);
        };
        let response = &operation.told["responses"][answer.status.to_string()];
        assert!(response.is_object(), "a status that is not in the document: {what}");
        let pointer = match response["$ref"].as_str() {
            Some(reference) => reference.trim_start_matches('#').to_owned(),
            None => format!("{}/responses/{}", operation.pointer, answer.status),
        };
        if *method == Method::HEAD {
            assert_eq!(answer.text, "", "HEAD has no body: {what}");
        } else {
            self.check_response(&pointer, answer, &what);
        }
    }

    fn check_problem(&self, name: &str, answer: &Answer, what: &str) {
        // An answer to HEAD.
        if !answer.text.is_empty() {
            self.check_response(&format!("/components/responses/{name}"), answer, what);
        }
    }

    fn check_response(&self, pointer: &str, answer: &Answer, what: &str) {
        let response = self.strict.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not there"));
        for name in response["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
            assert!(answer.header(name).is_some(), "the header {name} is missing: {what}");
        }
        let Some(contents) = response["content"].as_object() else {
            return assert_eq!(answer.text, "", "the document has no body for this answer: {what}");
        };
        let (content_type, content) = contents.iter().next().unwrap();
        assert_eq!(answer.header("content-type"), Some(content_type.as_str()), "{what}");
        let instance = match content_type.ends_with("json") {
            true => answer.json(),
            false => Value::from(answer.text.as_str()),
        };
        let validator = self.validator(pointer, &content["schema"]);
        let wrong: Vec<_> =
            validator.iter_errors(&instance).map(|it| format!("{}: {it}", it.instance_path())).collect();
        assert!(wrong.is_empty(), "{what}\nis not what {pointer} says: {wrong:#?}");
    }

    fn validator(&self, pointer: &str, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let made = validators.entry(pointer.to_owned()).or_insert_with(|| {
            let rooted = json!({ "allOf": [schema], "components": self.strict["components"] });
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            Arc::new(options.build(&rooted).expect("a schema of the document is one"))
        });
        Arc::clone(made)
    }
}

/// Lets objects have the fields that are described and no others.
fn close(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("type").is_some_and(|it| it == "object")
                && members.contains_key("properties")
                && !members.contains_key("additionalProperties")
            {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        _ => {}
    }
}
