//! What is said of a wrong file: where it is wrong, and what would be right.

use proptest::prelude::*;

use super::*;

/// A good file that has a bit of everything.
const GOOD: &str = r#"id = "own@1"
summary = "A bit of everything"

[vocabulary]
kind = "closed"
names = ["case.opened"]

[params.county]
summary = "its number"

[limits]
body_bytes_max = 1000

[body]
when = { "$data" = { kind = "object" } }
template = '''
{
  "type": $type,
  "county": $params.county,
  "data": $data
}
'''

[headers]
Content-Type = "application/json"
X-Id = "$id"

[secret]
origin = "generated"
form = "text"

[signature]
header = "X-Sig"
content = "$timestamp.$body"
encoding = "hex"
scheme = { secret = "text", algorithm = "hmac-sha256" }

[[acknowledgement]]
when = { "$status" = 401 }
verdict = "disable"
reason = "it answered 401"

[handshake]
method = "OPTIONS"
accept = { "$status" = "2xx" }
hint = "answer OPTIONS"

[sandbox]
when = { "$type" = "case.opened" }

[inbound]
id = "$header.x-id"
timestamp = "$header.x-time"
type = "$body.type"
data = "$body.data"
verify = { "$header.x-secret" = "$secret" }

[[assumptions]]
topic = "all"
text = "is made up"
"#;

/// What in the good file is replaced by what, and what is said of it then: the line, the field and some words.
const WRONG: &[(&str, &str, usize, &str, &str)] = &[
    ("\"own@1\"", "\"own\"", 1, "id", "xpath@1"),
    ("\"own@1\"", "\"Own@1\"", 1, "id", "a-z"),
    ("\"own@1\"", "own@1", 1, "", "must be quoted"),
    ("id = \"own@1\"\n", "", 1, "id", "write id ="),
    ("id = \"own@1\"\n", "id = \"own@1\"\nsumary = \"\"\n", 2, "sumary", "correct it to one of id, summary"),
    ("kind = \"closed\"", "kind = \"shut\"", 5, "vocabulary.kind", "`open` or `closed`"),
    ("kind = \"closed\"", "kind = \"open\"", 5, "vocabulary.kind", "remove the lists"),
    ("names = [\"case.opened\"]", "", 5, "vocabulary.kind", "list in `names`"),
    ("[\"case.opened\"]", "[\"case..opened\"]", 6, "vocabulary.names", "write it like `cases.created`"),
    ("[\"case.opened\"]", "[\"case.*\"]", 6, "vocabulary.names", "list it in `patterns`"),
    ("[\"case.opened\"]", "[1]", 6, "vocabulary.names", "put it in quotes"),
    ("[params.county]", "[params.County]", 8, "params.County", "a-z, 0-9 and _"),
    ("[params.county]", "[params.country]", 19, "body.template", "describe it in a table [params.county]"),
    ("body_bytes_max = 1000", "body_bytes_max = 2_000_000", 12, "limits.body_bytes_max", "from 1 to 1048576"),
    ("body_bytes_max = 1000", "body_bytes_max = \"1 MB\"", 12, "limits.body_bytes_max", "whole number"),
    ("kind = \"object\"", "kind = \"map\"", 15, "body.when.$data.kind", "choose from text"),
    (
        "{ kind = \"object\" }",
        "{ kind = \"object\", type = 1 }",
        15,
        "body.when.$data.type",
        "not, kind, present",
    ),
    ("{ kind = \"object\" }", "{}", 15, "body.when.$data", "`not`, `kind` and `present`"),
    ("\"$data\" = {", "data = {", 15, "body.when.data", "put all of it in quotes: \"$data.kind\""),
    ("\"$data\" = {", "id.data = {", 15, "body.when.id", "write it like `$id`"),
    (
        "{ \"$data\" = { kind = \"object\" } }",
        "{ actor.kind = \"ui\" }",
        15,
        "body.when.actor",
        "\"$actor.kind\" = …",
    ),
    (
        "{ \"$data\" = { kind = \"object\" } }",
        "{ \"actor.kind\" = \"ui\" }",
        15,
        "body.when.actor.kind",
        "write it like `$actor.kind`",
    ),
    ("{ kind = \"object\" }", "[]", 15, "body.when.$data", "empty list"),
    ("{ kind = \"object\" }", "{ not = [] }", 15, "body.when.$data.not", "empty list"),
    ("\"$data\" = {", "\"$body\" = {", 15, "body.when.$body", "no part `$body` here"),
    ("\"type\": $type,", "\"type\": $typ,", 18, "body.template", "no part `$typ` here; choose from $id"),
    ("\"type\": $type,", "\"type\": $occurred_at,", 18, "body.template", "$occurred_at:seconds"),
    (
        "\"type\": $type,",
        "\"type\": $type:tial,",
        18,
        "body.template",
        "no format `:tial`; choose from :head",
    ),
    ("\"type\": $type,", "\"type\": $type", 19, "body.template", "a comma or `}`"),
    ("\"data\": $data\n", "\"data\": $data,\n", 21, "body.template", "a key in quotes"),
    ("\"data\": $data\n", "\"type\": $data\n", 20, "body.template", "there already"),
    ("\"data\": $data\n", "\"data\": data\n", 20, "body.template", "neither JSON nor a part"),
    ("\"data\": $data\n}", "\"data\": $data\n}}", 21, "body.template", "ends before this"),
    ("$params.county,", "$params.city,", 19, "body.template", "[params.city]"),
    ("X-Id = \"$id\"", "X-Id = \"$id\"\nX-City = \"${params.city}\"", 27, "headers.X-City", "[params.city]"),
    ("\"type\": $type,", "\"type\": \"$\",", 18, "body.template", "write `$$`"),
    ("\"type\": $type,", "\"type\": \"costs $5\",", 18, "body.template", "write `$$`"),
    ("\"type\": $type,", "\"type\": $,", 18, "body.template", "write `$$`"),
    (
        "\"type\": $type,",
        "\"type\": $data.,",
        18,
        "body.template",
        "a name is due behind the dot of `$data.`",
    ),
    (
        "\"type\": $type,",
        "\"type\": $data..x,",
        18,
        "body.template",
        "a name is due behind the dot of `$data.`",
    ),
    ("\"type\": $type,", "\"type\": \"a\n\",", 18, "body.template", "holds no line break"),
    ("\"type\": $type,", "\"type\": \"a\tb\",", 18, "body.template", "write `\\n` or `\\t`"),
    ("\"type\": $type,", "\"type\": \"\\x\",", 18, "body.template", "an escape that JSON does not know"),
    ("\"data\": $data\n", "\"data\": \"$data}", 20, "body.template", "holds no line break"),
    ("X-Id = \"$id\"", "Host = \"$id\"", 26, "headers.Host", "take it out"),
    ("X-Id = \"$id\"", "\"X Id\" = \"$id\"", 26, "headers.X Id", "hyphens"),
    ("X-Id = \"$id\"", "X-Id = 7", 26, "headers.X-Id", "put it in quotes"),
    ("X-Id = \"$id\"", "X-Id = \"$id-1\"", 26, "headers.X-Id", "end the name by braces: `${id}`"),
    ("X-Id = \"$id\"", "X-Id = \"$signature\"", 26, "headers.X-Id", "no part `$signature` here"),
    ("X-Id = \"$id\"", "X-Id = \"a\\r\\nX-Evil: 1\"", 26, "headers.X-Id", "visible ASCII"),
    ("X-Id = \"$id\"", "X-Id = \"é\"", 26, "headers.X-Id", "visible ASCII"),
    ("X-Id = \"$id\"", "X-Id = \" $id\"", 26, "headers.X-Id", "spaces inside only"),
    ("X-Id = \"$id\"", "X-Id = \"$id\\n$type\"", 26, "headers.X-Id", "visible ASCII"),
    ("accept =", "headers = { X-A = \"a\\nb\" }\naccept =", 45, "handshake.headers.X-A", "visible ASCII"),
    (
        "data = \"$body.data\"\n",
        "data = \"$body.data\"\nreply = { X-A = \" a \" }\n",
        56,
        "inbound.reply.X-A",
        "visible ASCII",
    ),
    (
        "algorithm = \"hmac-sha256\"",
        "algorithm = \"hmac-sha256\", prefix = \"v\\n\"",
        36,
        "signature.scheme.prefix",
        "visible ASCII",
    ),
    (
        "algorithm = \"hmac-sha256\"",
        "algorithm = \"hmac-sha256\", prefix = \"t=$timestamp,\"",
        36,
        "signature.scheme.prefix",
        "takes no parts",
    ),
    (
        "encoding = \"hex\"",
        "encoding = \"hex\"\nseparator = \"\\r\\n\"",
        36,
        "signature.separator",
        "visible ASCII",
    ),
    ("encoding = \"hex\"", "encoding = \"hex\"\nseparator = \"\"", 36, "signature.separator", "is empty"),
    ("X-Id = \"$id\"", "X-Sig = \"$id\"", 32, "signature", "[headers] sets too"),
    ("X-Id = \"$id\"", "X-Id = \"$id\"\nx-id = \"$id\"", 27, "headers.x-id", "twice"),
    ("Content-Type = \"application/json\"\n", "", 24, "headers", "exactly one Content-Type"),
    ("\"generated\"", "\"theirs\"", 29, "secret.origin", "`generated` or `customer`"),
    (
        "encoding = \"hex\"\nscheme = {",
        "encoding = \"hex\"\nseparator = \",\"\nscheme = { prefix = \"v1,\",",
        36,
        "signature.separator",
        "choose another",
    ),
    ("{ \"$data\" = {", "{ $data.id = {", 15, "", "put the part in quotes: \"$data.id\""),
    ("form = \"text\"", "form = [\"text\", \"text\"]", 30, "secret.form", "there already"),
    ("form = \"text\"", "form = \"hex\"", 30, "secret.form", "whsec, whsk and text"),
    ("form = \"text\"", "form = \"whsec\"", 32, "signature", "no scheme for a secret of the form `whsec`"),
    ("[secret]\norigin = \"generated\"\nform = \"text\"\n", "", 1, "secret", "needs a table [secret]"),
    ("encoding = \"hex\"", "encoding = \"base32\"", 35, "signature.encoding", "`hex` or `base64`"),
    ("\"hmac-sha256\"", "\"hmac-sha1\"", 36, "signature.scheme.algorithm", "`hmac-sha256` or `ed25519`"),
    ("\"hmac-sha256\"", "\"ed25519\"", 36, "signature.scheme.algorithm", "`whsk` signs by ed25519"),
    ("X-Id = \"$id\"", "X-Id = \"é $id\"", 26, "headers.X-Id", "visible ASCII"),
    ("X-Id = \"$id\"", "X-Id = \"$id \"", 26, "headers.X-Id", "spaces inside only"),
    ("form = \"text\"", "form = \"text\"\nchars_max = 24", 28, "secret", "has 64 characters"),
    (
        "timestamp = \"$header.x-time\"",
        "handshake = { method = \"POST\", when = { \"$body.a\" = 1 } }\ntimestamp = \"$header.x-time\"",
        53,
        "inbound.handshake.when.$body.a",
        "no part `$body.a` here",
    ),
    ("content = \"$timestamp.$body\"", "content = \"$type.$body\"", 32, "signature", "take [inbound] out"),
    (
        "verdict = \"disable\"",
        "verdict = \"pause\"",
        40,
        "acknowledgement.verdict",
        "retry, drop and disable",
    ),
    ("verdict = \"disable\"", "verdict = \"drop\"", 41, "acknowledgement.reason", "take it out"),
    ("reason = \"it answered 401\"", "", 40, "acknowledgement.verdict", "needs a `reason`"),
    ("\"$status\" = 401", "\"$status\" = 401.5", 39, "acknowledgement.when.$status", "is not a status"),
    (
        "\"$status\" = 401",
        "\"$status\" = \"40x\"",
        39,
        "acknowledgement.when.$status",
        "a class like \"4xx\"",
    ),
    ("\"$status\" = 401", "\"$status\" = [401, 4010]", 39, "acknowledgement.when.$status", "is not a status"),
    (
        "\"$status\" = 401",
        "\"$status\" = { not = \"ok\" }",
        39,
        "acknowledgement.when.$status.not",
        "is not a status",
    ),
    ("reason = \"it answered 401\"", "reason = \" \"", 41, "acknowledgement.reason", "is empty"),
    ("hint = \"answer OPTIONS\"", "hint = \"\"", 46, "handshake.hint", "is empty"),
    ("summary = \"A bit of everything\"", "summary = \"\"", 2, "summary", "is empty"),
    ("accept = { \"$status\" = \"2xx\" }\n", "accept = \"2xx\"\n", 45, "handshake.accept", "is not a table"),
    ("method = \"OPTIONS\"", "method = \"GET\"", 44, "handshake.method", "POST or OPTIONS"),
    ("accept = { \"$status\" = \"2xx\" }\n", "", 43, "handshake.accept", "which answer is a yes"),
    ("when = { \"$type\" = \"case.opened\" }\n", "", 48, "sandbox.when", "which events a sandbox takes"),
    ("timestamp = \"$header.x-time\"\n", "", 51, "inbound", "needs a `timestamp`"),
    ("\"$secret\" }", "\"let me in\" }", 56, "inbound.verify", "anybody could pass"),
    ("\"$secret\" }", "{ not = \"$secret\" } }", 56, "inbound.verify", "anybody could pass"),
    ("\"$secret\" }", "[\"$secret\", \"let me in\"] }", 56, "inbound.verify", "anybody could pass"),
    ("\"$header.x-secret\" =", "\"$secret\" =", 56, "inbound.verify", "anybody could pass"),
    ("id = \"$header.x-id\"", "id = \"one\"", 52, "inbound.id", "name a part"),
    ("id = \"$header.x-id\"", "id = \"\"", 52, "inbound.id", "name a part"),
    ("type = \"$body.type\"", "type = []", 54, "inbound.type", "empty list"),
    ("type = \"$body.type\"", "type = \"case opened\"", 54, "inbound.type", "dotted name"),
    ("type = \"$body.type\"", "type = [{ is = \"é\" }]", 54, "inbound.type.is", "dotted name"),
    (
        "type = \"$body.type\"",
        "type = \"$body.type\"\nactor = { id = \"$body.by\" }",
        55,
        "inbound.actor.kind",
        "is missing",
    ),
    (
        "type = \"$body.type\"",
        "type = \"$body.type\"\nresource = { id = \"$body.id\" }",
        55,
        "inbound.resource.type",
        "is missing",
    ),
    (
        "type = \"$body.type\"",
        "type = \"$body.type\"\nresource = { type = \"case\" }",
        55,
        "inbound.resource.id",
        "is missing",
    ),
    (
        "type = \"$body.type\"",
        "type = \"$body.type\"\nhandshake = { method = \"POST\", reply = { X-S = \"$secret\" } }",
        55,
        "inbound.handshake.reply",
        "hands the secret to whoever asks",
    ),
    (
        "names = [\"case.opened\"]",
        "names = [\"case.opened\"]\ndefault = \"case.*\"",
        7,
        "vocabulary.default",
        "not in this closed vocabulary",
    ),
    ("data = \"$body.data\"\n", "", 51, "inbound.data", "`$body` for all of the body"),
    ("type = \"$body.type\"", "type = \"$type\"", 54, "inbound.type", "no part `$type` here"),
    ("topic = \"all\"\n", "", 58, "assumptions.topic", "write topic ="),
];

#[test]
fn each_mistake_is_found_on_its_line_and_no_other_is_made_up() {
    Dialect::parse(GOOD).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    for (good, wrong, line, field, said) in WRONG {
        assert!(GOOD.contains(good), "{good}");
        let mistakes = Dialect::parse(&GOOD.replacen(good, wrong, 1)).expect_err(wrong);
        let [only] = &mistakes[..] else { panic!("{wrong}: {mistakes:#?}") };
        assert_eq!((only.line, only.field.as_str()), (*line, *field), "{only:?}");
        assert!(only.message.contains(said), "{wrong}: {only}");
    }
}

#[test]
fn a_wrong_file_is_refused_with_every_mistake_and_its_line() {
    let text = "id = \"own\"\nsumary = \"x\"\n\n[vocabulary]\nkind = \"half\"\n\n[body]\ntemplate = '''\n{\n  \"a\": $nothing\n}\n'''\n\n[headers]\nHost = \"x\"\nX-A = \"$data.\"\n\n[signature]\nheader = \"X-Sig\"\ncontent = \"$body\"\nencoding = \"base32\"\nscheme = { secret = \"text\", algorithm = \"md5\" }\n\n[[acknowledgement]]\nwhen = { \"$status\" = 1.5 }\nverdict = \"shrug\"\n";
    let mistakes = Dialect::parse(text).unwrap_err();
    let found: Vec<_> = mistakes.iter().map(|mistake| (mistake.line, mistake.field.as_str())).collect();
    for expected in [
        (1, "id"),
        (2, "sumary"),
        (5, "vocabulary.kind"),
        (10, "body.template"),
        (15, "headers.Host"),
        (21, "signature.encoding"),
        (22, "signature.scheme.algorithm"),
        (25, "acknowledgement.when.$status"),
        (26, "acknowledgement.verdict"),
    ] {
        assert!(found.contains(&expected), "{expected:?} of {mistakes:#?}");
    }
    let broken = Dialect::parse("id = \"a\nb").unwrap_err();
    assert_eq!(broken[0].line, 1, "{broken:?}");
}

proptest! {
    /// Whatever an operator writes, there is an answer; and what is good renders without panic.
    #[test]
    fn no_file_makes_the_reader_panic(
        which in 0..crate::embedded::DIALECTS.len(),
        slips in proptest::collection::vec((any::<proptest::sample::Index>(), 0..30_usize, SLIP), 1..4),
    ) {
        let mut text = crate::embedded::DIALECTS[which].1.to_owned();
        for (place, length, slip) in &slips {
            let boundary = |at: usize| (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            let start = boundary(place.index(text.len() + 1));
            text.replace_range(start..boundary((start + length).min(text.len())), slip);
        }
        match Dialect::parse(&text) {
            Ok(dialect) => {
                let event = event(read(r#"{"type":"matter.created","data":{"é":["\ud83d\ude00",1e400]},"agency":"é"}"#));
                let ours = dialect.recipient(&BTreeMap::new(), &[]);
                if dialect.express(&event.tenant, &event.content, ours.params()).is_ok() {
                    let body = dialect.body(&event, ours.params()).unwrap();
                    dialect.headers(&event, &body, &ours, AT);
                }
            }
            Err(mistakes) => prop_assert!(mistakes.iter().all(|it| it.line >= 1 && it.line <= text.lines().count().max(1) + 1)),
        }
    }
}

/// What a slip of the pen puts in the place of something else.
const SLIP: &str = r#"[$"'{}.:,=é\\\[\]\n a1x-]{0,4}"#;
