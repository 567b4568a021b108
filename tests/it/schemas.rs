//! What a schema says of a payload is what an independent implementation of JSON Schema says of it.

use casewire_data::schema::{Effort, Schema};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn values() -> BoxedStrategy<Value> {
    let scalars = prop_oneof![
        prop::sample::select(vec![json!(null), json!(true), json!(false), json!("a b"), json!("é😀")]),
        (-6i64..12).prop_map(|it| json!(it)),
        (-6i32..12).prop_map(|it| json!(f64::from(it) / 2.0)),
        "[ab]{0,3}".prop_map(Value::from),
    ];
    let values = scalars.prop_recursive(3, 20, 4, |inner| {
        let object = prop::collection::btree_map("[abc]", inner.clone(), 0..4);
        let array = prop::collection::vec(inner, 0..4);
        prop_oneof![array.prop_map(Value::Array), object.prop_map(|it| it.into_iter().collect())]
    });
    values.boxed()
}

/// One keyword with what may stand beside it.
fn keywords(inner: BoxedStrategy<Value>) -> BoxedStrategy<(&'static str, Value)> {
    let list = prop::collection::vec(inner.clone(), 1..3).prop_map(Value::Array).boxed();
    let named =
        prop::collection::btree_map("[abc]", inner.clone(), 1..3).prop_map(|it| it.into_iter().collect());
    let patterned = prop::collection::btree_map(patterns(), inner.clone(), 1..3)
        .prop_map(|it| it.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let names = prop::collection::btree_set("[abc]", 0..3).prop_map(|it| json!(it)).boxed();
    let by_name =
        prop::collection::btree_map("[abc]", names.clone(), 1..3).prop_map(|it| it.into_iter().collect());
    let (named, patterned, by_name): (BoxedStrategy<Value>, BoxedStrategy<Value>, BoxedStrategy<Value>) =
        (named.boxed(), patterned.boxed(), by_name.boxed());
    let count = (0u8..4).prop_map(|it| json!(it)).boxed();
    let bound = (-4i32..10).prop_map(|it| json!(f64::from(it) / 2.0)).boxed();
    let types =
        prop::sample::select(vec!["null", "boolean", "integer", "number", "string", "array", "object"]);
    let several = prop::collection::btree_set(types.clone(), 1..3).prop_map(|it| json!(it));
    let types = prop_oneof![types.prop_map(Value::from), several].boxed();
    let constants = prop::collection::vec(values(), 1..4).prop_map(Value::Array).boxed();
    let pattern = patterns().prop_map(Value::from).boxed();
    let divisor = prop::sample::select(vec![json!(1), json!(2), json!(0.5), json!(3)]).boxed();
    let beside = [
        (
            &["items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"][..],
            inner,
        ),
        (&["allOf", "anyOf", "oneOf", "prefixItems"], list),
        (&["properties", "dependentSchemas"], named),
        (&["patternProperties"], patterned),
        (&["required"], names),
        (&["dependentRequired"], by_name),
        (
            &["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"],
            count.clone(),
        ),
        (&["minContains", "maxContains"], count),
        (&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], bound),
        (&["type"], types),
        (&["enum"], constants),
        (&["const"], values()),
        (&["pattern"], pattern),
        (&["multipleOf"], divisor),
        (&["uniqueItems"], any::<bool>().prop_map(Value::Bool).boxed()),
        (&["$ref"], prop::sample::select(vec![json!("#/$defs/a"), json!("#/$defs/b%20c")]).boxed()),
    ];
    let each = beside.map(|(names, value)| (prop::sample::select(names), value).boxed());
    prop::strategy::Union::new(each).boxed()
}

fn patterns() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["^a", "b$", "^[ab]*$", "a{2}", "^.$", "\\s", "^(?:a|b)$", "^[^a]+$", "\\bb"])
}

fn schemas() -> BoxedStrategy<Value> {
    let leaf =
        prop_oneof![any::<bool>().prop_map(Value::Bool), Just(json!({})), Just(json!({"type": "string"}))];
    let plain = leaf.prop_recursive(4, 40, 4, |inner| {
        let object = prop::collection::vec(keywords(inner.boxed()), 0..4);
        object.prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    });
    let definitions = json!({ "a": { "minimum": 1 }, "b c": { "items": { "$ref": "#/$defs/a" } } });
    plain
        .prop_map(move |schema| match schema {
            Value::Object(members) => {
                let definitions = [("$defs".to_owned(), definitions.clone())];
                Value::Object(members.into_iter().chain(definitions).collect::<Map<_, _>>())
            }
            other => other,
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_payload_fits_here_if_it_does_elsewhere(
        schema in schemas(),
        values in prop::collection::vec(values(), 1..6),
    ) {
        let ours = Schema::new(&schema.to_string()).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        let theirs = jsonschema::draft202012::new(&schema).unwrap();
        for value in values {
            let fits = ours.check("data", value.to_string().as_bytes(), &mut Effort::default());
            prop_assert_eq!(fits.is_ok(), theirs.is_valid(&value), "{} {} {:?}", schema, value, fits);
        }
    }
}
