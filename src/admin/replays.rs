//! Replays: what an endpoint is sent again, or gets although it subscribed later.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{
    id::{EndpointId, ReplayId},
    pattern::Pattern,
    replay::{ReplayQuery, ReplayStatus},
    token::Scope,
};
use serde_json::{json, value::RawValue};

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong, refused},
    operation::{Operation, Success},
    page::Page,
    parameter, path_id,
    problem::Problem,
    query::Query,
    schema::{self, Object},
    views::{ReplayAnswerView, ReplayView},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/endpoints/{id}/replay", "replayToEndpoint", |route| route.to(begin))
            .about(
                "Sends again what is dead, was delivered or was missed",
                "Oldest first and behind what is new. With `dry_run` it is counted and nothing is sent. An endpoint \
                 has one replay under way at most; 409 names it.",
            )
            .scope(Scope::DeliveriesWrite)
            .with([parameter::ENDPOINT])
            .takes(asked)
            .answers(Success::one::<ReplayAnswerView<'_>>(202).about("The replay, or the count of a dry run."))
            .problems(&[409])
            .command("endpoints replay"),
        Operation::get("/endpoints/{id}/replays", "listReplays", |route| route.to(list))
            .about(
                "The replays of an endpoint, newest first",
                "The one under way, and the last 32 that are over.",
            )
            .scope(Scope::DeliveriesRead)
            .with([parameter::ENDPOINT, parameter::LIMIT, parameter::CURSOR])
            .answers(Success::page::<ReplayView<'_>>(200))
            .command("endpoints replays list"),
        Operation::get("/endpoints/{id}/replays/{replay}", "getReplay", |route| route.to(show))
            .about("How a replay is doing", "")
            .scope(Scope::DeliveriesRead)
            .with([parameter::ENDPOINT, parameter::REPLAY])
            .answers(Success::one::<ReplayView<'_>>(200))
            .command("endpoints replays show"),
        Operation::delete("/endpoints/{id}/replays/{replay}", "cancelReplay", |route| route.to(cancel))
            .about(
                "Calls a replay off",
                "What has not been sent is not sent. One that is over stays as it is.",
            )
            .scope(Scope::DeliveriesWrite)
            .with([parameter::ENDPOINT, parameter::REPLAY])
            .answers(Success::one::<ReplayView<'_>>(200).about("Where it ended."))
            .command("endpoints replays cancel"),
    ]
}

/// POST /endpoints/{id}/replay: answered with the count, and the replay unless it is a dry run.
pub(super) async fn begin(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesWrite)?;
    let endpoint: EndpointId = path_id(&request)?;
    let Asked { query, dry_run } = fields::read_body(&body::read(&request, payload).await?)?;
    let tenant = caller.tenant();
    if dry_run {
        let count = tenant.count_replay(endpoint, query).await?;
        return Ok(answer::one(StatusCode::ACCEPTED, &ReplayAnswerView::counted(endpoint, count)));
    }
    let replay = tenant.replay(endpoint, query).await?;
    Ok(answer::one(StatusCode::ACCEPTED, &ReplayAnswerView::begun(&replay)))
}

/// GET /endpoints/{id}/replays
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let endpoint = path_id(&request)?;
    let mut query = Query::of(&request);
    let (limit, after) = query.page();
    query.finish()?;
    let replays = caller.tenant().replays(endpoint).await?;
    let (replays, next) = Page::new(limit, after).cut(replays, |replay| replay.id);
    let views: Vec<_> = replays.iter().map(ReplayView::new).collect();
    Ok(answer::list(StatusCode::OK, &views, next))
}

/// GET /endpoints/{id}/replays/{replay}
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let replay = caller.tenant().replay_report(path_id(&request)?, replay_id(&request)?).await?;
    Ok(answer::one(StatusCode::OK, &ReplayView::new(&replay)))
}

/// DELETE /endpoints/{id}/replays/{replay}: answered with where it ended. One that is over stays as it is.
pub(super) async fn cancel(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesWrite)?;
    let replay = caller.tenant().cancel_replay(path_id(&request)?, replay_id(&request)?).await?;
    Ok(answer::one(StatusCode::OK, &ReplayView::new(&replay)))
}

fn replay_id(request: &HttpRequest) -> Result<ReplayId, Problem> {
    request.match_info().query("replay").parse().map_err(|_| Problem::not_found())
}

fn asked() -> Object {
    let example = json!({ "since": "2026-04-29T09:10:00Z", "status": ["dead"], "dry_run": true });
    Object::new("ReplayQuery")
        .example(example)
        .optional("since", schema::time(), "Of events published at this time or later.")
        .optional("until", schema::time(), "Of events published before this time.")
        .optional(
            "status",
            schema::replay_statuses(),
            "Deliveries that stand so; `dead` if it is left out. `missing` is what was published before the endpoint \
             subscribed.",
        )
        .optional("types", schema::event_patterns(), "Of event types that one of these patterns takes.")
        .optional("dry_run", schema::yes_or_no(), "Count, and send nothing.")
}

/// What a request asks for.
struct Asked {
    query: ReplayQuery,
    dry_run: bool,
}

impl Read<'_> for Asked {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        let mut fields = Fields::of(raw)?;
        let statuses: Option<Vec<ReplayStatus>> = fields.optional("status");
        let query = ReplayQuery {
            since: fields.optional("since"),
            until: fields.optional("until"),
            statuses: statuses.map_or(ReplayQuery::default().statuses, BTreeSet::from_iter),
            types: fields.optional("types").unwrap_or_default(),
        };
        let dry_run = fields.optional("dry_run").unwrap_or_default();
        fields.finish().map(|()| Self { query, dry_run })
    }
}

impl Read<'_> for ReplayStatus {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        Self::parse(&String::read(raw)?).map_err(refused)
    }
}

impl Read<'_> for Pattern {
    fn read(raw: &RawValue) -> Result<Self, Wrong> {
        Self::new(&String::read(raw)?).map_err(refused)
    }
}
