//! What a newcomer runs first runs to its end: the examples and `casewire demo`.

use std::{
    env,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The demo takes nine seconds, on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a child is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a command to its end, which must be a good one, and answers with what it printed.
fn run(command: &mut Command) -> String {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = within_patience(child).wait_with_output().unwrap();
    let (printed, complaints) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{printed}\n{complaints}", output.status);
    printed.into_owned()
}

/// What these print fits a pipe's buffer, so they end without being read.
fn within_patience(mut child: Child) -> Child {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("it did not end; it printed: {}", String::from_utf8_lossy(&output.stdout));
        }
        thread::sleep(LOOK);
    }
    child
}

#[test]
fn every_example_runs_to_its_end() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    // target/debug/deps/it-… -> target/debug/examples
    let built = env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    let mut printed = Vec::new();
    for source in sources.read_dir().unwrap() {
        let name = source.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let binary = built.join(&name).with_extension(env::consts::EXE_EXTENSION);
        if binary.exists() {
            printed.push((name, run(&mut Command::new(binary))));
        } else {
            assert!(env::var_os("CASEWIRE_REQUIRE_ALL").is_none(), "{} is not built", binary.display());
            println!("skipped: {} is not built; `cargo build --examples` builds it", binary.display());
        }
    }
    for (name, words) in [
        ("embed", "webhook-signature"),
        ("mount", r#"{"data":[]}"#),
        ("receiver", "the genuine delivery was taken, the forged one refused"),
    ] {
        let found = printed.iter().find(|(other, _)| other == name);
        assert!(found.is_none_or(|(_, printed)| printed.contains(words)), "{name}: {found:?}");
    }
}

#[test]
fn the_demo_passes() {
    let printed = run(Command::new(env!("CARGO_BIN_EXE_casewire")).arg("demo"));
    assert!(printed.contains("PASS"), "{printed}");
    assert!(!printed.contains("FAIL"), "{printed}");
}
