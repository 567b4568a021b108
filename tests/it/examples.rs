//! What a newcomer runs first runs to its end: the examples and `casewire demo`.

use std::{env, path::Path};

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
fn the_demo_passes() {
    let printed = printed(run(&["demo"], &[]));
    assert!(printed.contains("PASS"), "{printed}");
    assert!(!printed.contains("FAIL"), "{printed}");
}
