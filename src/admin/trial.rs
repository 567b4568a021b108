//! The test of an endpoint.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{event::EventType, token::Scope};
use serde_json::value::RawValue;

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong},
    path_id,
    problem::Problem,
    views::TrialView,
};

/// POST /endpoints/{id}/test: 200 whatever the receiver answered. A body may be left out.
pub(super) async fn run(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    let id = path_id(&request)?;
    let text = body::read_if_sent(&request, payload).await?;
    let wanted: Wanted = text.as_deref().map(fields::read_body).transpose()?.unwrap_or_default();
    let trial = caller.tenant().test_endpoint(id, wanted.event_type).await?;
    Ok(answer::one(StatusCode::OK, &TrialView::new(id, &trial, caller.allows(Scope::PayloadRead))))
}

/// What an endpoint is tested with.
#[derive(Default)]
struct Wanted {
    event_type: Option<EventType>,
}

impl Read<'_> for Wanted {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let wanted = Self { event_type: fields.optional("type") };
        fields.finish().map(|()| wanted)
    }
}
