//! The test of an endpoint.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{event::EventType, token::Scope};
use serde_json::{json, value::RawValue};

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong},
    operation::{Operation, Success},
    parameter, path_id,
    problem::Problem,
    schema::{self, Object},
    views::TrialView,
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/endpoints/{id}/test", "testEndpoint", |route| route.to(run))
            .about(
                "Sends an endpoint a sample event",
                "Signed, at once and once, also while it is paused; nothing follows from how it goes. Answers when the \
                 attempt is over.",
            )
            .scope(Scope::EndpointsWrite)
            .with([parameter::ENDPOINT])
            .may_take(wanted)
            .answers(Success::one::<TrialView<'_>>(200).about("How it went, whatever the receiver answered."))
            .problems(&[409])
            .command("endpoints test"),
    ]
}

/// POST /endpoints/{id}/test: 200 whatever the receiver answered. A body may be left out.
pub(super) async fn run(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsWrite)?;
    let id = path_id(&request)?;
    let text = body::read_if_sent(&request, payload).await?;
    let wanted: Wanted = text.as_deref().map(fields::read_body).transpose()?.unwrap_or_default();
    let trial = caller.tenant().test_endpoint(id, wanted.event_type).await?;
    Ok(answer::one(StatusCode::OK, &TrialView::new(id, &trial, caller.allows(Scope::PayloadRead))))
}

fn wanted() -> Object {
    Object::new("EndpointTest").example(json!({})).optional(
        "type",
        schema::event_type(),
        "The event's type; the first that the endpoint takes if it is left out.",
    )
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
