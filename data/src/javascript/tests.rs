//! Each rule of the form by example, and what must hold for any document. Node judges the same in `tests/it`.

use proptest::{prelude::*, sample::select};
use serde_json::Value;

use super::*;

fn spelled_again(json: &str) -> String {
    let canonical = canonical(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
    String::from_utf8(canonical.into_owned()).unwrap()
}

/// The field that the error names, and its message.
fn refused(json: &[u8]) -> (String, String) {
    let error = canonical(json).unwrap_err();
    let [error] = error.field_errors() else { panic!("one field is named") };
    (error.field.clone(), error.message.clone())
}

#[test]
fn what_is_canonical_already_is_not_copied() {
    for json in [
        "{}",
        "[]",
        "\"\"",
        "0",
        "-7.25",
        "[true,false,null,[],{}]",
        r#"{"0":1,"7":2,"uuid":"é 😀 \" \\ \b\f\n\r\t \u0000 \u001f /","4294967295":1,"01":1}"#,
        r#""\ud83d""#,
        "\"\u{7f}\u{2028}\u{2029}\"",
        "[1e+21,123456789012345680000,1e-7,0.000001,1.5e+300,5e-324,1.7976931348623157e+308,0.1,9007199254740992]",
    ] {
        assert!(
            matches!(canonical(json.as_bytes()), Ok(Cow::Borrowed(same)) if same == json.as_bytes()),
            "{json}"
        );
    }
}

#[test]
fn white_space_goes_except_in_strings() {
    assert_eq!(
        spelled_again(" \r\n\t{ \"a b\" : [ 1 , \" 2\" , { } , [ ] ] , \"c\" :null } "),
        r#"{"a b":[1," 2",{},[]],"c":null}"#
    );
}

#[test]
fn strings_have_only_the_escapes_that_they_need() {
    for (written, canonical) in [
        (r#""\/\u002f""#, r#""//""#),
        (r#""\u00e9\u00E9\u2028\u2029\u007f""#, "\"éé\u{2028}\u{2029}\u{7f}\""),
        (r#""\u0008\u0009\u000a\u000C\u000d""#, r#""\b\t\n\f\r""#),
        (r#""\u0022\u005c""#, r#""\"\\""#),
        (r#""\u0000\u000B\u001F""#, r#""\u0000\u000b\u001f""#),
        (r#""\uD83D\uDE00 \ud83d\ude00""#, r#""😀 😀""#),
        (r#""\uD83D \uDE00 \uDE00\uD83D""#, r#""\ud83d \ude00 \ude00\ud83d""#),
        (r#""\uD83D\uD83D\uDE00""#, r#""\ud83d😀""#),
        (r#""\uD83D\u0041\uD83D\n\uD83D""#, r#""\ud83dA\ud83d\n\ud83d""#),
    ] {
        assert_eq!(spelled_again(written), canonical, "{written}");
    }
}

#[test]
fn numbers_are_spelled_as_javascript_spells_them() {
    for (written, canonical) in [
        ("-0", "0"),
        ("-0.0e-7", "0"),
        ("0e99999999999999999999", "0"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("-1.50E+1", "-15"),
        ("12.50", "12.5"),
        ("0.0000010", "0.000001"),
        ("0.0000001", "1e-7"),
        ("-0.00000012", "-1.2e-7"),
        ("1e20", "100000000000000000000"),
        ("1000000000000000000000", "1e+21"),
        ("1.5e300", "1.5e+300"),
        ("9007199254740992.0", "9007199254740992"),
        ("9007199254740994", "9007199254740994"),
        ("123456789012345680000.0", "123456789012345680000"),
        ("5.0e-324", "5e-324"),
        // Both ...2.2 and ...2.3 lead to this double and are equally near: the even digit is taken.
        ("562949953421312.20", "562949953421312.2"),
        ("17976931348623157e292", "1.7976931348623157e+308"),
    ] {
        assert_eq!(spelled_again(written), canonical, "{written}");
    }
}

#[test]
fn a_number_that_javascript_would_change_is_refused_with_its_place() {
    let told = |read: &str, text: &str| {
        format!("is {text}, which JavaScript would read as {read}; send it as a string")
    };
    for (text, read) in [
        ("12345678901234567890123", "1.2345678901234568e+22"),
        ("9007199254740993", "9007199254740992"),
        ("3.14159265358979323846", "3.141592653589793"),
        ("0.10000000000000001", "0.1"),
        ("1e400", "Infinity"),
        ("-1e400", "-Infinity"),
        ("1e-400", "0"),
        ("4.9e-324", "5e-324"),
        ("562949953421312.3", "562949953421312.2"),
        ("1e9223372036854775808", "Infinity"),
        ("1e-99999999999999999999", "0"),
    ] {
        let json = format!(r#"{{"a":[1,{{}},2,{{"b":{text}}}]}}"#);
        assert_eq!(refused(json.as_bytes()), ("data.a[3].b".into(), told(read, text)));
    }
    assert_eq!(refused(b"1e400").0, "data");
    assert_eq!(refused(b"[[1,1e400]]").0, "data[0][1]");
    assert_eq!(refused(br#"{"a b":{"":{"c.d":[1e400]}}}"#).0, r#"data["a b"][""]["c.d"][0]"#);
}

#[test]
fn numbers_of_any_length_take_linear_time() {
    const LENGTH: usize = 1 << 20;
    let zeros = "0".repeat(LENGTH);
    assert_eq!(spelled_again(&format!("1.{zeros}")), "1");
    assert_eq!(spelled_again(&format!("0.{zeros}1e{}", LENGTH + 1)), "1");
    assert_eq!(spelled_again(&format!("12{zeros}e-{LENGTH}")), "12");
    assert_eq!(spelled_again(&format!("1e{zeros}3")), "1000");
    for json in
        [format!("1{zeros}"), format!("1{zeros}1"), "7".repeat(LENGTH), format!("1e-{}", "9".repeat(LENGTH))]
    {
        assert!(refused(json.as_bytes()).1.len() < 200, "the message shows the beginning");
    }
}

#[test]
fn array_indices_come_first_in_ascending_order() {
    for (written, canonical) in [
        (r#"{"z":1,"10":2,"9":3,"a":4,"0":5}"#, r#"{"0":5,"9":3,"10":2,"z":1,"a":4}"#),
        (r#"{"z":1,"4294967295":2,"4294967294":3}"#, r#"{"4294967294":3,"z":1,"4294967295":2}"#),
        (r#"{"b":1,"01":2,"-1":3,"1e1":4,"1.0":5,"9007199254740991":6,"99999999999":7}"#, ""),
        (
            r#"{"z":{"y":[{"x":1,"1":2}],"0":{}},"\u0031":"\/"}"#,
            r#"{"1":"/","z":{"0":{},"y":[{"1":2,"x":1}]}}"#,
        ),
        (
            r#"[{"a":1, "1":2}, {"b":1, "2":{"c":1, "0":[ ]}}]"#,
            r#"[{"1":2,"a":1},{"2":{"0":[],"c":1},"b":1}]"#,
        ),
    ] {
        let canonical = if canonical.is_empty() { written } else { canonical };
        assert_eq!(spelled_again(written), canonical, "{written}");
    }
}

#[test]
fn a_key_that_is_there_twice_is_refused_however_it_is_spelled() {
    let message = "is there twice, and JavaScript would keep only the last; send each key once";
    for (json, field) in [
        (r#"{"a":1,"b":2,"a":1}"#, "data.a"),
        (r#"{"x":[{"é":1,"\u00E9":2}]}"#, r#"data.x[0]["é"]"#),
        (r#"{"\u0061/":1,"a\/":2}"#, r#"data["a/"]"#),
        (r#"{"\uD83D":1,"\ud83d":2}"#, r#"data["\ud83d"]"#),
        (r#"{"1":1,"a":2,"1":3}"#, "data.1"),
        (r#"{"__proto__":1,"__proto__":2}"#, "data.__proto__"),
    ] {
        assert_eq!(refused(json.as_bytes()), (field.into(), message.into()), "{json}");
    }
    let many = |last: usize| {
        let members: Vec<_> = (0..1_000).chain([last]).map(|n| format!("\"k{n}\":{n}")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(spelled_again(&many(1_000)), many(1_000));
    assert_eq!(refused(many(700).as_bytes()).0, "data.k700");
    assert_eq!(
        spelled_again(r#"{"a":{"a":{"b":1}},"b":{"a":1},"__proto__":{"a":1},"constructor":1}"#).len(),
        67
    );
}

#[test]
fn up_to_the_deepest_level_is_taken_and_one_more_is_not() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(spelled_again(&nested(DEPTH_MAX)), nested(DEPTH_MAX));
    let (field, message) = refused(nested(1_000_000).as_bytes());
    assert_eq!(field, format!("data{}", "[0]".repeat(DEPTH_MAX)));
    assert_eq!(message, "lies deeper than 128 levels; send it flatter");
}

#[test]
fn what_is_not_one_json_value_is_refused() {
    for json in [
        "",
        " ",
        "{",
        "[",
        "\"",
        "\"\\",
        "\"\\u12",
        "\"\\u12g4\"",
        "\"\\x\"",
        "\"\n\"",
        "tru",
        "nul",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-",
        "--1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{,}",
        "1 2",
        "[]]",
        "NaN",
        "\u{feff}1",
        "[1}",
        "{\"a\":1]",
        "\"\\ud83d\\u\"",
        "// 1",
    ] {
        let message = refused(json.as_bytes()).1;
        assert!(message.starts_with("is not valid JSON"), "{json}: {message}");
    }
    assert_eq!(refused(b"\"\xff\"").1, "is not UTF-8 at byte 1");
}

/// A number in one of its spellings.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<i32>().prop_map(|number| number.to_string()),
        2 => any::<f64>()
            .prop_filter("JSON has no such", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        4 => "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        1 => "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ]
}

/// A string in one of its spellings, without lone surrogates, which `serde_json` does not take.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -!#-\\[\\]-~]{1,6}",
        "(é|ß|\u{7f}|\u{2028}|\u{2029}|中|😀)",
        r#"\\[bfnrt/"\\]"#,
        r"\\u(00|20|d7|E0)[0-9a-fA-F]{2}",
        r"\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}",
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![string(), "\"[a-c]{1,2}\"", "\"(0|[1-9][0-9]{0,10}|00|42949672(94|95|96))\""]
}

fn document() -> impl Strategy<Value = String> {
    let space = || select(vec!["", "", " ", "\n", "\t\r "]);
    let word = select(vec!["true".to_owned(), "false".to_owned(), "null".to_owned()]);
    let leaf = prop_oneof![1 => word, 4 => number(), 3 => string()];
    let value = leaf.prop_recursive(4, 48, 6, move |inner| {
        let element = (space(), inner.clone(), space())
            .prop_map(|(before, value, after)| format!("{before}{value}{after}"));
        let member = (space(), key(), space(), element.clone())
            .prop_map(|(before, key, after, value)| format!("{before}{key}{after}:{value}"));
        prop_oneof![
            prop::collection::vec(element, 0..6).prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    });
    (space(), value, space()).prop_map(|(before, value, after)| format!("{before}{value}{after}"))
}

/// The same value, however spelled. `serde_json` may miss a double by its last bit, so numbers are held against each
/// other by a test of their own.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            (left - right).abs() <= left.abs() * 1e-15 + f64::MIN_POSITIVE
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let found =
                |(key, value): (&String, &Value)| right.get(key).is_some_and(|other| same(value, other));
            left.len() == right.len() && left.iter().all(found)
        }
        _ => left == right,
    }
}

proptest! {
    #[test]
    fn the_form_changes_and_the_value_does_not(json in document()) {
        if let Ok(changed) = canonical(json.as_bytes()) {
            let (before, after): (Value, Value) =
                (serde_json::from_str(&json).unwrap(), serde_json::from_slice(&changed).unwrap());
            prop_assert!(same(&before, &after), "{before} {after}");
            prop_assert!(matches!(canonical(&changed), Ok(Cow::Borrowed(_))), "once is enough: {:?}", changed);
        }
    }

    #[test]
    fn a_number_that_is_taken_is_the_same_double(json in number()) {
        if let Ok(changed) = canonical(json.as_bytes()) {
            let changed = std::str::from_utf8(&changed).unwrap();
            prop_assert_eq!(json.parse::<f64>().unwrap(), changed.parse::<f64>().unwrap());
        }
    }

    #[test]
    fn every_double_is_taken_as_javascript_spells_it(double in any::<f64>()) {
        prop_assume!(double.is_finite());
        let spelled = ryu_js::Buffer::new().format(double).to_owned();
        prop_assert_eq!(spelled_again(&spelled), spelled);
    }

    #[test]
    fn no_bytes_make_it_fail_otherwise_than_by_an_error(json in "[\\[\\]{}\",:\\\\/u0-9a-dDeE.+ \\-tnrfls]{0,24}") {
        let valid = serde_json::from_str::<&serde_json::value::RawValue>(&json).is_ok();
        prop_assert!(valid || canonical(json.as_bytes()).is_err());
    }
}
