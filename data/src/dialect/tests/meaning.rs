//! A file is held to what it can mean, beyond the form of its lines.

use super::*;

/// A file without signature and secret, to which some lines are added.
fn plain(more: &str) -> String {
    format!(
        "id = \"plain@1\"\nsummary = \"plain\"\nvocabulary = {{ kind = \"open\" }}\nbody = {{ template = \"$data\" }}\n\
         headers = {{ Content-Type = \"application/json\" }}\n{more}"
    )
}

/// What is said of a file that has one mistake.
fn only_mistake(text: &str) -> Mistake {
    let mistakes = Dialect::parse(text).expect_err(text);
    let [only] = &mistakes[..] else { panic!("{text}: {mistakes:#?}") };
    only.clone()
}

#[test]
fn a_proof_is_a_part_of_the_request_that_only_who_knows_the_secret_can_say() {
    let of = |verify: &str| {
        plain(&format!(
            "[secret]\norigin = \"generated\"\nform = \"text\"\n[inbound]\nid = \"$body.id\"\ntype = \"$body.type\"\n\
             data = \"$body\"\nverify = {verify}\n"
        ))
    };
    for proof in [
        r#"{ "$header.x" = "$secret" }"#,
        r#"{ "$header.x" = "Bearer $secret" }"#,
        r#"{ "$query.token" = "$secret:sha256" }"#,
        r#"{ "$body.token" = ["$secret", "$secret:upper"] }"#,
        r#"{ "$header.x" = "$secret", "$header.y" = { present = true }, "$body.z" = { not = "$secret" } }"#,
    ] {
        Dialect::parse(&of(proof)).unwrap_or_else(|mistakes| panic!("{proof}: {mistakes:?}"));
    }
    for open_to_all in [
        "{}",
        r#"{ "$header.x" = { not = "$secret" } }"#,
        r#"{ "$secret" = "$secret" }"#,
        r#"{ "$secret" = { present = true } }"#,
        r#"{ "$secret" = ["$header.x", "$secret"] }"#,
        r#"{ "$secret" = "$header.x" }"#,
        r#"{ "$header.x" = ["$secret", "open"] }"#,
        r#"{ "$header.x" = "$secret:tail" }"#,
        r#"{ "$params.x" = "$secret" }"#,
    ] {
        let text = of(open_to_all);
        let text = text.replace("[secret]", "[params.x]\nsummary = \"x\"\n[secret]");
        let mistake = only_mistake(&text);
        assert_eq!(
            (mistake.line, mistake.field.as_str()),
            (15, "inbound.verify"),
            "{open_to_all}: {mistake}"
        );
        assert!(mistake.message.contains("{ \"$header.x-secret\" = \"$secret\" }"), "{mistake}");
    }
}

#[test]
fn of_several_tables_none_is_in_vain() {
    let two_bodies = plain("")
        .replace("body = ", "body = [{ template = \"$data\" }, ")
        .replace(" }\nheaders", " }]\nheaders");
    let two_rules = plain(
        "acknowledgement = [{ verdict = \"drop\" },\n { when = { \"$status\" = 404 }, verdict = \"retry\" }]\n",
    );
    let scheme = "{ secret = \"text\", algorithm = \"hmac-sha256\" }";
    let two_schemes = plain(&format!(
        "secret = {{ origin = \"generated\", form = \"text\" }}\n\
         signature = {{ header = \"X-Sig\", content = \"$body\", encoding = \"hex\", scheme = [{scheme}, {scheme}] }}\n"
    ));
    for (text, line, field, said) in [
        (two_bodies, 4, "body", "never reached"),
        (two_rules.replace(",\n", ", "), 6, "acknowledgement", "never reached"),
        (two_schemes, 7, "signature.scheme", "two tables for one form"),
    ] {
        let mistake = only_mistake(&text);
        assert_eq!((mistake.line, mistake.field.as_str()), (line, field), "{text}");
        assert!(mistake.message.contains(said), "{mistake}");
    }
}

#[test]
fn a_secret_that_there_is_not_is_missed_where_it_is_named() {
    let text = plain(
        "handshake = { method = \"POST\", accept = {}, hint = \"x\",\n headers = { X-S = \"$secret\" } }\n",
    );
    let mistake = only_mistake(&text.replace(",\n", ", "));
    assert_eq!((mistake.line, mistake.field.as_str()), (6, "handshake.headers.X-S"));
    assert!(mistake.message.contains("[secret]"), "{mistake}");
    let wrong_type = only_mistake(&plain("").replace("{ kind = \"open\" }", "\"open\""));
    assert_eq!((wrong_type.line, wrong_type.field.as_str()), (3, "vocabulary"), "told once");
}

#[test]
fn numbers_of_a_template_keep_their_spelling() {
    let numbers = "[1.50,1e2,123456789012345678901234567890,-0,1E400,0.10]";
    let template = format!("body = {{ template = '{{ \"n\": {numbers} }}' }}");
    let text = plain("").replace("body = { template = \"$data\" }", &template);
    let dialect = Dialect::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let content = NewEvent::new("case.opened", "{}").unwrap();
    let body = dialect.body(&event(content), &Params::default()).unwrap();
    assert_eq!(body, format!("{{\"n\":{numbers}}}"));
}

#[test]
fn of_very_many_mistakes_the_first_ones_are_told_and_an_object_has_an_end() {
    let unknown: String = (0..20_000).map(|n| format!("bad{n} = 1\n")).collect();
    let mistakes = Dialect::parse(&unknown).unwrap_err();
    assert_eq!(mistakes.len(), 101);
    let rest = mistakes.last().unwrap();
    assert!(rest.message.starts_with("and 19905 more"), "{rest}");
    let keys: String = (0..20_000).map(|n| format!("\"key{n}\":1,")).collect();
    let text = plain("").replace("\"$data\"", &format!("'{{ {keys} \"end\": 1 }}'"));
    assert!(only_mistake(&text).message.contains("at most 1000 keys"));
}

#[test]
fn what_a_closed_vocabulary_takes_is_told_by_its_own_words() {
    let closed = |lists: &str| {
        let text = plain("").replace("{ kind = \"open\" }", &format!("{{ kind = \"closed\", {lists} }}"));
        Dialect::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    };
    let families = closed("families = \"case\"");
    let of_pattern = families.check_patterns(&["case.*".to_owned()]).unwrap_err();
    assert!(of_pattern.message().contains("the names below `case.`"), "{of_pattern}");
    let said = |dialect: Dialect| dialect.check_patterns(&[]).unwrap_err().message().to_owned();
    assert!(said(families).contains("like `case.created`"));
    assert!(said(closed("names = \"hearing.set\"")).contains("like `hearing.set`"));
}

#[test]
fn the_url_is_pointed_to_only_where_it_is_looked_at() {
    let refusal = |event_type: &str| {
        let inbound = format!("inbound = {{ id = \"$body:sha256\", data = \"$body\", type = {event_type} }}");
        let dialect = Dialect::parse(&plain(&inbound)).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let request = Message { body: b"{}", ..Message::default() };
        dialect.receive(request, "court").unwrap_err().message().to_owned()
    };
    assert!(refusal("[\"$body.type\", \"$query.kind\"]").ends_with("?kind=…"));
    assert!(!refusal("\"$body.type\"").contains('?'));
}
