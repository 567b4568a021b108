//! Secrets of endpoints: shown to admins, and rotated. The audit has both.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{endpoint::Rotation, limits, token::Scope};
use serde_json::value::RawValue;

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong},
    operation::{Operation, Success},
    parameter, path_id,
    problem::Problem,
    schema::{self, Object},
    views::SecretsView,
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/endpoints/{id}/secret", "getEndpointSecret", |route| route.to(show))
            .about("The secrets of an endpoint that are in force", "The audit has who looked.")
            .scope(Scope::Admin)
            .with([parameter::ENDPOINT])
            .answers(Success::one::<SecretsView>(200))
            .command("endpoints secret"),
        Operation::post("/endpoints/{id}/secret/rotate", "rotateEndpointSecret", |route| route.to(rotate))
            .about(
                "Gives an endpoint a new secret",
                "The old one stays in force for a while. The answer shows the new one, and no other.",
            )
            .scope(Scope::EndpointsWrite)
            .with([parameter::ENDPOINT])
            .may_take(rotation)
            .answers(Success::one::<SecretsView>(200).always(&["secret"]))
            .problems(&[409])
            .command("endpoints rotate"),
    ]
}

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

fn rotation() -> Object {
    let seconds = schema::whole(0, limits::SECRET_OVERLAP_SECONDS_MAX.into());
    Object::new("Rotation")
        .optional("secret", schema::secret(), "A secret of your own; one is made if it is absent.")
        .optional(
            "overlap_seconds",
            seconds,
            "How long the old one stays in force; 86,400 if absent, 0 ends it at once.",
        )
}

impl Read<'_> for Rotation {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let rotation =
            Self { secret: fields.optional("secret"), overlap_seconds: fields.optional("overlap_seconds") };
        fields.finish().map(|()| rotation)
    }
}
