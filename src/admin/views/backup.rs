//! A backup as it is shown.

use std::time::Duration;

use casewire_data::store::BackupReport;
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::schema::shown;

/// A copy of all that was stored when it was made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Backup")]
pub(in crate::admin) struct BackupView<'a> {
    /// What it is called in the folder of backups.
    name: String,
    /// Where that is, on the server.
    path: String,
    #[schemars(schema_with = "shown::time")]
    made_at: &'a str,
    events: u64,
    files: u64,
    bytes: u64,
    duration_ms: u64,
}

impl<'a> BackupView<'a> {
    /// A backup that took so long.
    pub(in crate::admin) fn new(report: &'a BackupReport, took: Duration) -> Self {
        let BackupReport { path, made_at, files, bytes, events } = report;
        Self {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            path: path.display().to_string(),
            made_at,
            events: *events,
            files: *files,
            bytes: *bytes,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
