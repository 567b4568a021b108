//! Every command teaches by examples, and says what to do next when it cannot do what was asked for.

use std::{
    fs::OpenOptions,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{Server, TOKEN, run};

/// The help of a command and of all below it, each with its words.
fn helps(words: &[&str], all: &mut Vec<(String, String)>) {
    let help = run(&[words, &["--help"]].concat(), &[]);
    assert_eq!(help.code, Some(0), "{words:?}: {help:?}");
    let listed = help.stdout.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let below: Vec<_> =
        listed.into_iter().flat_map(str::lines).filter(|line| !line.starts_with("   ")).collect();
    let names = below.iter().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let mut is_group = false;
    for name in names {
        is_group = true;
        helps(&[words, &[name]].concat(), all);
    }
    if !is_group {
        all.push((words.join(" "), help.stdout));
    }
}

#[test]
fn the_help_of_every_command_has_an_example_with_flags_that_there_are() {
    let mut all = Vec::new();
    helps(&[], &mut all);
    assert!(all.len() > 50, "{}", all.len());
    for (words, help) in &all {
        let examples =
            help.split("\nExample").nth(1).unwrap_or_else(|| panic!("{words} has no example: {help}"));
        let command = format!("casewire {words}");
        let own: Vec<_> = examples.lines().filter_map(|line| line.split_once(&command)).collect();
        assert!(!own.is_empty(), "{words}: {examples}");
        let described = help.split("\nExample").next().unwrap();
        let arguments = own.iter().filter_map(|(_, behind)| behind.split(" | ").next());
        for flag in arguments.flat_map(|text| text.split(' ')).filter(|word| word.starts_with("--")) {
            assert!(described.contains(flag), "{words} has no {flag}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_a_failure_and_what_nobody_reads_is_not() {
    let printed = |to: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_casewire"));
        command.args(["dialect", "list"]).stdout(to).stderr(Stdio::piped()).output().unwrap()
    };
    if let Ok(full) = OpenOptions::new().write(true).open("/dev/full") {
        let ended = printed(full.into());
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("cannot write"), "{ended:?}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = printed(writer.into());
    assert_eq!((ended.status.code(), ended.stderr.is_empty()), (Some(0), true), "{ended:?}");
}

#[test]
fn who_asks_beside_the_api_or_without_a_right_token_hears_what_to_give() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]);
    let url = server.url();
    let root = url.strip_suffix("/v2.3/webhooks").unwrap();
    let list = |server: &str, token: &str| {
        run(&["endpoints", "list"], &[("CASEWIRE_SERVER", server), ("CASEWIRE_TOKEN", token)])
    };
    let beside = list(root, TOKEN);
    assert_eq!(beside.code, Some(1), "{beside:?}");
    assert!(beside.stderr.contains("every path of the API begins with /v2.3/webhooks/"), "{beside:?}");
    let wrong = list(&url, "wrong");
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("--token or CASEWIRE_TOKEN"), "{wrong:?}");
    assert_eq!(list(&url, TOKEN).code, Some(0));
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_list_goes_on_where_the_page_before_ended() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]);
    let url = server.url();
    let env = [("CASEWIRE_SERVER", url.as_str()), ("CASEWIRE_TOKEN", TOKEN)];
    for name in ["first", "案件"] {
        let create = [
            "endpoints",
            "create",
            "--url",
            "https://a.example/",
            "--event",
            "cases.*",
            "--description",
            name,
        ];
        assert_eq!(run(&create, &env).code, Some(0));
    }
    let page = run(&["endpoints", "list", "--limit", "1"], &env);
    let (before, cursor) =
        page.stdout.trim_end().trim_end_matches(')').split_once("(more with --cursor ").unwrap();
    assert!(before.contains("案件") && !before.contains("first"), "{page:?}");
    let next = run(&["endpoints", "list", "--cursor", cursor, "--json"], &env);
    let next: Value = serde_json::from_str(&next.stdout).unwrap();
    assert_eq!(next["data"][0]["description"], "first");
    assert!(next["next_cursor"].is_null() && next["data"].as_array().unwrap().len() == 1, "{next}");
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_dialect_that_is_not_there_is_told_as_the_setting_that_it_is() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--dialect", "nobodys@1", "--data-dir"];
    let ended = run(&[&arguments[..], &[data.to_str().unwrap()]].concat(), &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("dialect, from a flag, the environment or the file: there is no"),
        "{ended:?}"
    );
}
