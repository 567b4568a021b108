//! Schemas as the specification reads them, keyword by keyword.

use super::*;

fn read(schema: &str) -> Schema {
    Schema::new(schema).unwrap_or_else(|error| panic!("{schema}: {error:?}"))
}

fn check(schema: &Schema, value: &str) -> Result<()> {
    schema.check("data", value.as_bytes(), &mut Effort::default())
}

fn wrong(schema: &str, value: &str) -> Vec<String> {
    match check(&read(schema), value) {
        Ok(()) => Vec::new(),
        Err(error) => error.field_errors().iter().map(|it| it.field.clone()).collect(),
    }
}

fn refused(schema: &str) -> Vec<String> {
    let error = Schema::new(schema).expect_err(schema);
    error.field_errors().iter().map(|it| it.field.clone()).collect()
}

#[test]
fn every_keyword_takes_what_it_should_and_nothing_else() {
    for (schema, good, bad) in [
        ("true", &["1", "null", "{}"][..], &[][..]),
        ("false", &[], &["1", "null"]),
        ("{}", &["1", "[]"], &[]),
        (r#"{"type":"integer"}"#, &["1", "1.0", "1e3", "-0"], &["1.5", "\"1\"", "null", "true"]),
        (r#"{"type":["string","null"]}"#, &["\"\"", "null"], &["0", "[]"]),
        (r#"{"type":"number"}"#, &["1", "1.5", "1e400"], &["{}"]),
        (
            r#"{"enum":[1,"a",{"b":[1,2]},null]}"#,
            &["1.0", "\"\\u0061\"", r#"{"b":[1,2.0]}"#, "null"],
            &["2", r#"{"b":[2,1]}"#],
        ),
        (r#"{"const":{"a":1,"b":2}}"#, &[r#"{"b":2,"a":1}"#], &[r#"{"a":1}"#]),
        (r#"{"minimum":1.5,"exclusiveMaximum":3}"#, &["1.5", "2.99", "\"0\""], &["1.49", "3"]),
        (r#"{"minimum":9007199254740993}"#, &["9007199254740993"], &["9007199254740992"]),
        (r#"{"exclusiveMinimum":1,"maximum":3}"#, &["1.01", "3"], &["1", "3.01"]),
        (r#"{"multipleOf":0.01}"#, &["19.99", "0", "-3", "1e400", "[]"], &["19.999", "1e-400"]),
        (r#"{"multipleOf":1e400}"#, &["2e400", "0", "-0.0"], &["1e399"]),
        (r#"{"const":-0,"enum":[0]}"#, &["0", "-0", "0.0", "-0e7"], &["1e-400", "\"0\""]),
        (r#"{"maximum":1e400,"minimum":-1e400}"#, &["1e400", "-1e400", "0"], &["1.1e400", "-1e401"]),
        (
            r#"{"minimum":0.1,"maximum":0.3}"#,
            &["0.30", "0.1"],
            &["0.30000000000000004", "0.09999999999999999"],
        ),
        (r#"{"minLength":1,"maxLength":2}"#, &["\"é\"", "\"ab\"", "7"], &["\"\"", "\"abc\""]),
        (
            r#"{"minLength":2,"maxLength":2}"#,
            &[r#""😀\ud83d\ude00""#, r#""\ude00\ud83d""#, r#""e\u0301""#],
            &["\"😀\""],
        ),
        (r#"{"const":"\ud800"}"#, &[r#""\uD800""#], &[r#""\ufffd""#, r#""\ud801""#]),
        (
            r#"{"properties":{"\udc00":false},"required":["\ud800"],"dependentRequired":{"\ud800":["\ud801"]}}"#,
            &[r#"{"\ud800":1,"\ud801":1}"#],
            &["{}", r#"{"\ud800":1}"#, r#"{"\ud800":1,"\ud801":1,"\udc00":1}"#],
        ),
        (r#"{"pattern":"^.\\s.$"}"#, &[r#""\ud800 x""#, "\"x\u{a0}é\""], &["\"x\\n\\n\"", "\"xx\""]),
        (r#"{"pattern":"^C-[0-9]+$"}"#, &["\"C-1\"", "1"], &["\"C-\"", "\"xC-1\""]),
        (
            r#"{"minItems":1,"maxItems":2,"uniqueItems":true}"#,
            &["[1]", "[1,2]", "{}"],
            &["[]", "[1,2,3]", "[1,1.0]"],
        ),
        (r#"{"items":{"type":"string"}}"#, &["[]", "[\"a\"]", "1"], &["[1]"]),
        (
            r#"{"prefixItems":[{"type":"string"},true],"items":false}"#,
            &["[]", "[\"a\",1]"],
            &["[1]", "[\"a\",1,2]"],
        ),
        (r#"{"contains":{"const":1}}"#, &["[2,1]"], &["[]", "[2]"]),
        (r#"{"contains":{"const":1},"minContains":0,"maxContains":1}"#, &["[]", "[1]"], &["[1,1]"]),
        (
            r#"{"required":["a"],"minProperties":1,"maxProperties":2}"#,
            &[r#"{"a":null}"#, "[]"],
            &["{}", r#"{"b":1}"#, r#"{"a":1,"b":1,"c":1}"#],
        ),
        (
            r#"{"properties":{"a":{"type":"string"}},"patternProperties":{"^x":{"type":"null"}},"additionalProperties":false}"#,
            &["{}", r#"{"a":"","x1":null}"#],
            &[r#"{"a":1}"#, r#"{"x1":1}"#, r#"{"b":1}"#],
        ),
        (r#"{"additionalProperties":{"type":"string"}}"#, &[r#"{"a":""}"#], &[r#"{"a":1}"#]),
        (r#"{"propertyNames":{"maxLength":1}}"#, &[r#"{"a":1}"#], &[r#"{"ab":1}"#]),
        (r#"{"dependentRequired":{"a":["b"]}}"#, &["{}", r#"{"b":1}"#, r#"{"a":1,"b":1}"#], &[r#"{"a":1}"#]),
        (
            r#"{"dependentSchemas":{"a":{"maxProperties":1}}}"#,
            &[r#"{"b":1,"c":1}"#, r#"{"a":1}"#],
            &[r#"{"a":1,"b":1}"#],
        ),
        (r#"{"allOf":[{"minimum":1},{"maximum":2}]}"#, &["1", "2"], &["0", "3"]),
        (r#"{"anyOf":[{"type":"string"},{"minimum":2}]}"#, &["\"\"", "2"], &["1"]),
        (r#"{"oneOf":[{"multipleOf":2},{"multipleOf":3}]}"#, &["2", "3"], &["6", "1"]),
        (r#"{"not":{"type":"null"}}"#, &["1"], &["null"]),
        (
            r#"{"if":{"required":["a"]},"then":{"required":["b"]},"else":{"required":["c"]}}"#,
            &[r#"{"a":1,"b":1}"#, r#"{"c":1}"#],
            &[r#"{"a":1}"#, "{}"],
        ),
        (
            r##"{"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"string"}},"maxLength":1}"##,
            &["\"a\""],
            &["1", "\"ab\""],
        ),
        (r##"{"$ref":"#/$defs/a%22%25b","$defs":{"a\"%b":{"type":"string"}}}"##, &["\"\""], &["1"]),
        (
            r##"{"properties":{"child":{"$ref":"#"}},"required":["n"]}"##,
            &[r#"{"n":1,"child":{"n":2}}"#],
            &[r#"{"n":1,"child":{}}"#],
        ),
        (
            r#"{"format":"email","title":"t","x-own":{"a":1},"$schema":"https://json-schema.org/draft/2020-12/schema"}"#,
            &["1", "\"\""],
            &[],
        ),
    ] {
        for value in good {
            assert_eq!(wrong(schema, value), [""; 0], "{schema} {value}");
        }
        for value in bad {
            assert!(!wrong(schema, value).is_empty(), "{schema} {value}");
        }
    }
}

#[test]
fn all_that_does_not_fit_is_named_by_its_place() {
    let schema = r#"{
        "type": "object", "required": ["id", "owner"],
        "properties": {
            "amount": {"type": "integer", "minimum": 0},
            "owner": {"type": "object", "required": ["id"]},
            "items": {"items": {"properties": {"kind": {"enum": ["car", "house"]}}}}
        }
    }"#;
    let value = r#"{"amount": -1.5, "owner": {}, "items": [{}, {"kind": "boat"}]}"#;
    assert_eq!(
        wrong(schema, value),
        ["data.id", "data.amount", "data.amount", "data.items[1].kind", "data.owner.id"]
    );
    assert_eq!(wrong(schema, "[]"), ["data"]);
    let error = check(&read(schema), r#"{"id":1,"owner":{"id":1},"amount":"5"}"#).unwrap_err();
    assert_eq!(error.message(), "data.amount: is of the type string; it must be integer");
}

#[test]
fn what_is_not_supported_or_a_mistake_is_refused_by_its_place() {
    for (schema, places) in [
        ("1", &["schema"][..]),
        ("{", &["schema"]),
        (r#"{"type":"text","minimum":"1"}"#, &["schema.minimum", "schema.type"]),
        (
            r#"{"properties":{"a":{"requried":["b"]},"b":1}}"#,
            &["schema.properties.a.requried", "schema.properties.b"],
        ),
        (r#"{"$ref":"https://example.com/schema"}"#, &["schema.$ref"]),
        (r#"{"items":{"$ref":"file:///etc/passwd"}}"#, &["schema.items.$ref"]),
        (r##"{"$ref":"#/$defs/none"}"##, &["schema.$ref"]),
        (r##"{"$ref":"#name"}"##, &["schema.$ref"]),
        (r#"{"items":[true]}"#, &["schema.items"]),
        (r#"{"pattern":"(?=a)b"}"#, &["schema.pattern"]),
        (r#"{"pattern":"(a)\\1"}"#, &["schema.pattern"]),
        (r#"{"pattern":"((a{100}){100}){100}"}"#, &["schema.pattern"]),
        (
            r#"{"maxLength":-1,"minItems":0.5,"multipleOf":0}"#,
            &["schema.maxLength", "schema.minItems", "schema.multipleOf"],
        ),
        (r#"{"pattern":"\\p{L}"}"#, &["schema.pattern"]),
        (r#"{"patternProperties":{"\ud800":true}}"#, &["schema.patternProperties.\u{fffd}\u{fffd}\u{fffd}"]),
        (r#"{"unevaluatedProperties":false}"#, &["schema.unevaluatedProperties"]),
        (r#"{"$defs":{"a":{"typ":"string"}}}"#, &["schema.$defs.a.typ"]),
        (r#"{"dependencies":{},"additionalItems":true}"#, &["schema.additionalItems", "schema.dependencies"]),
        (r#"{"items":{"$id":"https://example.com/a"}}"#, &["schema.items.$id"]),
        (r#"{"$schema":"http://json-schema.org/draft-07/schema#"}"#, &["schema.$schema"]),
        (r##"{"$ref":"#"}"##, &["schema"]),
        (r##"{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"not":{"$ref":"#/anyOf/0"}}}}"##, &["schema"]),
    ] {
        assert_eq!(refused(schema), places, "{schema}");
    }
}

#[test]
fn a_schema_that_takes_for_ever_gives_up() {
    let mut doubling = String::new();
    for n in 0..40 {
        let next = n + 1;
        doubling +=
            &format!(r##""d{n}":{{"anyOf":[{{"$ref":"#/$defs/d{next}"}},{{"$ref":"#/$defs/d{next}"}}]}},"##);
    }
    let schema = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{doubling}"d40":false}}}}"##);
    assert_eq!(wrong(&schema, "1"), ["data"]);
    // As deep as JSON may be.
    let deep = "[".repeat(127) + &"]".repeat(127);
    assert_eq!(wrong(r##"{"items":{"$ref":"#"}}"##, &deep), [""; 0]);
}

#[test]
fn neither_a_schema_nor_a_value_can_be_deep_enough_to_do_harm() {
    let chain = |length: usize| {
        let links: String =
            (0..length).map(|n| format!(r##""d{n}":{{"$ref":"#/$defs/d{}"}},"##, n + 1)).collect();
        format!(
            r##"{{"properties":{{"x":{{"$ref":"#/$defs/d0"}}}},"$defs":{{{links}"d{length}":{{"$ref":"#"}}}}}}"##
        )
    };
    assert!(Schema::new(&chain(1_500)).is_err());
    let deep = "{\"x\":".repeat(126) + "1" + &"}".repeat(126);
    assert_eq!(wrong(&chain(100), &deep), ["data"], "given up");
    assert_eq!(wrong(&chain(0), &deep), [""; 0]);
}

#[test]
fn what_is_large_but_ordinary_is_held_against_patterns_and_lists_of_values() {
    let schema = r#"{"items":{"required":["id","kind"],"properties":{
        "id":{"pattern":"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},"kind":{"enum":["open","closed"]}}}}"#;
    let one = r#"{"id":"01234567-89ab-cdef-0123-456789abcdef","kind":"open"}"#;
    let many = format!("[{}]", vec![one; 10_000].join(","));
    check(&read(schema), &many).unwrap();
}

#[test]
fn of_many_mistakes_the_first_are_told_and_how_many_there_are_besides() {
    let items = vec!["0"; 50].join(",");
    let error = check(&read(r#"{"items":{"type":"string"}}"#), &format!("[{items}]")).unwrap_err();
    let told = error.field_errors();
    assert_eq!((told.len(), told[19].field.as_str(), told[20].field.as_str()), (21, "data[19]", "data"));
    assert!(told[20].message.starts_with("has 30 more mistakes"), "{}", told[20].message);
    assert!(error.message().ends_with("first data[0]: is of the type number; it must be string"), "{error}");

    let keywords: Vec<_> = (0..50).map(|n| format!(r#""k{n}":1"#)).collect();
    let error = Schema::new(&format!("{{{}}}", keywords.join(","))).unwrap_err();
    assert_eq!(error.field_errors().len(), 21);
    assert!(error.field_errors()[20].message.starts_with("has 30 more mistakes"));
}

#[test]
fn what_a_schema_holds_in_memory_has_a_bound_that_the_journal_does_not_ask_for() {
    let properties = |pattern: &dyn Fn(usize) -> String| {
        let all: Vec<_> = (0..900).map(|n| format!(r#""p{n}":{{"pattern":"{}"}}"#, pattern(n))).collect();
        format!(r#"{{"properties":{{{}}}}}"#, all.join(","))
    };
    // An expensive one again and again costs once; cheap ones of all sorts are cheap.
    read(&properties(&|_| "^([a-z]{1,40}-){4}$".to_owned()));
    let large = properties(&|n| format!("^[a-z]{{100}}{n}$"));
    let error = Schema::new(&large).unwrap_err();
    let first = &error.field_errors()[0];
    assert!(first.field.starts_with("schema.properties.p") && first.field.ends_with(".pattern"), "{first}");
    assert!(first.message.contains("compiled"), "{first}");

    let values =
        |count: usize| format!(r#"{{"properties":{{"a":{{"enum":[{}]}}}}}}"#, vec!["1"; count].join(","));
    read(&values(limits::SCHEMA_VALUES_MAX));
    assert_eq!(refused(&values(limits::SCHEMA_VALUES_MAX + 1)), ["schema.properties.a.enum"]);

    for (stored, fits, other) in [
        (large, r#"{"p1":"a"}"#, None),
        (values(20_000), r#"{"a":1.0}"#, Some(r#"{"a":2}"#)),
        (r#"{"pattern":"(?i)^a$","$defs":{"b":{"c":1}}}"#.to_owned(), "\"A\"", Some("\"b\"")),
    ] {
        let schema = Schema::try_from(stored).unwrap();
        assert!(other.is_none() || check(&schema, fits).is_ok(), "{fits}");
        assert!(other.is_none_or(|other| check(&schema, other).is_err()), "{other:?}");
    }
}

#[test]
fn all_values_of_a_request_take_no_longer_than_one_may_twice() {
    let doubling: Vec<_> = (0..40)
        .map(|n| {
            format!(r##""d{n}":{{"anyOf":[{{"$ref":"#/$defs/d{0}"}},{{"$ref":"#/$defs/d{0}"}}]}}"##, n + 1)
        })
        .collect();
    let hostile =
        read(&format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d40":false}}}}"##, doubling.join(",")));
    let mut effort = Effort::default();
    let mut held = || hostile.check("data", b"1", &mut effort).unwrap_err().message().to_owned();
    assert!(held().contains("make the schema simpler") && held().contains("make the schema simpler"));
    for _ in 2..100_000 {
        assert!(held().contains("send fewer at once"));
    }
}

#[test]
fn nothing_about_a_value_is_looked_at_without_being_counted() {
    let repeated = |item: &str, times: usize| vec![item; times].join(",");
    let names: Vec<_> = (0..3_000).map(|n| format!(r#""{n}":[]"#)).collect();
    let (long, dear) = ("x".repeat(30_000), repeated(r#"{"multipleOf":7}"#, 1_900));
    for (schema, value) in [
        (
            format!(r#"{{"items":{{"dependentRequired":{{{}}}}}}}"#, names.join(",")),
            format!("[{}]", repeated("{}", 1_000)),
        ),
        (
            format!(r#"{{"items":{{"required":["{long}"],"minProperties":0}}}}"#),
            format!("[{}]", repeated("{}", 10_000)),
        ),
        (format!(r#"{{"items":{{"allOf":[{dear}]}}}}"#), format!("[{}]", repeated("1e60", 300))),
        (
            format!(r#"{{"allOf":[{}]}}"#, repeated(r#"{"additionalProperties":true}"#, 500)),
            format!(r#"{{"{}":1}}"#, "y".repeat(1_000_000)),
        ),
        (r#"{"items":{"pattern":"^[a-z]{99}$"}}"#.to_owned(), format!(r#"["{}"]"#, "y".repeat(1_000_000))),
    ] {
        let error = check(&read(&schema), &value).unwrap_err();
        assert!(error.message().contains("takes too long"), "{} {error}", limits::shorten(&schema));
    }
}

/// Schemas of all keywords, sensible or not, and values that they may be about.
mod soup {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    pub(super) fn values() -> impl Strategy<Value = Value> {
        let scalars = prop_oneof![
            prop::sample::select(vec![json!(null), json!(true), json!(0), json!(1), json!(-2), json!(1.5)]),
            "[ab1é ]{0,3}".prop_map(Value::from),
        ];
        scalars.prop_recursive(3, 16, 4, |inner| {
            let object = prop::collection::btree_map("[ab]{1,2}", inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::Array),
                object.prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }

    fn argument(inner: impl Strategy<Value = Value> + Clone + 'static) -> impl Strategy<Value = Value> {
        let list = prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array);
        let named = prop::collection::btree_map("[ab]{1,2}", inner.clone(), 0..3);
        let texts =
            vec!["string", "integer", "a", "^[ab]*$", "(", "#", "#/$defs/a", "#/properties/b", "\\S", "[]"];
        prop_oneof![
            3 => inner,
            2 => list,
            2 => named.prop_map(|it| Value::Object(it.into_iter().collect())),
            2 => prop::sample::select(texts).prop_map(Value::from),
            1 => values(),
        ]
    }

    fn keywords() -> impl Strategy<Value = String> {
        let all = "type enum const minimum maximum exclusiveMinimum multipleOf minLength maxLength pattern minItems \
                   maxItems uniqueItems items prefixItems contains minContains maxContains required minProperties \
                   properties patternProperties additionalProperties propertyNames dependentRequired dependentSchemas \
                   allOf anyOf oneOf not if then else $ref $defs title";
        prop::sample::select(all.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn schemas() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::Bool), Just(json!({}))];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop::collection::btree_map(keywords(), argument(inner.boxed()), 0..5)
                .prop_map(|it| Value::Object(it.into_iter().collect::<Map<_, _>>()))
        })
    }

    proptest! {
        #[test]
        fn no_schema_and_no_value_panics_and_one_that_is_accepted_is_read_again(
            schema in schemas(),
            values in prop::collection::vec(values(), 1..4),
        ) {
            let text = schema.to_string();
            let Ok(schema) = Schema::new(&text) else {
                let _ = Schema::try_from(text);
                return Ok(());
            };
            let again = Schema::try_from(text).unwrap();
            for value in values {
                let (first, second) = (check(&schema, &value.to_string()), check(&again, &value.to_string()));
                prop_assert_eq!(first, second);
            }
        }
    }
}
