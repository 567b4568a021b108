//! JSON as JavaScript writes it: Node judges what we bring to that form, and what we refuse.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use std::{
    fs::File,
    io::Write,
    process::{Command, Stdio},
};

use casewire_data::javascript::canonical;
use serde::Deserialize;
use tempfile::TempDir;

use crate::binary::{Dice, setting, skip};

const JUDGE: &str = include_str!("javascript/judge.js");

/// What Node says of a document.
#[derive(Debug, Deserialize)]
struct Verdict {
    /// `JSON.stringify(JSON.parse(document))`
    again: String,
    /// Whether our form of it is how JavaScript writes that form.
    stable: Option<bool>,
    /// The value that JavaScript lost.
    lost: Option<String>,
}

/// One Node process judges all documents, each with our form of it.
fn judge(documents: &[(String, Option<String>)]) -> Vec<Verdict> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("documents");
    let mut file = File::create(&path).unwrap();
    for document in documents {
        writeln!(file, "{}", serde_json::to_string(document).unwrap()).unwrap();
    }
    let judge = Command::new("node").args(["-e", JUDGE]).stdin(File::open(&path).unwrap()).output().unwrap();
    assert!(judge.status.success(), "{}", String::from_utf8_lossy(&judge.stderr));
    let lines = String::from_utf8(judge.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn node_writes_our_form_as_it_is_and_would_lose_what_we_refuse() {
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
    if !node.is_ok_and(|status| status.success()) {
        return skip("there is no node");
    }
    let mut dice = Dice::of(1);
    let generated = (0..setting("CASEWIRE_DOCUMENTS", 4_000)).map(|_| value(&mut dice, 0)).collect();
    let documents: Vec<String> = [hostile(), generated].concat();
    let ours = |json: String| {
        let form = canonical(json.as_bytes()).ok().map(|form| String::from_utf8(form.into_owned()).unwrap());
        (json, form)
    };
    let documents: Vec<_> = documents.into_iter().map(ours).collect();
    let verdicts = judge(&documents);
    assert_eq!(verdicts.len(), documents.len());
    for ((json, form), verdict) in documents.iter().zip(&verdicts) {
        let json: String = json.chars().take(2_000).collect();
        match form {
            Some(form) => {
                assert_eq!(*form, verdict.again, "{json}");
                assert_eq!((verdict.stable, &verdict.lost), (Some(true), &None), "{json}");
            }
            None => assert!(verdict.lost.is_some(), "refused without need: {json}"),
        }
    }
    let taken = documents.iter().filter(|(_, form)| form.is_some()).count();
    assert!(
        (documents.len() / 4..documents.len() * 9 / 10).contains(&taken),
        "{taken} of {}",
        documents.len()
    );
}

/// What a receiver might be sent on purpose, and where the rules have their edges.
fn hostile() -> Vec<String> {
    let numbers = [
        "-0",
        "-0.0",
        "0e5",
        "0e999999999999999999999",
        "-0E-0",
        "1e20",
        "1e21",
        "999999999999999900000",
        "1e-6",
        "1e-7",
        "123e-9",
        "4294967295",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "9007199254740994.0",
        "5e-324",
        "4.9e-324",
        "2e-324",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e400",
        "-1e400",
        "1e-400",
        "12345678901234567890123",
        "3.14159265358979323846",
        "0.1",
        "0.30000000000000004",
        "0.10000000000000001",
        "5.684341886080801e-14",
        "5.6843418860808015e-14",
        "9.5367431640625e-7",
        "1e23",
        "9.999999999999999e22",
        "8.41e21",
        "2.0919495182368195e19",
        "7.2057594037927933e16",
        "7.205759403792794e16",
        "123456789012345678",
        "1.0E+2",
        "1e0000000000000000000000003",
        "1e-0000000000000000000000003",
        "144115188075855870",
        "562949953421312.2",
        "562949953421312.3",
    ];
    let keys = [
        "0",
        "00",
        "-0",
        "-1",
        "1",
        "10",
        "2",
        "1e1",
        "1.0",
        "4294967294",
        "4294967295",
        "4294967296",
        "9007199254740990",
        "9007199254740991",
        "9007199254740992",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "",
        "__proto__",
        "constructor",
        "toString",
        "toJSON",
        "length",
        "valueOf",
        " 1",
        "1 ",
        "+1",
        "NaN",
        "Infinity",
        "١",
    ];
    let strings = [
        r"\/",
        r"\u002f",
        r"\u00e9",
        r"\u00E9",
        r"\u007f",
        r"\u2028\u2029",
        r"\b\f\n\r\t",
        r"\u0008\u000C\u000a\u000D\u0009",
        r"\u0000\u000B\u001f\u001F",
        r#"\"\\"#,
        r"\u0022\u005C",
        r"\ud83d",
        r"\uDE00",
        r"\uD83D\uDE00",
        r"\uDE00\uD83D",
        r"\ud83d\ud83d\ude00\ude00",
        r"\ud83d\\ude00",
        r"\ud83d\u0041",
        r"\uffff\ufffe\ufeff",
        r"\uD7ff\uE000",
        "</script><!--",
        "\u{7f}\u{2028}\u{2029}\u{feff}\u{10ffff}😀é",
    ];
    let members =
        |pairs: &mut dyn Iterator<Item = String>| format!("{{{}}}", pairs.collect::<Vec<_>>().join(","));
    let mut documents: Vec<String> = numbers.map(str::to_owned).to_vec();
    documents.extend(strings.map(|string| format!("\"{string}\"")));
    documents.extend(strings.map(|string| format!("{{\"{string}\":1,\"{string}x\":2}}")));
    documents.extend(keys.map(|key| format!(r#"{{"z":1,"{key}":{{"{key}":[]}},"a":2,"5":3}}"#)));
    documents.push(members(&mut keys.iter().map(|key| format!("\"{key}\":1"))));
    documents.push(members(&mut keys.iter().rev().map(|key| format!("\"{key}\":{{ \"b\":1,\"1\":2 }}"))));
    documents.push(members(&mut (0..300).rev().map(|key| format!("\"{key}\":{key}.0"))));
    documents.push(members(&mut (0..300).map(|key| format!("\"{}\":1", key % 299))));
    documents.push(r#"{"a":1,"\u0061":2}"#.into());
    documents.push(r#"{"a":{"b":1,"b":{"c":1}},"a":1}"#.into());
    documents.push(r#"[{"__proto__":null},{"__proto__":{"a":1},"\u005f_proto__":2}]"#.into());
    for count in [400, 800, 70_000] {
        let zeros = "0".repeat(count);
        documents.extend([format!("0.{zeros}1e{}", count + 1), format!("12{zeros}e-{count}")]);
        documents.extend([
            format!("1.{zeros}"),
            format!("1{zeros}"),
            format!("1{zeros}1"),
            format!("1e{zeros}3"),
        ]);
    }
    documents.push("[".repeat(128) + " " + &"]".repeat(128));
    documents
}

/// A document, spelled in any way that JSON allows.
fn value(dice: &mut Dice, depth: usize) -> String {
    let kind = dice.below(if depth < 4 { 12 } else { 8 });
    let json = match kind {
        0 => pick(dice, &["true", "false", "null"]).to_owned(),
        1..=4 => number(dice),
        5..=7 => string(dice),
        8 | 9 => {
            let elements: Vec<_> = (0..dice.below(6)).map(|_| value(dice, depth + 1)).collect();
            format!("[{}{}]", space(dice), elements.join(","))
        }
        _ => {
            let member = |dice: &mut Dice| {
                format!("{}{}{}:{}", space(dice), key(dice), space(dice), value(dice, depth + 1))
            };
            let members: Vec<_> = (0..dice.below(7)).map(|_| member(dice)).collect();
            format!("{{{}{}}}", members.join(","), space(dice))
        }
    };
    format!("{}{json}{}", space(dice), space(dice))
}

fn pick<'a>(dice: &mut Dice, choices: &[&'a str]) -> &'a str {
    choices[dice.below(choices.len())]
}

fn space(dice: &mut Dice) -> &'static str {
    pick(dice, &["", "", "", " ", "\n\t", "\r\n  "])
}

fn number(dice: &mut Dice) -> String {
    let sign = pick(dice, &["", "-"]);
    let double = f64::from_bits(dice.next() & (i64::MAX as u64));
    let double = if double.is_finite() { double } else { 0.5 };
    let near_two = 2f64.powi(dice.below(2_000) as i32 - 1_000) * (1.0 + dice.below(3) as f64 * f64::EPSILON);
    let number = match dice.below(24) {
        0..=7 => dice.below(100_000).to_string(),
        8..=11 => format!("{}.{:04}", dice.below(1_000), dice.below(10_000)),
        12..=14 => format!("{double:e}"),
        15 => {
            format!("{double:E}").replacen("E", pick(dice, &["E", "E+00", "e0"]), usize::from(double >= 1.0))
        }
        16 => format!("{double}"),
        17 | 18 => format!("{near_two:e}"),
        19 => format!("{}e{}", dice.below(1_000), dice.below(60) as i32 - 30),
        20 => format!("{}000.{:03}00e-{:02}", 1 + dice.below(9), dice.below(1_000), dice.below(12)),
        21 => (dice.next() >> dice.below(64)).to_string(),
        22 => format!("{:.*e}", 14 + dice.below(5), near_two),
        _ => format!("{}.{}e{}", dice.next() % 10, dice.next(), dice.below(800) as i32 - 400),
    };
    format!("{sign}{number}")
}

fn string(dice: &mut Dice) -> String {
    let mut string = String::from("\"");
    for _ in 0..dice.below(5) {
        match dice.below(6) {
            0 => string += &format!("\\u{:04x}", dice.below(0x10000)),
            1 => string += &format!("\\u{:04X}", dice.below(0x100)),
            2 => string += &format!("\\uD{:03X}", 0x800 + dice.below(0x800)),
            3 => string += pick(dice, &["\\b", "\\f", "\\n", "\\r", "\\t", "\\/", "\\\"", "\\\\"]),
            4 => string += pick(dice, &["é", "中", "😀", "\u{7f}", "\u{2028}", "\u{2029}", "/", "'"]),
            _ => string += pick(dice, &["a", "case 7", "u0041", "{\\\"b\\\":1}"]),
        }
    }
    string + "\""
}

fn key(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => string(dice),
        1 => format!("\"{}\"", dice.below(20)),
        2 => format!("\"{}\"", 4_294_967_290 + dice.below(10)),
        3 => format!("\"\\u003{}{}\"", dice.below(10), dice.below(10)),
        4 => format!("\"{}\"", pick(dice, &["__proto__", "toJSON", "length", "00", "01"])),
        _ => format!("\"k{}\"", dice.below(100)),
    }
}
