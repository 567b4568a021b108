//! What a backup says of itself: the last file that is written into it, and the first that is read.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    copying::Sum,
    format::{self, BUILD},
    guard::{Reach, write_whole},
    segment::{is_segment, storage},
};
use crate::{
    Timestamp,
    error::{Error, ErrorKind, Result},
};

/// The format of backups that this build makes.
const BACKUP_FORMAT: u32 = 1;
const FILE: &str = "backup.json";
/// The folders of a data directory that are copied; all else follows from them.
pub const FOLDERS: [&str; 3] = ["log", "registry", "audit"];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The build that made it.
    pub made_by: String,
    /// When, RFC 3339.
    pub made_at: String,
    /// The format of the data directory that it was made of.
    pub data_format: u32,
    /// Events in it.
    pub events: u64,
    /// Where the log ends.
    log_end: u64,
    /// Where the registry ends.
    registry_end: u64,
    /// Where the audit ends; absent of a directory from before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audit_end: Option<u64>,
    /// Every other file.
    pub files: Vec<Listed>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Where it lies: folder and name.
    pub path: String,
    bytes: u64,
    crc32c: String,
}

/// The manifest as it lies in its file, with a checksum over its very letters.
#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    casewire_backup: u32,
    made_by: String,
    crc32c: String,
    #[serde(borrow)]
    backup: &'a RawValue,
}

impl Manifest {
    /// A manifest by this build.
    pub fn new(made_at: Timestamp, data_format: u32, events: u64, reach: Reach, files: Vec<Listed>) -> Self {
        Self {
            made_by: BUILD.to_owned(),
            made_at: made_at.to_rfc3339_seconds(),
            data_format,
            events,
            log_end: reach.log,
            registry_end: reach.registry,
            audit_end: reach.audit,
            files,
        }
    }

    /// The folders that are in it: no audit of a directory from before there was one, where the first start begins it.
    pub fn folders(&self) -> impl Iterator<Item = &'static str> {
        FOLDERS.into_iter().filter(|folder| *folder != "audit" || self.audit_end.is_some())
    }

    /// Where log, registry and audit end.
    pub fn reach(&self) -> Reach {
        Reach { log: self.log_end, registry: self.registry_end, audit: self.audit_end }
    }

    /// Writes it, synced: from now on the backup is whole.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        let packed = serde_json::value::to_raw_value(self).and_then(|backup| {
            let (made_by, crc32c) = (self.made_by.clone(), spelled(backup.get()));
            serde_json::to_string(&Sealed {
                casewire_backup: BACKUP_FORMAT,
                made_by,
                crc32c,
                backup: &backup,
            })
        });
        write_whole(&path, &packed.expect("plain data always packs into memory"))
    }

    /// Reads that of a backup, whose files are not looked at yet.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!(
                    "{} is not a backup, or not a whole one: it has no {FILE}; name the folder that `casewire backup` told",
                    dir.display()
                );
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            Err(error) => return Err(storage("read", &path, &error)),
        };
        let sealed: Sealed<'_> = serde_json::from_slice(&text).map_err(|_| damaged(&path))?;
        let what = format!("the backup {}", dir.display());
        format::refuse_newer(&what, (BACKUP_FORMAT, sealed.casewire_backup), &sealed.made_by)?;
        if spelled(sealed.backup.get()) != sealed.crc32c {
            return Err(damaged(&path));
        }
        let manifest: Self = serde_json::from_str(sealed.backup.get()).map_err(|_| damaged(&path))?;
        if !manifest.files.iter().all(Listed::is_in_its_place) {
            return Err(damaged(&path));
        }
        format::refuse_newer(&what, (format::FORMAT, manifest.data_format), &manifest.made_by)?;
        Ok(manifest)
    }
}

impl Listed {
    /// An entry for a file of a folder.
    pub fn new(path: String, sum: Sum) -> Self {
        Self { path, bytes: sum.bytes, crc32c: format!("{:08x}", sum.checksum) }
    }

    /// Whether this is what it was listed for.
    pub fn matches(&self, sum: Sum) -> bool {
        *self == Self::new(self.path.clone(), sum)
    }

    /// Nothing is ever read or written outside of the folders that there are.
    fn is_in_its_place(&self) -> bool {
        self.path.split_once('/').is_some_and(|(folder, name)| {
            FOLDERS.contains(&folder) && !name.contains('/') && is_segment(Path::new(name))
        })
    }
}

/// What a backup says of itself; nothing if it is none.
pub fn of_backup(dir: &Path) -> Result<Option<Manifest>> {
    if is_backup(dir) { Manifest::read(dir).map(Some) } else { Ok(None) }
}

fn is_backup(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Refuses to run on a backup: it would be one no more.
pub fn refuse_backup(dir: &Path) -> Result<()> {
    if !is_backup(dir) {
        return Ok(());
    }
    let message = format!(
        "{0} is a backup, not a data directory; make one of it with `casewire restore {0} --data-dir DIR`",
        dir.display()
    );
    Err(Error::new(ErrorKind::Invalid, message))
}

/// What a build with a later format of backups would have written.
#[cfg(test)]
pub fn fake_newer(dir: &Path, build: &str) {
    let backup = serde_json::value::to_raw_value("in words of its own").unwrap();
    let sealed = Sealed {
        casewire_backup: BACKUP_FORMAT + 1,
        made_by: build.to_owned(),
        crc32c: spelled(backup.get()),
        backup: &backup,
    };
    fs::write(dir.join(FILE), serde_json::to_string(&sealed).unwrap()).unwrap();
}

fn spelled(text: &str) -> String {
    format!("{:08x}", crc32c::crc32c(text.as_bytes()))
}

fn damaged(path: &Path) -> Error {
    let message = format!("{} is damaged; restore another backup", path.display());
    Error::new(ErrorKind::Damaged, message)
}
