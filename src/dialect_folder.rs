//! An operator's folder of dialects: every `*.toml` in it joins the dialects that are shipped.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use casewire_data::{
    Error, ErrorKind, Result,
    dialect::{Dialect, Dialects},
};

/// Bytes of the largest file that is read as a dialect.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// The dialects that are shipped, and those of a folder: each of its files `NAME@REVISION.toml`. One with the id of a
/// shipped one takes its place. Files with other extensions, and those whose names begin with a dot, are passed over.
///
/// Fails with `Invalid` if the folder or a file cannot be read, a file's name is not its id, or a file is wrong; the
/// message names every mistake of all files: `FILE line N, FIELD: MESSAGE`.
pub fn read_dialects(folder: impl AsRef<Path>) -> Result<Dialects> {
    let folder = folder.as_ref();
    let files = listed(folder).map_err(|error| {
        let shown = folder.display();
        invalid(format!(
            "cannot read the folder of dialects {shown}: {error}; create it, or name another with --dialects"
        ))
    })?;
    let mut dialects = Dialects::builtin();
    let mut wrong = Vec::new();
    for file in files {
        match read(&file) {
            Ok(dialect) => add(&mut dialects, &dialect, &file),
            Err(mistakes) => wrong.extend(mistakes),
        }
    }
    if wrong.is_empty() {
        return Ok(dialects);
    }
    Err(invalid(format!(
        "the dialects in {} cannot be used; mend these, and try with `casewire dialect check FILE`:\n  {}",
        folder.display(),
        wrong.join("\n  ")
    )))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

/// The files of the folder that are meant, by name.
fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|it| it.path()));
    let mut files = entries.collect::<io::Result<Vec<_>>>()?;
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !hidden(path));
    files.sort();
    Ok(files)
}

/// A file's dialect, or every mistake in it, with file and line.
fn read(file: &Path) -> std::result::Result<Dialect, Vec<String>> {
    let shown = file.display();
    let text = read_text(file).map_err(|why| vec![format!("{shown}: {why}")])?;
    let dialect = Dialect::parse(&text).map_err(|mistakes| {
        mistakes.iter().map(|mistake| format!("{shown} {mistake}")).collect::<Vec<_>>()
    })?;
    if file.file_stem().is_none_or(|stem| stem != dialect.id()) {
        let id = dialect.id();
        let message = format!("{shown}: is the dialect {id}; call the file {id}.toml, or correct its `id`");
        return Err(vec![message]);
    }
    Ok(dialect)
}

/// The text of a dialect's file. The error says what is wrong with it and what would be right.
pub(crate) fn read_text(file: &Path) -> std::result::Result<String, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let kind = fs::metadata(file).map_err(unreadable)?;
    if kind.is_dir() {
        return Err("is a folder; name a file".to_owned());
    }
    // Before it is opened: a pipe or a device may give nothing for ever, or everything.
    if !kind.is_file() {
        return Err("is no regular file; copy it to one".to_owned());
    }
    text_of(fs::File::open(file).map_err(unreadable)?)
}

/// All that a reader gives, as the text of a dialect's file.
pub(crate) fn text_of(reader: impl Read) -> std::result::Result<String, String> {
    let mut bytes = Vec::new();
    let read = reader.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is too long; a dialect's file has at most {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} is not UTF-8; save the file as UTF-8")
    })
}

fn add(dialects: &mut Dialects, dialect: &Dialect, file: &Path) {
    let replaces = dialects.get(dialect.id()).is_ok();
    dialects.add(dialect.text()).expect("it was compiled from this text a moment ago");
    let (id, file) = (dialect.id(), file.display());
    if replaces {
        tracing::info!(dialect = id, %file, "a dialect of your own takes the place of the one that is shipped");
    } else {
        tracing::info!(dialect = id, %file, "a dialect of your own is added");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(id: &str) -> String {
        Dialects::builtin().get("standard@1").unwrap().text().replace("standard@1", id)
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        dir
    }

    #[test]
    fn every_toml_file_joins_the_shipped_ones_and_nothing_else_is_looked_at() {
        let mended = own("xpath@1");
        let dir = folder(&[
            ("own@1.toml", own("own@1").as_bytes()),
            ("xpath@1.toml", mended.as_bytes()),
            ("README.md", b"words"),
            (".#own@1.toml", b"an editor's"),
            ("own@1.toml~", b"an editor's"),
        ]);
        let dialects = read_dialects(dir.path()).unwrap();
        let shipped = Dialects::builtin();
        assert_eq!(dialects.ids().count(), shipped.ids().count() + 1);
        assert_eq!(dialects.get("own@1").unwrap().id(), "own@1");
        assert_eq!(dialects.get("xpath@1").unwrap().text(), mended, "one of the same id takes its place");
        assert_eq!(read_dialects(folder(&[]).path()).unwrap().ids().count(), shipped.ids().count());
    }

    #[test]
    fn every_mistake_of_all_files_is_named_with_file_and_line() {
        let broken = own("c@1").replace("kind = \"open\"", "kind = \"ajar\"").replace("$type,", "$typ,");
        let dir = folder(&[
            ("a@1.toml", own("b@1").as_bytes()),
            ("b@1.toml", own("b@1").as_bytes()),
            ("c@1.toml", broken.as_bytes()),
            ("d@1.toml", b"id = \"d@1\"\n\xff"),
        ]);
        fs::create_dir(dir.path().join("e@1.toml")).unwrap();
        let error = read_dialects(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let at = |name: &str| dir.path().join(name).display().to_string();
        for said in [
            format!("{}: is the dialect b@1; call the file b@1.toml", at("a@1.toml")),
            format!("{} line 9, vocabulary.kind: ", at("c@1.toml")),
            format!("{} line 14, body.template: ", at("c@1.toml")),
            format!("{}: line 2 is not UTF-8", at("d@1.toml")),
            format!("{}: is a folder", at("e@1.toml")),
        ] {
            assert!(error.message().contains(&said), "{said}: {error}");
        }
        assert!(!error.message().contains(&at("b@1.toml")), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_and_a_file_that_is_too_long_are_refused_at_once() {
        let most = usize::try_from(FILE_BYTES_MAX).unwrap();
        let padded = |bytes: usize| format!("{}\n#{}", own("own@1"), "x".repeat(bytes));
        let room = most - padded(0).len();
        let dir = folder(&[("own@1.toml", padded(room).as_bytes())]);
        read_dialects(dir.path()).unwrap();
        fs::write(dir.path().join("own@1.toml"), padded(room + 1)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero@1.toml")).unwrap();
        let error = read_dialects(dir.path()).unwrap_err();
        for said in [
            "own@1.toml: is too long; a dialect's file has at most 262144 bytes",
            "zero@1.toml: is no regular",
        ] {
            assert!(error.message().contains(said), "{said}: {error}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let error = read_dialects("/no/such/folder").unwrap_err();
        assert!(
            error.message().contains("/no/such/folder") && error.message().contains("--dialects"),
            "{error}"
        );
    }
}
