//! The rules of the house that a compiler does not check.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test, in helper functions too")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const LINES_MAX: usize = 450;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository: its path from the root, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(root().join(path)).ok()?;
        Some(Self { path: path.to_str()?.to_owned(), text })
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    fn is_test(&self) -> bool {
        self.is_in(&["tests/"]) || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Whether code uses a crate, comments left out.
    fn uses(&self, name: &str) -> bool {
        let code = self.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.into_iter().any(|line| {
            line.match_indices(&format!("{name}::")).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':')
            }) || line.trim_start().starts_with(&format!("use {name};"))
        })
    }
}

/// Every file that is or would be committed, as paths from the root.
fn repository() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let listed = listed.ok().filter(|listed| listed.status.success()).map(|listed| listed.stdout);
    let paths = match listed {
        Some(listed) => String::from_utf8(listed).unwrap().lines().map(PathBuf::from).collect(),
        // A copy without its history.
        None => below(root()).into_iter().map(|path| path.strip_prefix(root()).unwrap().to_owned()).collect(),
    };
    // Git lists what was deleted and not yet committed.
    let mut paths: Vec<PathBuf> = paths;
    paths.retain(|path| root().join(path).is_file());
    paths
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let ours = entries.filter(|path| !path.ends_with("target") && !path.ends_with(".git"));
    ours.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

fn rust() -> Vec<Source> {
    let paths = repository().into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs"));
    let sources: Vec<_> = paths.filter_map(|path| Source::read(&path)).collect();
    assert!(sources.len() > 50, "the repository has sources");
    sources
}

#[test]
fn each_library_stays_in_its_room() {
    let rooms: [(&str, &[&str]); 8] = [
        ("sled", &["data/src/store"]),
        ("rmp_serde", &["data/src/store"]),
        ("glob", &["data/src/pattern"]),
        ("hmac", &["data/src/signature"]),
        ("sha2", &["data/src/signature"]),
        ("httparse", &["actors/src/dispatch"]),
        ("tokio_rustls", &["actors/src/dispatch"]),
        // Only the command line is a client of the program itself; deliveries have their own.
        ("awc", &["src/cli/"]),
    ];
    for (name, places) in rooms {
        let allowed =
            |source: &Source| source.is_in(places) || source.is_test() || source.is_in(&["examples/"]);
        let sources = rust();
        let strays: Vec<_> =
            sources.iter().filter(|it| it.uses(name) && !allowed(it)).map(|it| &it.path).collect();
        assert!(strays.is_empty(), "{name} is used outside of {places:?}: {strays:?}");
        assert!(
            sources.iter().any(|source| source.uses(name) && source.is_in(places)),
            "{name} is used at all"
        );
    }
}

#[test]
fn data_never_waits_nor_looks_at_clock_network_or_chance() {
    let words = [
        "tokio::",
        "actix",
        "SystemTime::now",
        "Instant::now",
        "getrandom",
        "std::net::Tcp",
        "async fn",
        ".await",
    ];
    for source in rust().iter().filter(|source| source.is_in(&["data/src"])) {
        let code = source.text.split("#[cfg(test)]").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found: Vec<_> =
            code.filter(|line| words.iter().any(|word| line.contains(word))).map(str::trim).collect();
        assert!(found.is_empty(), "{}: {found:?}", source.path);
    }
}

#[test]
fn arrows_run_from_src_to_actors_to_data() {
    for source in rust() {
        let data = source.is_in(&["data/"]);
        assert!(!data || !source.uses("casewire_actors"), "{} reaches up", source.path);
        let below = data || source.is_in(&["actors/"]);
        assert!(!below || !source.uses("casewire"), "{} reaches up", source.path);
    }
    let manifest = fs::read_to_string(root().join("data/Cargo.toml")).unwrap();
    for name in ["casewire-actors", "tokio", "actix", "getrandom", "awc", "casewire.workspace"] {
        assert!(!manifest.lines().any(|line| line.starts_with(name)), "data depends on {name}");
    }
    let manifest = fs::read_to_string(root().join("actors/Cargo.toml")).unwrap();
    assert!(!manifest.lines().any(|line| line.starts_with("casewire.") || line.starts_with("actix-web")));
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let wrong: Vec<_> = rust()
        .into_iter()
        .filter_map(|source| {
            let lines = source.text.lines().count();
            let told = source.text.starts_with("//!");
            (lines > LINES_MAX || !told)
                .then(|| format!("{}: {lines} lines, module comment: {told}", source.path))
        })
        .collect();
    assert!(wrong.is_empty(), "at most {LINES_MAX} lines, the first of them a `//!`: {wrong:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    // Written in halves, or this list would find itself.
    let words =
        [["todo", "!("], ["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["#[ign", "ore"], ["unimpl", "emented!("]];
    let words = words.map(|halves| halves.concat());
    let sleep = ["thread::", "sleep"].concat();
    for source in rust() {
        let found = words.iter().find(|word| source.text.contains(word.as_str()));
        assert!(found.is_none(), "{}: {found:?}", source.path);
        assert!(
            !source.is_test() || !source.text.contains(&sleep),
            "{}: wait for what is expected instead",
            source.path
        );
    }
}

#[test]
fn the_repository_knows_nothing_of_the_machine_it_was_made_on() {
    let names =
        [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["arti", "factory"], ["mirror", ".internal"]];
    let names = names.map(|halves| halves.concat());
    for path in repository() {
        let Some(source) = Source::read(&path) else { continue };
        let line = source.text.lines().find(|line| names.iter().any(|name| line.contains(name.as_str())));
        assert!(line.is_none(), "{}: {line:?}", source.path);
    }
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let registries: BTreeSet<_> = lock.lines().filter(|line| line.starts_with("source = ")).collect();
    let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    assert_eq!(registries.into_iter().collect::<Vec<_>>(), [public]);
}

#[test]
fn the_lock_file_is_committed() {
    assert!(repository().contains(&PathBuf::from("Cargo.lock")), "builds are reproducible");
}

#[test]
fn plain_cargo_test_tests_every_crate() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("default-members = [\".\", \"actors\", \"data\"]"), "README promises it");
}

#[test]
fn the_readme_maps_the_house_as_it_stands() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README.md");
    let mapped = map(&readme);
    assert!(!mapped.is_empty(), "README.md has a map: a fenced `text` block that begins with `Cargo.toml`");
    for path in &mapped {
        assert!(root().join(path).exists(), "README.md maps {path}, which is not there");
    }
    for crate_dir in ["src", "actors/src", "data/src"] {
        for entry in fs::read_dir(root().join(crate_dir)).unwrap().map(|entry| entry.unwrap().path()) {
            let path = entry.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            // Every crate has one.
            if path.ends_with("/lib.rs") {
                continue;
            }
            // A module with a folder may be named by either.
            let stem = path.trim_end_matches(".rs");
            let named = mapped.iter().any(|it| it.trim_end_matches('/').trim_end_matches(".rs") == stem);
            assert!(named, "README.md's map lacks {path}");
        }
    }
}

#[test]
fn the_map_is_read_as_it_is_drawn() {
    let readme = "x\n```text\nCargo.toml    settings\nsrc/          the surface\n  admin/, cli/  two\n    a.rs\n  lib.rs\ndata/  x\n  src/id.rs, event.rs  y\n```\n";
    assert_eq!(
        map(readme),
        [
            "Cargo.toml",
            "src/",
            "src/admin/",
            "src/cli/",
            "src/cli/a.rs",
            "src/lib.rs",
            "data/",
            "data/src/id.rs",
            "data/src/event.rs"
        ]
    );
}

/// The paths of the map: a line names one or several, separated by commas, below the last line that is indented less.
fn map(readme: &str) -> Vec<String> {
    let blocks = readme.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let Some(block) = blocks.into_iter().find(|block| block.starts_with("Cargo.toml")) else {
        return Vec::new();
    };
    let mut parents: Vec<(usize, String)> = Vec::new();
    let mut paths = Vec::new();
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start().len();
        // Two spaces end the names and begin what is said of them.
        let names = line.trim().split("  ").next().unwrap_or_default();
        parents.retain(|(depth, _)| *depth < indent);
        let parent = parents.last().map(|(_, path)| path.clone()).unwrap_or_default();
        // `src/id.rs, event.rs`: what follows lies beside what comes first.
        let beside = names.split(", ").next().and_then(|first| first.trim_end_matches('/').rsplit_once('/'));
        let beside = beside.map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let name = |(index, name)| {
            if index == 0 { format!("{parent}{name}") } else { format!("{parent}{beside}{name}") }
        };
        let named: Vec<_> = names.split(", ").enumerate().map(name).collect();
        parents.extend(named.last().filter(|path| path.ends_with('/')).map(|path| (indent, path.clone())));
        paths.extend(named);
    }
    paths
}
