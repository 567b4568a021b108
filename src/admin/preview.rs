//! What an endpoint would take, before there is one.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{endpoint::EndpointDraft, filter::Filter, limits, token::Scope};
use serde_json::{json, value::RawValue};

use super::{
    answer,
    auth::Caller,
    body, endpoints,
    fields::{self, Fields, Read, Wrong, below, wrong},
    operation::{Operation, Success},
    problem::Problem,
    schema::{self, Object},
    views::PreviewView,
};

/// How many events are looked at, unless the request says.
const LAST_DEFAULT: u32 = 100;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/endpoints/preview", "previewEndpoint", |route| route.to(show))
            .about(
                "Which of the last events an endpoint would take",
                "Nothing is stored or sent. The scope `deliveries:read` is needed as well, and `payload:read` for a \
                 filter that looks at payloads.",
            )
            .scope(Scope::EndpointsRead)
            .takes(described)
            .answers(Success::bare::<PreviewView<'_>>(200))
            .command("endpoints preview"),
    ]
}

/// POST /endpoints/preview. It lists events, so whoever asks must be allowed to; a filter that looks at payloads tells of
/// them.
pub(super) async fn show(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::EndpointsRead)?;
    let Preview { draft, last } = fields::read_body(&body::read(&request, payload).await?)?;
    caller.check(Scope::DeliveriesRead)?;
    // One that is wrong is refused below, with all else that is wrong.
    let filter = draft.filter.as_deref().and_then(|filter| Filter::new(filter).ok().flatten());
    if filter.is_some_and(|filter| filter.reads_data()) {
        caller.check(Scope::PayloadRead)?;
    }
    let previewed = caller.tenant().preview_endpoint(draft, last as usize).await?;
    Ok(answer::json(StatusCode::OK, &PreviewView::new(&previewed)))
}

fn described() -> Object {
    let object = Object::new("EndpointPreview")
        .example(json!({ "events": ["cases.*"], "filter": { "data.amount": { "gte": 1000 } } }))
        .given("last", schema::whole(1, limits::PREVIEW_EVENTS_MAX.into()), "How many events to look at.")
        .given(
            "url",
            schema::text(limits::URL_BYTES_MAX),
            "Where its deliveries would go; nothing goes there now.",
        );
    endpoints::like_draft(object)
}

/// An endpoint's draft, and `last` beside its fields.
struct Preview {
    draft: EndpointDraft,
    last: u32,
}

impl<'a> Read<'a> for Preview {
    fn read(raw: &'a RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let last = fields.given::<u32>("last").unwrap_or(LAST_DEFAULT);
        let draft = endpoints::draft(&mut fields);
        let most = limits::PREVIEW_EVENTS_MAX;
        let in_range = (1..=most).contains(&last);
        let out_of_range = || below("last", wrong(format!("is {last}; choose 1 to {most}")));
        match fields.finish() {
            Ok(()) if in_range => Ok(Self { draft, last }),
            Ok(()) => Err(out_of_range().collect()),
            Err(mut wrong) => {
                wrong.extend((!in_range).then(out_of_range).into_iter().flatten());
                Err(wrong)
            }
        }
    }
}
