//! The document: valid, whole, and the same wherever it comes from.

use std::{
    collections::BTreeSet,
    io::Write,
    panic::catch_unwind,
    process::{Command, Stdio},
};

use actix_web::http::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use casewire_data::token::Scope;
use serde_json::{Value, json};

use crate::{
    binary::{self, skip},
    support::{
        contract::CONTRACT,
        host::{Answer, Host, PREFIX},
    },
    verifiers::can,
};

const VALIDATE: &str = include_str!("validate.py");

#[actix_web::test]
async fn whoever_has_a_token_is_told_what_the_library_and_the_program_tell() {
    let host = Host::start().await;
    host.send(Method::GET, "/openapi.json", &[], Vec::new()).await.problem(401);
    let token = host.token("north", &[Scope::EventsPublish]).await;
    let answer = host.call_as(&token, Method::GET, "/openapi.json", "").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, casewire::openapi(PREFIX).as_str()));
    assert_eq!(answer.json()["servers"], json!([{ "url": PREFIX }]));

    let printed = binary::run(&["openapi"], &[]);
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert_eq!(serde_json::from_str::<Value>(&printed.stdout).unwrap(), CONTRACT.document);
    host.stop().await;
}

/// `CASEWIRE_PYTHON` names a Python into which `pip install openapi-spec-validator` was done.
#[test]
fn it_is_what_openapi_3_1_asks_for() {
    let interpreter = std::env::var("CASEWIRE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !can(Command::new(&interpreter).args(["-c", "import openapi_spec_validator"])) {
        return skip("python does not have the package openapi-spec-validator (CASEWIRE_PYTHON)");
    }
    let mut validator =
        Command::new(&interpreter).args(["-c", VALIDATE]).stdin(Stdio::piped()).spawn().unwrap();
    validator.stdin.take().unwrap().write_all(CONTRACT.document.to_string().as_bytes()).unwrap();
    assert!(validator.wait().unwrap().success(), "it says on stderr what is wrong");
}

#[test]
fn an_answer_that_is_not_described_is_noticed() {
    let noticed = |method, path, status, content_type: &'static str, text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let answer = Answer { status, headers, text: text.to_owned() };
        catch_unwind(|| CONTRACT.check(&method, path, &answer)).is_err()
    };
    let (get, json) = (Method::GET, "application/json");
    assert!(!noticed(get.clone(), "/healthz", 200, json, r#"{"status":"ok"}"#));
    assert!(noticed(get.clone(), "/healthz", 200, json, r#"{"status":"ok","more":1}"#));
    assert!(noticed(get.clone(), "/healthz", 200, json, "{}"));
    assert!(noticed(get.clone(), "/healthz", 200, "text/plain", r#"{"status":"ok"}"#));
    assert!(noticed(get.clone(), "/healthz", 202, json, r#"{"status":"ok"}"#));
    assert!(noticed(get.clone(), "/nothing", 200, json, r#"{"status":"ok"}"#));
    assert!(noticed(Method::PUT, "/healthz", 200, json, r#"{"status":"ok"}"#));
    let receipt = |id| json!({ "data": { "id": id, "type": "a", "deliveries": 0, "duplicate": false } });
    let published = |id| noticed(Method::POST, "/events", 202, json, &receipt(id).to_string());
    assert!(!published("evt_01J1C6ZGQ6FQTH2X6M2VS3P0XW"));
    assert!(published("wh_01J1C6ZGQ6FQTH2X6M2VS3P0XW"));
}

#[test]
fn schemas_are_schemas_and_references_lead_somewhere() {
    for (name, schema) in CONTRACT.document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}: {schema}");
        assert!(!name.is_empty() && !name.ends_with("View"), "{name} is a name for readers");
    }
    let mut references = Vec::new();
    gather(&CONTRACT.document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        CONTRACT.resolve(&json!({ "$ref": reference }));
    }
}

fn gather(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, references)),
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| gather(member, references));
        }
        _ => {}
    }
}

#[test]
fn every_operation_says_what_a_reader_needs() {
    let mut ids = BTreeSet::new();
    for operation in &CONTRACT.operations {
        let (id, told) = (operation.id(), &operation.told);
        assert!(ids.insert(id), "{id} is the name of one operation");
        assert!(told["summary"].as_str().is_some_and(|text| !text.is_empty()), "{id} has a summary");
        let responses = told["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{id} can succeed");

        let in_path: Vec<_> =
            operation.parameters("path").into_iter().map(|it| it["name"].as_str().unwrap()).collect();
        let in_braces: Vec<_> = operation.path.split('/').filter(|it| it.starts_with('{')).collect();
        let in_braces: Vec<_> = in_braces.iter().map(|it| it.trim_matches(['{', '}'])).collect();
        assert_eq!(in_path, in_braces, "{id} describes its path");
        if operation.method == Method::PATCH || operation.method == Method::PUT {
            assert!(CONTRACT.body(operation).is_some(), "{id} takes something");
        }
    }
}

#[test]
fn every_operation_has_a_command_that_prints_tables_and_json() {
    let mut commands = BTreeSet::new();
    for operation in &CONTRACT.operations {
        let (command, none) =
            (&operation.told["x-casewire-command"], &operation.told["x-casewire-no-command"]);
        match (command.as_str(), none.as_str()) {
            (Some(command), None) => {
                commands.insert(command);
            }
            (None, Some(why)) => assert!(!why.is_empty(), "{}: no command, and why", operation.id()),
            _ => panic!("{} names its command, or why there is none", operation.id()),
        }
    }
    for command in commands {
        let words: Vec<_> = command.split(' ').skip(1).chain(["--help"]).collect();
        let help = binary::run(&words, &[]);
        assert_eq!(help.code, Some(0), "{command}: {}", help.stderr);
        assert!(help.stdout.contains(&format!("Usage: {command}")), "{command}: {}", help.stdout);
        assert!(help.stdout.contains("--json"), "{command}: {}", help.stdout);
    }
}
