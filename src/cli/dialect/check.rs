//! `casewire dialect check`: every mistake of a file, by its line.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use casewire_data::dialect::{Dialect, Mistake};
use serde_json::{Value, json};

use crate::{
    cli::{
        Failure, Outcome,
        output::{self, printable},
    },
    dialect_folder::{read_text, text_of},
};

/// What `dialect check` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Dialects' files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What a file came to.
enum Finding {
    Good(String),
    Wrong(Vec<Mistake>),
    Unreadable(String),
    /// It has the id of another file.
    Twice(String),
}

/// Prints what each file came to; fails if one is wrong.
pub(super) fn run(args: &Args, json: bool) -> Outcome {
    let mut findings: Vec<_> = args.files.iter().map(|file| (file.as_path(), look_at(file))).collect();
    tell_apart(&mut findings);
    if json {
        output::json(
            &json!({ "data": findings.iter().map(|(file, it)| it.as_json(file)).collect::<Vec<_>>() }),
        );
    } else {
        findings.iter().for_each(|(file, finding)| finding.print(file));
    }
    let good = findings.iter().all(|(_, finding)| matches!(finding, Finding::Good(_)));
    if good { Ok(()) } else { Err(Failure::Told) }
}

/// Of several files with one id only the first is good.
fn tell_apart(findings: &mut [(&Path, Finding)]) {
    let mut known: BTreeMap<String, &Path> = BTreeMap::new();
    for (file, finding) in findings {
        let Finding::Good(id) = finding else { continue };
        if let Some(first) = known.get(id) {
            let first = first.display();
            *finding =
                Finding::Twice(format!("is {id}, as is {first}; give one of them another name or revision"));
        } else {
            known.insert(id.clone(), file);
        }
    }
}

fn look_at(file: &Path) -> Finding {
    let text = if is_stdin(file) { text_of(io::stdin().lock()) } else { read_text(file) };
    match text.map(|text| Dialect::parse(&text)) {
        Ok(Ok(dialect)) => Finding::Good(dialect.id().to_owned()),
        Ok(Err(mistakes)) => Finding::Wrong(mistakes),
        Err(why) => Finding::Unreadable(why),
    }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

impl Finding {
    fn print(&self, file: &Path) {
        let shown = file.display();
        let line = |text: String| output::line(&printable(&text));
        match self {
            Self::Good(id) => {
                line(format!("{shown}: good, {id}"));
                if !is_stdin(file) && file.file_stem().is_none_or(|stem| stem != id.as_str()) {
                    line(format!("  call it {id}.toml before you put it into the folder of dialects"));
                }
            }
            Self::Wrong(mistakes) => mistakes.iter().for_each(|mistake| line(format!("{shown} {mistake}"))),
            Self::Unreadable(why) | Self::Twice(why) => line(format!("{shown}: {why}")),
        }
    }

    fn as_json(&self, file: &Path) -> Value {
        let file = file.display().to_string();
        let mistake = |it: &Mistake| json!({ "line": it.line, "field": it.field, "message": it.message });
        match self {
            Self::Good(id) => json!({ "file": file, "good": true, "id": id }),
            Self::Wrong(mistakes) => {
                json!({ "file": file, "good": false, "mistakes": mistakes.iter().map(mistake).collect::<Vec<_>>() })
            }
            Self::Unreadable(why) | Self::Twice(why) => {
                json!({ "file": file, "good": false, "mistakes": [{ "message": why }] })
            }
        }
    }
}
