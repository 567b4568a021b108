//! Schemas as the specification reads them, keyword by keyword.

use super::*;

fn wrong(schema: &str, value: &str) -> Vec<String> {
    let schema = Schema::new(schema).unwrap_or_else(|error| panic!("{schema}: {error:?}"));
    match schema.check("data", value.as_bytes()) {
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
        (r#"{"multipleOf":0.01}"#, &["19.99", "0", "-3", "[]"], &["19.999"]),
        (r#"{"minLength":1,"maxLength":2}"#, &["\"é\"", "\"ab\"", "7"], &["\"\"", "\"abc\""]),
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
    let error =
        Schema::new(schema).unwrap().check("data", br#"{"id":1,"owner":{"id":1},"amount":"5"}"#).unwrap_err();
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
        (r#"{"unevaluatedProperties":false}"#, &["schema.unevaluatedProperties"]),
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
    assert_eq!(refused(&chain(1_500)).len(), 1);
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
    Schema::new(schema).unwrap().check("data", many.as_bytes()).unwrap();
}
