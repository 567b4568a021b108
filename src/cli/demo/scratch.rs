//! Where the demo keeps its journal.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A directory that is removed at the end if it was made for the demo alone.
pub(super) struct Scratch {
    path: PathBuf,
    temporary: bool,
}

impl Scratch {
    /// The given directory, or else a new temporary one of a name that nobody can guess.
    pub(super) fn new(given: Option<PathBuf>) -> io::Result<Self> {
        if let Some(path) = given {
            return Ok(Self { path, temporary: false });
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let path = std::env::temp_dir().join(format!("casewire-demo-{:016x}", u64::from_ne_bytes(random)));
        Ok(Self { path, temporary: true })
    }

    /// The directory, which may not exist yet.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.temporary {
            // What is left in a temporary directory is the system's to remove.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
