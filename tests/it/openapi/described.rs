//! What is taken in is described as it is read: no field more, none less, and nothing refused that is described.

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use crate::support::{
    contract::{CONTRACT, Ids, Operation},
    host::{Answer, Host},
};

const STRANGE: &str = "no such thing";

/// What operations take as one object, each with an example. Batches take many of an object that is here anyway.
fn objects() -> Vec<(&'static Operation, &'static Value, Value)> {
    let object = |operation: &'static Operation| {
        let schema = CONTRACT.body(operation).filter(|schema| schema["properties"].is_object())?;
        Some((operation, schema, good(schema)))
    };
    let objects: Vec<_> = CONTRACT.operations.iter().filter_map(object).collect();
    assert!(objects.len() > 5);
    objects
}

/// An example of the document, whose deliveries stay on this machine.
fn good(schema: &Value) -> Value {
    let mut example = schema["examples"].get(0).cloned().unwrap_or_else(|| json!({}));
    if let Some(url) = example.get_mut("url") {
        *url = json!("http://127.0.0.1:9/");
    }
    example
}

struct Caller {
    host: Host,
    ids: Ids,
}

impl Caller {
    async fn start() -> Self {
        let host = Host::start().await;
        let ids = Ids::of(&host).await;
        Self { host, ids }
    }

    async fn send(&self, operation: &Operation, query: &str, body: &Value) -> Answer {
        let path = operation.filled(|parameter| self.ids.fill(parameter)) + query;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.host.call(operation.method.clone(), &path, &body).await
    }
}

/// What a 422 says of a field, or of what is in it.
fn said_of<'a>(problem: &'a Value, name: &str) -> Option<&'a str> {
    let inside = |field: &str| {
        field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let errors = problem["errors"].as_array().into_iter().flatten();
    errors.into_iter().find(|error| inside(error["field"].as_str().unwrap()))?["message"].as_str()
}

/// The names that a message lists.
fn listed(message: &str) -> Vec<String> {
    let (_, names) = message
        .split_once("there are ")
        .unwrap_or_else(|| panic!("it names those that there are: {message}"));
    let mut names: Vec<_> = names.split(", ").map(str::to_owned).collect();
    names.sort_unstable();
    names
}

fn sorted(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
    names.sort_unstable();
    names
}

#[actix_web::test]
async fn bodies_have_the_fields_that_are_described_and_no_others() {
    let caller = Caller::start().await;
    for (operation, schema, good) in objects() {
        let what = operation.id();
        let properties = schema["properties"].as_object().unwrap();
        let taken = caller.send(operation, "", &good).await;
        assert!(taken.status < 300, "{what}: the example is good: {}", taken.text);
        let problem = caller.send(operation, "", &json!({ STRANGE: 1 })).await.problem(422);
        let message = said_of(&problem, STRANGE).expect(what);
        assert_eq!(listed(message), sorted(properties.keys()), "{what}");

        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
        for name in &required {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(name.as_str().unwrap());
            let problem = caller.send(operation, "", &without).await.problem(422);
            assert!(said_of(&problem, name.as_str().unwrap()).is_some(), "{what} needs {name}: {problem}");
        }
        for (name, property) in properties.iter().filter(|(_, property)| property["properties"].is_object()) {
            let body = with(&good, name, json!({ STRANGE: 1 }));
            let problem = caller.send(operation, "", &body).await.problem(422);
            let message = said_of(&problem, &format!("{name}.{STRANGE}")).expect(what);
            let fields = property["properties"].as_object().unwrap().keys();
            assert_eq!(listed(message), sorted(fields), "{what}: {name}");
        }
    }
    caller.host.stop().await;
}

fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut members: Map<String, Value> = object.as_object().unwrap().clone();
    members.insert(name.to_owned(), value);
    members.into()
}

#[actix_web::test]
async fn what_a_schema_refuses_is_refused_and_what_is_of_the_wrong_type_the_schema_refuses() {
    let caller = Caller::start().await;
    let long = "x".repeat(5_000);
    let samples = json!([
        null, true, 1, -1, 1.5, 4_000_000_000_i64, "", "x", long, [], [1], ["x"], [""], {}, {"x": 1}, {"x": "y"}
    ]);
    for (operation, schema, good) in objects() {
        for (name, property) in schema["properties"].as_object().unwrap() {
            let schema = jsonschema::draft202012::new(property).unwrap();
            for sample in samples.as_array().unwrap() {
                let what = format!(
                    "{}: {name} = {}",
                    operation.id(),
                    &sample.to_string()[..sample.to_string().len().min(40)]
                );
                let answer = caller.send(operation, "", &with(&good, name, sample.clone())).await;
                let problem = if answer.status == 422 { answer.json() } else { Value::Null };
                let refused = said_of(&problem, name);
                let described = schema.is_valid(sample);
                assert!(
                    described || refused.is_some(),
                    "{what} is not described, and taken: {}",
                    answer.text
                );
                let mistyped = refused.is_some_and(|message| message.contains("; send "));
                assert!(!(described && mistyped), "{what} is described, and refused: {refused:?}");
            }
        }
    }
    caller.host.stop().await;
}

#[actix_web::test]
async fn queries_have_the_parameters_that_are_described() {
    let caller = Caller::start().await;
    for operation in &CONTRACT.operations {
        let parameters = operation.parameters("query");
        // A deletion that is right is done, once.
        if parameters.is_empty() || operation.method != Method::GET {
            continue;
        }
        let what = operation.id();
        let answer = caller.send(operation, &format!("?{}=1", STRANGE.replace(' ', "+")), &Value::Null).await;
        if answer.status == 422 {
            let problem = answer.json();
            let names = listed(said_of(&problem, STRANGE).expect(what));
            assert_eq!(names, sorted(parameters.iter().map(|it| it["name"].as_str().unwrap())), "{what}");
        } else {
            assert_eq!(
                parameters.len(),
                2,
                "{what}: only a list without filters passes over what it does not know"
            );
        }
        for parameter in parameters {
            check_parameter(&caller, operation, parameter).await;
        }
    }
    caller.host.stop().await;
}

/// What the schema has is taken, what it does not have is refused.
async fn check_parameter(caller: &Caller, operation: &Operation, parameter: &Value) {
    let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap();
    let told = ["enum", "examples"].map(|word| schema[word].as_array().cloned().unwrap_or_default()).concat();
    let samples = ["", "x", "0", "1", "-1", "200", "201", "today", "people/7", "!", "%", "\u{1f600}", "a b"];
    for sample in told.iter().cloned().chain(samples.map(Value::from)) {
        let text = sample.as_str().unwrap();
        let value = text.parse::<i64>().map_or(sample.clone(), |number| match schema["type"] == "integer" {
            true => number.into(),
            false => sample.clone(),
        });
        let query: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let answer = caller.send(operation, &format!("?{name}={query}"), &Value::Null).await;
        let problem = if answer.status == 422 { answer.json() } else { Value::Null };
        let refused = said_of(&problem, name);
        let what = format!("{}: {name}={text}", operation.id());
        assert!(validator.is_valid(&value) || refused.is_some(), "{what} is not described, and taken");
        assert!(
            !told.contains(&sample) || refused.is_none(),
            "{what} is described, and refused: {refused:?}"
        );
    }
}
