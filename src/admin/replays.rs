//! Replays: what an endpoint is sent again, or gets although it subscribed later.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Payload};
use casewire_data::{
    id::{EndpointId, ReplayId},
    pattern::Pattern,
    replay::{ReplayQuery, ReplayStatus},
    token::Scope,
};
use serde_json::value::RawValue;

use super::{
    answer,
    auth::Caller,
    body,
    fields::{self, Fields, Read, Wrong, refused},
    page::{LIMIT_DEFAULT, Page},
    path_id,
    problem::Problem,
    views::{ReplayCountView, ReplayView},
};

/// POST /endpoints/{id}/replay: answered with the count, and the replay unless it is a dry run.
pub(super) async fn begin(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesWrite)?;
    let endpoint: EndpointId = path_id(&request)?;
    let Asked { query, dry_run } = fields::read_body(&body::read(&request, payload).await?)?;
    let tenant = caller.tenant();
    if dry_run {
        let count = tenant.count_replay(endpoint, query).await?;
        return Ok(answer::one(StatusCode::ACCEPTED, &ReplayCountView::new(endpoint, count)));
    }
    Ok(answer::one(StatusCode::ACCEPTED, &ReplayView::new(&tenant.replay(endpoint, query).await?)))
}

/// GET /endpoints/{id}/replays
pub(super) async fn list(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let caller = Caller::authorize(&request, Scope::DeliveriesRead)?;
    let page = Page::of(&request, LIMIT_DEFAULT)?;
    let replays = caller.tenant().replays(path_id(&request)?).await?;
    let (replays, next) = page.cut(replays, |replay| replay.id);
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
