//! What other systems send: taken in at the name or id of a source, in that source's dialect.
//!
//! Who may send is told by the request itself where the dialect has it signed, and by a token with the scope
//! `events:publish` where not. Whoever has neither learns nothing of which sources there are: an unknown one, a
//! wrong signature and a missing token get one and the same answer.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web::Payload,
};
use casewire_data::{
    dialect::Message,
    event::Tenant,
    token::{Scope, Token},
};

use super::{
    answer, auth, body, engine, fields,
    operation::{Access, Operation, Success},
    parameter::Parameter,
    problem::Problem,
    schema,
    views::ReceiptView,
};
use crate::inbound::{Entrance, decoded};

/// What systems call their JSON.
const TYPES: &[&str] = &["application/json", "application/cloudevents+json", "application/vnd.api+json"];

pub(super) fn operations() -> Vec<Operation> {
    let source = || Parameter::path("source", schema::source_name_or_id, "The name or id of the source.");
    vec![
        Operation::new(Method::OPTIONS, "/inbound/{source}", "askSource", |route| route.to(receive))
            .about(
                "Lets another system in that asks first",
                "In the source's dialect, where it has such a handshake.",
            )
            .access(Access::Sender)
            .with([source()])
            .answers(Success::empty(200).about("It may send; the headers say so in the source's dialect."))
            .problems(&[401, 405])
            .no_command("the other system calls it"),
        Operation::post("/inbound/{source}", "receiveEvent", |route| route.to(receive))
            .about(
                "Takes another system's webhook in",
                "Verified in the source's dialect and published once. Signed by the secret that both sides know, or \
                 where the dialect has no signature, with a token that has the scope `events:publish`. An unknown \
                 source, a wrong signature and a missing token get one and the same answer.",
            )
            .access(Access::Sender)
            .with([source()])
            .takes_json()
            .answers(Success::one::<ReceiptView<'_>>(202))
            .answers(Success::empty(200).about("The answer of a handshake, in the source's dialect."))
            .problems(&[401, 403, 409, 429, 503])
            .no_command("the other system calls it; `casewire listen` plays a receiver"),
    ]
}

/// POST /inbound/{source}, and OPTIONS for senders that ask first.
pub(super) async fn receive(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let token = auth::token(&request);
    let entrance = entrance(&request, token.as_ref());
    let (headers, query) = (headers(&request), decoded(request.query_string()));
    let head = Message { headers: &headers, query: &query, ..Message::default() };

    let method = request.method();
    let welcome = entrance.as_ref().and_then(|entrance| entrance.welcome(method.as_str(), head));
    if let Some(welcome) = welcome {
        return Ok(with(HttpResponse::Ok().finish(), welcome));
    }
    if method == Method::OPTIONS {
        return Err(match (entrance, token) {
            (_, None) => Problem::unproven(),
            (None, Some(_)) => Problem::not_found(),
            (Some(_), Some(_)) => Problem::method_not_allowed("POST"),
        });
    }
    body::check_head(&request, TYPES)?;
    let admitted = admit(entrance, token.as_ref())?;
    // Read even if it is for nobody: not even the connection tells an outsider whether there is such a source.
    let body = body::read_bytes(payload).await?;
    let entrance = admitted.ok_or_else(Problem::unproven)?;
    let message = Message { body: &body, ..head };
    entrance.verify(message).map_err(|error| match &token {
        // To another tenant's token the source is one that never was.
        Some(token) if token.tenant != entrance.source().tenant => Problem::not_found(),
        _ => error.into(),
    })?;
    // From here on the sender is known, and every answer is what it waits for.
    let answer = publish(&entrance, message).await.unwrap_or_else(|problem| problem.error_response());
    Ok(with(answer, entrance.reply(message)))
}

/// The source in the path: by its id, or by its name in the tenant of the token, or else in the default one.
fn entrance(request: &HttpRequest, token: Option<&Token>) -> Option<Entrance> {
    let tenant = token.map_or_else(Tenant::default, |token| token.tenant.clone());
    engine(request).tenant(tenant).entrance(request.match_info().query("source"))
}

/// Lets in who proves itself later on, and who has a token that may publish; nobody else, which is told only to those
/// with a token.
fn admit(entrance: Option<Entrance>, token: Option<&Token>) -> Result<Option<Entrance>, Problem> {
    match (entrance, token) {
        (Some(entrance), _) if entrance.proves_its_sender() => Ok(Some(entrance)),
        (_, None) => Ok(None),
        (Some(entrance), Some(token)) if token.tenant == entrance.source().tenant => {
            auth::check_scope(token, Scope::EventsPublish).map(|()| Some(entrance))
        }
        (_, Some(_)) => Err(Problem::not_found()),
    }
}

async fn publish(entrance: &Entrance, message: Message<'_>) -> Result<HttpResponse, Problem> {
    fields::parse(body::text(message.body)?)?;
    let (event_type, receipt) = entrance.publish(message).await?;
    Ok(answer::one(StatusCode::ACCEPTED, &ReceiptView::new(&receipt, event_type.as_str())))
}

/// Those headers that are text; no dialect has any other.
fn headers(request: &HttpRequest) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), std::str::from_utf8(value.as_bytes()).ok()?.to_owned()))
    };
    request.headers().iter().filter_map(text).collect()
}

fn with(mut answer: HttpResponse, headers: Vec<(String, String)>) -> HttpResponse {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}
