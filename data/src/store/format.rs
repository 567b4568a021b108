//! Which format a data directory has, so that no build reads, or worse writes, what only a newer one understands.

use std::{fs, io, path::Path};

use super::{guard::write_whole, segment::storage};
use crate::error::{Error, ErrorKind, Result};

/// The format that this build writes. To be raised with every change of what is stored that a build before it would
/// take for damage: a new kind of entry, a new document of the registry, a new version byte. A start brings an older
/// directory up to it.
///
/// 0: as 1, from before directories said so. 1: the first that is written down.
pub const FORMAT: u32 = 1;

/// This build, for messages about what it wrote.
pub const BUILD: &str = env!("CARGO_PKG_VERSION");

const FILE: &str = "format";

/// The directory's format; 0 if it does not say, as one that is new. Refuses a newer one than this build's.
pub fn read(dir: &Path) -> Result<u32> {
    let path = dir.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(storage("read", &path, &error)),
    };
    let Some((format, build)) = std::str::from_utf8(&bytes).ok().and_then(decode) else {
        let message = format!("{} is damaged; restore it from a backup", path.display());
        return Err(Error::new(ErrorKind::Damaged, message));
    };
    refuse_newer(&format!("the data directory {}", dir.display()), (FORMAT, format), build)?;
    Ok(format)
}

/// Writes a format down, synced; this build's to bring the directory up to it.
pub fn write(dir: &Path, format: u32) -> Result<()> {
    write_whole(&dir.join(FILE), &encode(format, BUILD))
}

/// Refuses what has a newer format than the newest `known` one; `build` wrote it.
pub fn refuse_newer(what: &str, (known, format): (u32, u32), build: &str) -> Result<()> {
    if format <= known {
        return Ok(());
    }
    let message = format!(
        "{what} has format {format}, written by casewire {build}; this is casewire {BUILD}, which knows formats up to \
         {known}; use {build} or newer"
    );
    Err(Error::new(ErrorKind::Newer, message))
}

fn encode(format: u32, build: &str) -> String {
    let told = format!("format {format}\nwritten by casewire {build}\n");
    format!("{told}checksum {:08x}\n", crc32c::crc32c(told.as_bytes()))
}

fn decode(text: &str) -> Option<(u32, &str)> {
    let mut lines = text.lines();
    let format = lines.next()?.strip_prefix("format ")?.parse().ok()?;
    let build = lines.next()?.strip_prefix("written by casewire ")?;
    (encode(format, build) == text).then_some((format, build))
}

/// What a build with a later format would have left.
#[cfg(test)]
pub fn fake(dir: &Path, format: u32, build: &str) {
    fs::write(dir.join(FILE), encode(format, build)).unwrap();
}
