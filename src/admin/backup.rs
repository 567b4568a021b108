//! Backups: made here, in the folder that the operator has set.

use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{Error, ErrorKind, limits, token::Scope};
use serde_json::value::RawValue;

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong},
    operation::{Access, Operation, Success},
    problem::Problem,
    schema::{self, Object},
    views::BackupView,
};

/// Seconds after which somebody may have made room on a full disk.
const RETRY_DISK_SECONDS: &str = "30";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/backup", "makeBackup", |route| route.to(make))
            .about(
                "Copies all that is stored, while the engine runs",
                "Of all tenants, so for admins of the tenant `default`. Answers when the copy is complete.",
            )
            .access(Access::Operator(Scope::Admin))
            .may_take(description)
            .answers(Success::one::<BackupView<'_>>(201))
            .problems(&[409])
            .command("backup"),
    ]
}

/// POST /backup: of all tenants, so for an admin of the tenant `default`, who is the operator. A body may name it.
pub(super) async fn make(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::Admin)?;
    if !caller.is_operator() {
        return Err(Problem::forbidden(
            "a backup holds every tenant's data; the operator makes it, with a token of the tenant `default`",
        ));
    }
    let text = body::read_if_sent(&request, payload).await?;
    let draft: BackupDraft = text.as_deref().map(fields::read_body).transpose()?.unwrap_or_default();
    let begun = Instant::now();
    let report = caller.engine().backup_by(caller.principal(), draft.name).await.map_err(problem)?;
    tracing::info!(path = %report.path.display(), bytes = report.bytes, "made a backup");
    let made = BackupView::new(&report, begun.elapsed());
    Ok(answer::unstored(answer::one(StatusCode::CREATED, &made)))
}

/// What is wrong with the disk, and where: whoever asks is the operator.
fn problem(error: Error) -> Problem {
    match error.kind() {
        ErrorKind::Storage | ErrorKind::Damaged => {
            tracing::error!(%error, "no backup was made");
            Problem::unavailable(error.message(), RETRY_DISK_SECONDS)
        }
        _ => error.into(),
    }
}

/// A backup as a caller asks for it.
#[derive(Default)]
struct BackupDraft {
    name: Option<String>,
}

fn description() -> Object {
    let name =
        schema::pattern(&format!("[A-Za-z0-9][A-Za-z0-9._-]{{0,{}}}", limits::BACKUP_NAME_BYTES_MAX - 1));
    Object::new("BackupDraft").optional("name", name, "What it is to be called; the time if absent.")
}

impl Read<'_> for BackupDraft {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let draft = Self { name: fields.optional("name") };
        fields.finish().map(|()| draft)
    }
}
