//! Secrets of endpoints: shown to admins, and rotated. The audit has both.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{endpoint::Rotation, token::Scope};
use serde_json::value::RawValue;

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong},
    path_id,
    problem::Problem,
    views::SecretsView,
};

/// GET /endpoints/{id}/secret: all that are in force.
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::Admin)?;
    let id = path_id(&request)?;
    let secrets = caller.tenant().endpoint_secrets(id).await?;
    Ok(answer::unstored(answer::one(StatusCode::OK, &SecretsView::all(id, &secrets))))
}

/// POST /endpoints/{id}/secret/rotate: like a creation, the answer shows the new secret and no other. A body may be left
/// out.
pub(super) async fn rotate(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    let id = path_id(&request)?;
    let text = body::read_if_sent(&request, payload).await?;
    let rotation = text.as_deref().map(fields::read_body).transpose()?.unwrap_or_default();
    let secrets = caller.tenant().rotate_secret(id, rotation).await?;
    Ok(answer::unstored(answer::one(StatusCode::OK, &SecretsView::newest(id, &secrets))))
}

impl Read<'_> for Rotation {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let rotation =
            Self { secret: fields.optional("secret"), overlap_seconds: fields.optional("overlap_seconds") };
        fields.finish().map(|()| rotation)
    }
}
