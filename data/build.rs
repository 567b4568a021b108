//! Lists the folders `dialects`, `catalogues` and `samples`, so that one of them is added by adding its file.
//!
//! Writes `embedded.rs` into `OUT_DIR`: three slices, sorted by path, whatever order the file system lists in.

use std::{
    env,
    error::Error,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let home = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut code = String::new();
    listing(&home, "dialects", "which is the id, and text of each dialect's file", &mut code)?;
    listing(&home, "catalogues", "which is the system, and text of each catalogue", &mut code)?;
    samples(&home, &mut code)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("embedded.rs"), code)?;
    for folder in ["dialects", "catalogues", "samples"] {
        // Cargo looks at all that is below a folder.
        println!("cargo::rerun-if-changed={folder}");
    }
    Ok(())
}

/// `<folder>/<stem>.toml`
fn listing(home: &Path, folder: &str, what: &str, code: &mut String) -> Result<()> {
    writeln!(code, "/// File stem, {what}; by stem.")?;
    writeln!(code, "pub(crate) const {}: &[(&str, &str)] = &[", folder.to_uppercase())?;
    for path in listed(&home.join(folder), "toml")? {
        writeln!(code, "    ({:?}, {}),", name(&path)?, included(home, &path)?)?;
    }
    Ok(writeln!(code, "];")?)
}

/// `samples/<system>/<event type>.json`
fn samples(home: &Path, code: &mut String) -> Result<()> {
    writeln!(code, "/// System, event type and event of each sample; by system, then by type.")?;
    writeln!(code, "pub(crate) const SAMPLES: &[(&str, &str, &str)] = &[")?;
    for system in listed(&home.join("samples"), "")? {
        for path in listed(&system, "json")? {
            let text = included(home, &path)?;
            writeln!(code, "    ({:?}, {:?}, {text}),", name(&system)?, name(&path)?)?;
        }
    }
    Ok(writeln!(code, "];")?)
}

/// What a folder holds of an extension, sorted by file stem; other files, such as an editor's, are passed over.
fn listed(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths = entries.map(|entry| entry.map(|it| it.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| {
        path.extension().unwrap_or_default() == extension && path.is_dir() == extension.is_empty()
    });
    paths.sort_by(|left, right| left.file_stem().cmp(&right.file_stem()));
    Ok(paths)
}

/// The text of a file, named from the package's folder when the package is compiled: what this script wrote holds after the
/// folder has moved.
fn included(home: &Path, path: &Path) -> Result<String> {
    let file = text(path.strip_prefix(home)?.as_os_str())?;
    Ok(format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))", format!("/{file}")))
}

fn name(path: &Path) -> Result<&str> {
    text(path.file_stem().unwrap_or_default())
}

fn text(name: &OsStr) -> Result<&str> {
    name.to_str().ok_or_else(|| format!("{} is not UTF-8; rename it", name.display()).into())
}
