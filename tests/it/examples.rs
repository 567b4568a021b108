//! What a newcomer runs first runs to its end: the examples and `casewire demo`.

use std::{env, path::Path, thread};

use serde_json::Value;

use crate::binary::{Ended, run, run_program, skip};

/// What a program printed, which must have come to a good end.
fn printed(ended: Ended) -> String {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

#[test]
fn every_example_runs_to_its_end() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    // target/debug/deps/it-… -> target/debug/examples
    let built = env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    let mut outputs = Vec::new();
    for source in sources.read_dir().unwrap() {
        let path = source.unwrap().path();
        if path.extension().is_none_or(|it| it != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let binary = built.join(&name).with_extension(env::consts::EXE_EXTENSION);
        if binary.exists() {
            outputs.push((name, printed(run_program(&binary))));
        } else {
            skip(&format!("the example {name} is not built; `cargo build --examples` builds it"));
        }
    }
    for (name, words) in [
        ("embed", "webhook-signature"),
        ("mount", r#"{"data":[]}"#),
        ("receiver", "the genuine delivery was taken, the forged one refused"),
    ] {
        let found = outputs.iter().find(|(other, _)| other == name);
        assert!(found.is_none_or(|(_, output)| output.contains(words)), "{name}: {found:?}");
    }
}

#[test]
fn the_demo_passes_for_each_system_and_for_all_of_them_side_by_side() {
    let systems = ["xpath", "ecourtdate", "casebook", "hivelight", "claimable"];
    let demos: Vec<_> = systems
        .map(|system| thread::spawn(move || run(&["--json", "demo", "--system", system], &[])))
        .into_iter()
        .collect();
    let printed = printed(run(&["demo"], &[]));
    assert!(printed.contains("PASS") && !printed.contains("FAIL"), "{printed}");
    assert!(systems.iter().all(|system| printed.contains(system)), "{printed}");
    assert!(printed.contains("forgetful was disabled after one request"), "{printed}");

    for (system, demo) in systems.iter().zip(demos) {
        let told: Value = serde_json::from_str(&self::printed(demo.join().unwrap())).unwrap();
        let endpoints = told["endpoints"].as_array().unwrap();
        assert_eq!(told["passed"], true, "{told}");
        assert!(endpoints.len() >= 2, "{told}");
        assert!(endpoints.iter().all(|endpoint| endpoint["system"] == *system), "{told}");
    }
}

#[test]
fn the_demo_of_a_system_that_there_is_not_names_those_that_there_are() {
    let ended = run(&["demo", "--system", "casebok"], &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("all, xpath, ecourtdate, casebook, hivelight, claimable"), "{ended:?}");
}
