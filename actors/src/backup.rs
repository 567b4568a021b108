//! Backups of a running engine, one at a time, each copied on a thread of its own.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use casewire_data::{
    Error, ErrorKind, Result, Timestamp,
    audit::{Act, Action, Principal},
    event::Tenant,
    limits,
    store::BackupReport,
};
use tokio::sync::oneshot;

use crate::{clock::Clock, journal::Journal};

/// Makes backups below one folder. Clones share it.
#[derive(Clone)]
pub struct Backups {
    /// Where they lie.
    dir: PathBuf,
    journal: Journal,
    clock: Clock,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    under_way: AtomicBool,
    stop: AtomicBool,
    copying: Mutex<Option<JoinHandle<()>>>,
}

impl Backups {
    /// Backups of a journal, to lie in a folder that the first one creates.
    pub fn new(dir: PathBuf, journal: Journal, clock: Clock) -> Self {
        Self { dir, journal, clock, shared: Arc::default() }
    }

    /// Makes a backup for somebody, named by the time unless it is given a name; answers when it is on disk.
    ///
    /// All that was acknowledged before the call is in it. `Busy` while another one is being made, `Invalid` for what is
    /// no name, `Conflict` for one that is taken. Goes on to its end if the caller gives up. The audit of the tenant
    /// `default`, who is the operator, has it before anything is copied.
    pub async fn make(&self, by: Principal, name: Option<String>) -> Result<BackupReport> {
        let made_at = self.clock.now();
        let name = name.map_or_else(|| Ok(name_of(made_at)), checked)?;
        let turn = Turn::take(&self.shared)?;
        let act = Act::new(&Tenant::default(), by, Action::BackupCreate, &name);
        self.journal.audited(act, None).await?;
        let point = self.journal.backup_point().await?;
        let (answer, answered) = oneshot::channel();
        let to = self.dir.join(name);
        let copy = move || {
            let written = point.write(&to, made_at, &turn.0.stop);
            // First, so that whoever has the answer can make the next one.
            drop(turn);
            let _ = answer.send(written);
        };
        let thread = thread::Builder::new().name("casewire-backup".to_owned()).spawn(copy);
        let thread = thread.map_err(|error| {
            Error::new(ErrorKind::Storage, format!("the operating system started no thread: {error}"))
        })?;
        *self.shared.copying() = Some(thread);
        let gone =
            || Error::new(ErrorKind::Closed, "the backup came to no end; see the log, and make it again");
        answered.await.map_err(|_| gone())?
    }

    /// Gives up the backup that is being made and begins no other; blocks until nothing is left of it.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let copying = self.shared.copying().take();
        if copying.is_some_and(|copying| copying.join().is_err()) {
            tracing::error!("the thread of a backup panicked");
        }
    }
}

impl fmt::Debug for Backups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backups").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Shared {
    fn copying(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.copying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to make a backup, given back when dropped.
struct Turn(Arc<Shared>);

impl Turn {
    fn take(shared: &Arc<Shared>) -> Result<Self> {
        if shared.under_way.swap(true, Ordering::SeqCst) {
            let message = "another backup is being made; make this one when it is there";
            return Err(Error::new(ErrorKind::Busy, message));
        }
        Ok(Self(shared.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.under_way.store(false, Ordering::SeqCst);
    }
}

/// A name that sorts like its time and is never given twice.
fn name_of(made_at: Timestamp) -> String {
    made_at.to_rfc3339_micros().replace(['-', ':'], "")
}

/// A name from outside: it must not lead anywhere else, nor look like a backup that is being made.
fn checked(name: String) -> Result<String> {
    let begins_well = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if begins_well && name.len() <= limits::BACKUP_NAME_BYTES_MAX && name.bytes().all(allowed) {
        return Ok(name);
    }
    let most = limits::BACKUP_NAME_BYTES_MAX;
    let message = format!(
        "is not a name for a backup; use 1 to {most} letters, digits, `-`, `_` and `.`, a letter or digit first"
    );
    Err(Error::field("name", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_the_folder_of_backups() {
        for good in ["a", "before-2.0_update", &name_of(Timestamp::from_millis(1_700_000_000_000))] {
            assert_eq!(checked(good.to_owned()).unwrap(), good);
        }
        for bad in ["", ".", "..", "../a", "a/b", "/a", ".hidden", "a b", "a\0", "ä", &"a".repeat(65)] {
            assert_eq!(checked(bad.to_owned()).unwrap_err().field_errors()[0].field, "name", "{bad}");
        }
    }

    #[test]
    fn names_by_time_sort_like_their_times() {
        let names = [1_700_000_000_000, 1_700_000_000_001, 1_800_000_000_000].map(Timestamp::from_millis);
        let names = names.map(name_of);
        assert_eq!(names[0], "20231114T221320.000000Z");
        assert!(names.is_sorted());
    }
}
