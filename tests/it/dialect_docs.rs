//! The page on dialects, `data/dialects/README.md`, holds what it says: its example compiles and renders as shown, its
//! broken file is told as shown, and it names every key that a file may have.

use std::{fs, path::Path};

use casewire_data::dialect::Dialect;
use tempfile::TempDir;

use crate::binary::{Ended, run};

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/dialects/README.md")).unwrap()
}

/// The first block of a language in the page that has a text in it.
fn block(page: &str, language: &str, with: &str) -> String {
    let opening = format!("```{language}\n");
    let mut blocks = page.split(&opening).skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0));
    let block = blocks.find(|block| block.contains(with));
    format!("{}\n", block.unwrap_or_else(|| panic!("a block of {language} with {with}")))
}

/// A folder with a file in it, as somebody who follows the page has it.
fn folder(name: &str, text: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(name), text).unwrap();
    dir
}

fn check(dir: &TempDir, name: &str) -> Ended {
    run(&["dialect", "check", dir.path().join(name).to_str().unwrap()], &[])
}

#[test]
fn the_example_is_good_and_renders_as_it_is_shown() {
    let page = page();
    let dir = folder("harbor@1.toml", &block(&page, "toml", "harbor@1"));
    let checked = check(&dir, "harbor@1.toml");
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.ends_with("harbor@1.toml: good, harbor@1\n"), "{checked:?}");
    assert!(page.contains("\nharbor@1.toml: good, harbor@1\n"));

    let event = dir.path().join("event.json");
    fs::write(&event, block(&page, "json", "case.opened")).unwrap();
    let shown = block(&page, "sh", "dialect render");
    assert_eq!(
        shown.trim(),
        "$ casewire dialect render --dialects dialects --dialect harbor@1 --param court=07 --event event.json"
    );
    let (folder, event) = (dir.path().to_str().unwrap(), event.to_str().unwrap());
    let arguments = ["--dialects", folder, "--dialect", "harbor@1", "--param", "court=07", "--event", event];
    let rendered = run(&[&["dialect", "render"], &arguments[..]].concat(), &[]);
    assert_eq!(rendered.code, Some(0), "{rendered:?}");
    assert_eq!(rendered.stdout.trim_end(), block(&page, "http", "POST").trim_end(), "as the page shows it");
}

#[test]
fn a_file_with_the_four_slips_is_told_as_it_is_shown() {
    let page = page();
    let mut broken = block(&page, "toml", "harbor@1");
    for (right, wrong) in [
        ("\nsummary = \"Cases", "\nsumary = \"Cases"),
        ("$actor.name, \"staff_no\"", "$actor.nam, \"staff_no\""),
        ("encoding = \"hex\"", "encoding = \"base32\""),
        ("verdict = \"drop\"", "verdict = \"ignore\""),
    ] {
        assert!(broken.contains(right), "{right}");
        broken = broken.replacen(right, wrong, 1);
    }
    let dir = folder("broken.toml", &broken);
    let told = check(&dir, "broken.toml");
    assert_eq!(told.code, Some(1), "{told:?}");
    let told = told.stdout.replace(&format!("{}/", dir.path().display()), "");
    assert_eq!(told, block(&page, "text", "broken.toml line"), "as the page shows it");
}

#[test]
fn the_page_says_truly_what_cannot_be_said_and_how_much_is_read() {
    let page = page();
    assert!(page.contains("as Stripe's") && page.contains("262144 bytes") && page.contains("1000 keys"));
    let harbor = block(&page, "toml", "harbor@1");
    let composite = harbor.replace("prefix = \"sha256=\"", "prefix = \"t=$timestamp,v1=\"");
    let told = check(&folder("composite.toml", &composite), "composite.toml");
    assert!(told.code == Some(1) && told.stdout.contains("takes no parts"), "{told:?}");
    let comment = |bytes: usize| format!("{harbor}#{}", "x".repeat(bytes));
    let room = 262_144 - comment(0).len();
    assert_eq!(check(&folder("harbor@1.toml", &comment(room)), "harbor@1.toml").code, Some(0));
    assert_eq!(check(&folder("harbor@1.toml", &comment(room + 1)), "harbor@1.toml").code, Some(1));
    // What the page has an endpoint subscribe to.
    let events = page.split_once("`\"events\": [\"").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
    Dialect::parse(&harbor).unwrap().check_patterns(&[events.to_owned()]).unwrap();
}

/// Asks every table for its keys, by a key that none has; each must be on the page, as code.
#[test]
fn every_key_that_a_file_may_have_is_on_the_page() {
    let every_table = "unknown = 1\n\
        [vocabulary]\nunknown = 1\n[params.a]\nunknown = 1\n[limits]\nunknown = 1\n\
        [body]\ntemplate = \"$data\"\nunknown = 1\nwhen = { \"$data\" = { unknown = 1 } }\n[secret]\nunknown = 1\n\
        [signature]\nunknown = 1\nscheme = { unknown = 1 }\n[[acknowledgement]]\nunknown = 1\n\
        [handshake]\nunknown = 1\n[sandbox]\nunknown = 1\n\
        [inbound]\nunknown = 1\ntype = { unknown = 1 }\nactor = { unknown = 1 }\nresource = { unknown = 1 }\n\
        handshake = { unknown = 1 }\n[[assumptions]]\nunknown = 1\n";
    let mistakes = Dialect::parse(every_table).unwrap_err();
    let unknown: Vec<_> = mistakes.iter().filter(|it| it.field.ends_with("unknown")).collect();
    assert_eq!(unknown.len(), every_table.matches("unknown").count(), "{mistakes:#?}");
    let page = page();
    for mistake in unknown {
        let (_, keys) = mistake.message.split_once("one of ").expect("an unknown key is told the known ones");
        for key in keys.split(", ") {
            let written =
                [format!("`{key}`"), format!("`{{ {key} ="), format!("[{key}"), format!("{{ {key} =")];
            assert!(written.iter().any(|it| page.contains(it)), "{}: the page lacks `{key}`", mistake.field);
        }
    }
}

/// Asks each place for its parts, and a part for its formats, by a name that there is not.
#[test]
fn every_part_and_format_is_on_the_page() {
    let page = page();
    for place in [
        "body = { template = \"$no\" }",
        "headers = { A = \"$no\" }",
        "inbound = { id = \"$no\" }",
        "acknowledgement = { when = { \"$no\" = 1 } }",
        "body = { template = \"$type:no\" }",
    ] {
        let mistakes = Dialect::parse(place).unwrap_err();
        let told = mistakes.iter().filter(|it| it.message.contains("$no`") || it.message.contains(":no`"));
        let known = told.filter_map(|it| Some(it.message.split_once("choose from ")?.1)).next();
        let known = known.unwrap_or_else(|| panic!("{place}: {mistakes:#?}"));
        for part in known.split(", ") {
            let shown = part.trim_end_matches('…').trim_end_matches('.');
            assert!(page.contains(&format!("`{shown}")), "the page lacks {part}");
        }
    }
}
