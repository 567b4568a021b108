//! Filters held against what their documentation says, and against asking without any shortcut.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::event::{Actor, ActorId, Resource};

fn filter(json: &str) -> Filter {
    Filter::new(json).unwrap_or_else(|error| panic!("{json}: {error:?}")).unwrap()
}

fn event(data: &str) -> NewEvent {
    let mut event = NewEvent::new("cases.created", data.to_owned()).unwrap();
    event.actor = Some(Actor { kind: "ui".to_owned(), id: Some(ActorId::Integer(7)), name: None });
    event.resource = Some(Resource { kind: "case".to_owned(), id: "C-1".to_owned() });
    event.tags = [("a.b".to_owned(), "x".to_owned())].into();
    event
}

fn takes(filter: &Filter, event: &NewEvent) -> bool {
    filter.takes(&Subject::new(event, &Lookout::new([filter])))
}

const DATA: &str = r#"{
  "status": "open", "amount": 1000.00, "big": 9007199254740993, "none": null, "urgent": true,
  "labels": ["new", "flood"], "items": [{"kind": "car", "n": [1, 2]}], "a.b": {"c/d": "~"}, "5": "five", "é": "ü\u0041"
}"#;

#[test]
fn a_path_and_what_must_stand_there() {
    let event = event(DATA);
    for (text, taken) in [
        (r#"{"data.status":"open"}"#, true),
        (r#"{"data.status":"Open"}"#, false),
        (r#"{"data.status":["closed","open"]}"#, true),
        (r#"{"data.status":{"in":["closed"]}}"#, false),
        (r#"{"data.status":{"not_in":["closed"]}}"#, true),
        (r#"{"data.status":{"prefix":"op","suffix":"en"}}"#, true),
        (r#"{"data.status":{"prefix":"op","suffix":"x"}}"#, false),
        (r#"{"data.status":{"contains":"pe"}}"#, true),
        (r#"{"data.status":{"gt":"oa","lt":"p"}}"#, true),
        (r#"{"data.status":{"gt":0}}"#, false),
        (r#"{"data.amount":1000}"#, true),
        (r#"{"data.amount":"1000"}"#, false),
        (r#"{"data.amount":{"gte":1e3,"lte":1000.0}}"#, true),
        (r#"{"data.amount":{"gt":1000}}"#, false),
        (r#"{"data.big":9007199254740993}"#, true),
        (r#"{"data.big":9007199254740992}"#, false),
        (r#"{"data.urgent":true}"#, true),
        (r#"{"data.urgent":1}"#, false),
        (r#"{"data.none":null}"#, true),
        (r#"{"data.none":{"exists":true}}"#, true),
        (r#"{"data.missing":null}"#, false),
        (r#"{"data.missing":{"exists":false}}"#, true),
        (r#"{"data.missing":{"ne":1,"not_in":[1,2]}}"#, true),
        (r#"{"data.missing":{"lt":1}}"#, false),
        (r#"{"data.labels":"flood"}"#, true),
        (r#"{"data.labels":{"contains":"flood"}}"#, true),
        (r#"{"data.labels":{"contains":"flo"}}"#, false),
        (r#"{"data.labels":{"prefix":"flo"}}"#, true),
        (r#"{"data.labels":{"ne":"flood"}}"#, false),
        (r#"{"data.labels":{"ne":"fire"}}"#, true),
        (r#"{"data.labels.1":"flood"}"#, true),
        (r#"{"data.labels.01":"flood"}"#, false),
        (r#"{"data.labels.2":{"exists":true}}"#, false),
        (r#"{"data.items.0.kind":"car"}"#, true),
        (r#"{"data.items.kind":"car"}"#, false),
        (r#"{"data.items":{"exists":true},"data.items.0.n":2}"#, true),
        (r#"{"/data/a.b/c~1d":"~"}"#, true),
        (r#"{"data.a.b":{"exists":true}}"#, false),
        (r#"{"data.5":"five"}"#, true),
        (r#"{"data.é":"üA"}"#, true),
        (r#"{"data":{"exists":true}}"#, true),
        (r#"{"type":["cases.created"],"resource.type":"case","resource.id":{"prefix":"C-"}}"#, true),
        (r#"{"actor.kind":"ui","actor.id":7}"#, true),
        (r#"{"actor.id":"7"}"#, false),
        (r#"{"actor.name":{"exists":false},"agency":{"ne":"north"}}"#, true),
        (r#"{"tags.a.b":"x","/tags/a.b":"x"}"#, true),
        (r#"{"data.status":"open","agency":"north"}"#, false),
    ] {
        assert_eq!(takes(&filter(text), &event), taken, "{text}");
    }
}

#[test]
fn a_payload_that_is_no_object_has_no_paths() {
    for data in ["1", "null", r#""status""#, "[]", "{}"] {
        assert!(!takes(&filter(r#"{"data.status":"open"}"#), &event(data)), "{data}");
    }
    assert!(takes(&filter(r#"{"data":{"gt":0}}"#), &event(" 1 ")));
    assert!(takes(&filter(r#"{"data.1.x":1}"#), &event(r#"[0,{"x":1}]"#)));
    let deep = "[".repeat(127) + &"]".repeat(127);
    assert!(takes(&filter(r#"{"data.0.0.0":{"exists":true}}"#), &event(&deep)));
}

#[test]
fn every_wrong_path_is_named() {
    for (text, fields) in [
        ("[]", &["filter"][..]),
        ("{", &["filter"]),
        (r#"{"dta.x":1}"#, &["filter.dta.x"]),
        (r#"{"data..x":1,"resource":1,"tags":1}"#, &["filter.data..x", "filter.resource", "filter.tags"]),
        (r#"{"/data/~2":1}"#, &["filter./data/~2"]),
        (
            r#"{"data.a":{"gte":true},"data.b":{"gte":"1","lt":[1]}}"#,
            &["filter.data.a.gte", "filter.data.b.lt"],
        ),
        (
            r#"{"data.a":{},"data.b":[],"data.c":[1,{}]}"#,
            &["filter.data.a", "filter.data.b", "filter.data.c[1]"],
        ),
        (
            r#"{"data.a":{"like":1,"exists":1,"prefix":1}}"#,
            &["filter.data.a.like", "filter.data.a.exists", "filter.data.a.prefix"],
        ),
        (r#"{"data.a":1,"data.a":2,"data.b":{"gt":1,"gt":2}}"#, &["filter.data.a", "filter.data.b.gt"]),
        (r#"{"data.a":[{},1,[]]}"#, &["filter.data.a[0]", "filter.data.a[2]"]),
        (r#"{"data":{"a":1},"$or":[{"data.b":1}]}"#, &["filter.data.a", "filter.$or", "filter.$or[0]"]),
        // What would be true of no event, or of every one.
        (r#"{"data.items[0].kind":"car","tags.":"x"}"#, &["filter.data.items[0].kind", "filter.tags."]),
        (
            r#"{"tags.n":{"gte":5},"resource.id":[7,"7"],"agency":null,"type":{"ne":true}}"#,
            &["filter.tags.n", "filter.resource.id", "filter.agency", "filter.type"],
        ),
    ] {
        let error = Filter::new(text).expect_err(text);
        let named: Vec<_> = error.field_errors().iter().map(|it| it.field.as_str()).collect();
        assert_eq!(named, fields, "{text}");
    }
    let error = Filter::new(r#"{"data.amount":{"gte":null}}"#).unwrap_err();
    assert_eq!(error.message(), "filter.data.amount.gte: must be a number or a string");
}

#[test]
fn a_filter_has_bounds() {
    let paths = |count: usize| {
        let all: Vec<_> = (0..count).map(|n| format!(r#""data.{n}":1"#)).collect();
        Filter::new(&format!("{{{}}}", all.join(",")))
    };
    assert!(paths(limits::FILTER_CLAUSES_MAX).is_ok() && paths(limits::FILTER_CLAUSES_MAX + 1).is_err());
    let values = |count: usize| Filter::new(&json!({"data.a": vec![1; count]}).to_string());
    assert!(values(limits::FILTER_VALUES_MAX).is_ok() && values(limits::FILTER_VALUES_MAX + 1).is_err());
    let deep = |names: usize| Filter::new(&format!(r#"{{"data{}":1}}"#, ".x".repeat(names - 1)));
    assert!(deep(limits::FILTER_DEPTH_MAX).is_ok() && deep(limits::FILTER_DEPTH_MAX + 1).is_err());
    assert!(Filter::new(&json!({"data.a": "x".repeat(limits::FILTER_BYTES_MAX)}).to_string()).is_err());
}

#[test]
fn one_without_paths_is_none_and_one_that_is_stored_is_read_again() {
    assert_eq!(Filter::new(" {} ").unwrap(), None);
    let filter = filter(r#"{ "data.a" : 1.0 }"#);
    assert_eq!(filter.as_str(), r#"{ "data.a" : 1.0 }"#, "as it was written");
    let stored = serde_json::to_string(&filter).unwrap();
    assert_eq!(serde_json::from_str::<Filter>(&stored).unwrap(), filter);
    // Accepted once, when there were fewer rules.
    let of_old = Filter::try_from(r#"{"tags.n":5,"data.items[0]":{"exists":false}}"#.to_owned()).unwrap();
    assert!(!takes(&of_old, &event("{}")));
}

#[test]
fn the_path_that_is_not_met_is_told() {
    let filter = filter(r#"{"data.a":1,"data.b":2,"data.c":3}"#);
    let (event, lookout) = (event(r#"{"a":1,"b":3}"#), Lookout::new([&filter]));
    assert_eq!(filter.unmet(&Subject::new(&event, &lookout)), Some("data.b"));
}

/// Values that meet often, written in several ways.
fn scalars() -> impl Strategy<Value = (Json, String)> {
    let number = (-3i64..4, 0usize..3).prop_map(|(number, style)| {
        let written = match style {
            0 => number.to_string(),
            1 => format!("{number}.0"),
            _ => format!("{}e-1", number * 10),
        };
        (json!(number), written)
    });
    let text = prop::sample::select(vec!["", "a", "ab", "b", "é", "\"", "1"])
        .prop_map(|text| (json!(text), json!(text).to_string()));
    let other = prop::sample::select(vec![Json::Null, json!(true), json!(false)])
        .prop_map(|it| (it.clone(), it.to_string()));
    prop_oneof![3 => number, 3 => text, 1 => other]
}

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "0", "1", "a.b", "é\""]).prop_map(str::to_owned)
}

/// JSON as a tree and as text, with names that come twice now and then.
fn trees() -> impl Strategy<Value = (Json, String)> {
    scalars().prop_recursive(4, 24, 4, |inner| {
        let object = prop::collection::vec((names(), inner.clone()), 0..4).prop_map(|members| {
            let text: Vec<_> =
                members.iter().map(|(name, (_, text))| format!("{} : {text}", json!(name))).collect();
            let tree = members.into_iter().map(|(name, (tree, _))| (name, tree)).collect();
            (Json::Object(tree), format!("{{{} }}", text.join(" ,")))
        });
        let array = prop::collection::vec(inner, 0..4).prop_map(|items| {
            let (trees, texts): (Vec<_>, Vec<_>) = items.into_iter().unzip();
            (Json::Array(trees), format!("[ {}]", texts.join(",")))
        });
        prop_oneof![object, array]
    })
}

#[derive(Clone, Debug)]
struct Asked {
    names: Vec<String>,
    operator: &'static str,
    value: (Json, String),
}

fn asked() -> impl Strategy<Value = Asked> {
    let operators = vec!["eq", "ne", "gt", "gte", "lt", "lte", "prefix", "suffix", "contains", "exists"];
    let all = (prop::collection::vec(names(), 0..4), prop::sample::select(operators), scalars());
    all.prop_filter_map("takes such a value", |(names, operator, value)| {
        let fits = match operator {
            "gt" | "gte" | "lt" | "lte" => value.0.is_number() || value.0.is_string(),
            "prefix" | "suffix" => value.0.is_string(),
            "exists" => value.0.is_boolean(),
            _ => true,
        };
        fits.then_some(Asked { names, operator, value })
    })
}

impl Asked {
    fn member(&self) -> String {
        let path: String = self.names.iter().map(|name| format!("/{name}")).collect();
        format!("{}:{{\"{}\":{}}}", json!(format!("/data{path}")), self.operator, self.value.1)
    }

    /// Asked step by step of a tree.
    fn holds(&self, data: &Json) -> bool {
        let step = |at: &Json, name: &String| match at {
            Json::Object(members) => members.get(name).cloned(),
            Json::Array(items) => name
                .parse::<usize>()
                .ok()
                .filter(|it| it.to_string() == *name)
                .and_then(|it| items.get(it).cloned()),
            _ => None,
        };
        let found = self.names.iter().try_fold(data.clone(), |at, name| step(&at, name));
        let wanted = &self.value.0;
        let each = match &found {
            None => vec![],
            Some(Json::Array(items)) => items.clone(),
            Some(one) => vec![one.clone()],
        };
        let text = |holds: fn(&str, &str) -> bool| {
            each.iter().any(|it| it.as_str().is_some_and(|it| holds(it, wanted.as_str().unwrap())))
        };
        let ordered = |holds: fn(std::cmp::Ordering) -> bool| {
            each.iter().any(|it| match (it, wanted) {
                (Json::Number(one), Json::Number(other)) => holds(one.as_i64().cmp(&other.as_i64())),
                (Json::String(one), Json::String(other)) => holds(one.chars().cmp(other.chars())),
                _ => false,
            })
        };
        match self.operator {
            "eq" => each.contains(wanted),
            "ne" => !each.contains(wanted),
            "gt" => ordered(std::cmp::Ordering::is_gt),
            "gte" => ordered(std::cmp::Ordering::is_ge),
            "lt" => ordered(std::cmp::Ordering::is_lt),
            "lte" => ordered(std::cmp::Ordering::is_le),
            "prefix" => text(|one, part| one.starts_with(part)),
            "suffix" => text(|one, part| one.ends_with(part)),
            "exists" => found.is_some() == *wanted,
            "contains" => match &found {
                Some(Json::String(text)) => wanted.as_str().is_some_and(|part| text.contains(part)),
                Some(Json::Array(items)) => items.contains(wanted),
                _ => false,
            },
            other => panic!("{other}"),
        }
    }
}

/// Texts as people and others write them.
fn scribble() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"data.a\"",
        "\"/data/~\"",
        "\"tags.x\"",
        "\"gte\"",
        "\"in\"",
        "\"contains\"",
        "1e400",
        "-0",
        "null",
        "\"\\ud800\"",
        "true",
        " ",
        "\"",
        "\\",
        "é",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_filter_and_no_payload_panics(inside in scribble(), value in scribble(), data in trees()) {
        for text in [inside.clone(), format!("{{{inside}}}"), format!(r#"{{"data.a":{value}}}"#)] {
            match Filter::new(&text) {
                Ok(Some(filter)) => {
                    takes(&filter, &event(&data.1));
                    prop_assert_eq!(Filter::try_from(filter.as_str().to_owned()).unwrap(), filter);
                }
                Ok(None) => {}
                Err(error) => prop_assert!(error.field_errors().iter().all(|it| it.field.starts_with("filter"))),
            }
        }
    }

    #[test]
    fn one_pass_over_the_text_answers_as_a_walk_through_the_tree(
        (tree, text) in trees(),
        filters in prop::collection::vec(prop::collection::vec(asked(), 1..4), 1..5),
    ) {
        let event = event(&text);
        let read: Vec<_> = filters.iter().filter_map(|all| {
            let members: Vec<_> = all.iter().map(Asked::member).collect();
            // The same path twice is refused.
            Some((Filter::new(&format!("{{{}}}", members.join(","))).ok().flatten()?, all))
        }).collect();
        let lookout = Lookout::new(read.iter().map(|(filter, _)| filter));
        let subject = Subject::new(&event, &lookout);
        for (filter, all) in &read {
            let naively = all.iter().all(|asked| asked.holds(&tree));
            prop_assert_eq!(filter.takes(&subject), naively, "{} {}", filter.as_str(), text);
        }
    }
}
