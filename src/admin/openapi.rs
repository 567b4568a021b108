//! `/openapi.json`: the table of routes as an OpenAPI 3.1 document.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
    transform::RecursiveTransform,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    answer,
    auth::Caller,
    operation::{Access, Body, Command, Content, Operation, Success},
    problem::{Problem, ProblemView},
};

/// What there is to know before any single route.
const ABOUT: &str = "\
Signed, durable webhooks for every event of a case-management system.

- Every call carries a bearer token, which belongs to one tenant and has scopes; nothing of another tenant can be seen \
or named. `x-casewire-scope` says which scope an operation asks for.
- One object is under `data`, a list too, newest first; `next_cursor` beside it, passed on as `cursor`, asks for the \
next page.
- Times are RFC 3339 in UTC. What is not set is left out, not null.
- What goes wrong is a problem document (RFC 9457), whose `detail` says what to do next.
- Where there is GET there is HEAD, which answers the same without a body. A method that a path does not have is \
answered with 405 and `Allow`, an unknown path with 404.
- Answers may have further fields one day. A body may not: a field that is not described is refused by name.";

/// A problem: its status, what it is called in the document, what it means, and the header that comes with it.
type Described = (u16, &'static str, &'static str, Option<(&'static str, &'static str)>);

/// Those that there are.
const PROBLEMS: [Described; 12] = [
    (400, "BadRequest", "The body is not JSON; the detail names line and column.", None),
    (401, "Unauthorized", "No token, or none that is valid.", Some(("WWW-Authenticate", "`Bearer`"))),
    (403, "Forbidden", "The token may not do this; the detail names the scope that it lacks.", None),
    (404, "NotFound", "There is no such thing in the token's tenant.", None),
    (405, "MethodNotAllowed", "The path does not have this method.", Some(("Allow", "Those that it has."))),
    (408, "RequestTimeout", "The body did not come in time.", None),
    (409, "Conflict", "It does not agree with what is stored.", None),
    (413, "ContentTooLarge", "The body is over the limit.", None),
    (
        415,
        "UnsupportedMediaType",
        "The body is not said to be JSON in UTF-8.",
        Some(("Accept", "The type that is taken.")),
    ),
    (422, "UnprocessableContent", "Fields or parameters are wrong; `errors` names all of them.", None),
    (
        429,
        "TooManyRequests",
        "The engine is at a limit, and the same call will succeed later.",
        Some(("Retry-After", "Seconds after which to try again.")),
    ),
    (
        503,
        "ServiceUnavailable",
        "Not now, and not by a mistake of the caller's.",
        Some(("Retry-After", "Seconds after which to try again.")),
    ),
];

/// What belongs together, in the order of a table of contents.
const TAGS: [(&str, &str); 8] = [
    ("endpoints", "Where events are delivered to, how they have been doing, and sending to them again."),
    ("events", "Publishing, and what was published."),
    ("event-types", "The catalogue: which types there are, and what their payloads must fit."),
    ("deliveries", "What became of events, attempt by attempt."),
    ("sources", "Other systems whose webhooks are taken in."),
    ("inbound", "Where those systems send."),
    ("tokens", "Who may call."),
    ("operating", "Health, figures, the audit, backups and this document."),
];

/// The same whatever the prefix; made when somebody asks for it first.
static PARTS: LazyLock<Parts> = LazyLock::new(|| Parts::of(&super::operations()));

/// GET /openapi.json
pub(super) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Caller::authenticate(&request)?;
    let path = request.path();
    let prefix = path.rfind("/openapi.json").map_or("", |end| &path[..end]);
    Ok(answer::json(StatusCode::OK, &Document::below(prefix)))
}

/// The OpenAPI 3.1 document of the admin API, mounted below `prefix`: what `GET /openapi.json` answers, as JSON.
///
/// For a host that shows its own documentation, or makes clients from it without a server.
pub fn openapi(prefix: &str) -> String {
    answer::text(&Document::below(prefix))
}

#[derive(Serialize)]
struct Document<'a> {
    openapi: &'static str,
    info: Value,
    servers: [Value; 1],
    tags: Value,
    paths: &'a Map<String, Value>,
    components: &'a Value,
}

impl Document<'_> {
    fn below(prefix: &str) -> Self {
        let prefix = if prefix.is_empty() { "/" } else { prefix };
        let license = json!({ "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" });
        Self {
            openapi: "3.1.0",
            info: json!({
                "title": "Casewire",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
                "license": license,
            }),
            servers: [json!({ "url": prefix })],
            tags: TAGS.iter().map(|(name, about)| json!({ "name": name, "description": about })).collect(),
            paths: &PARTS.paths,
            components: &PARTS.components,
        }
    }
}

struct Parts {
    paths: Map<String, Value>,
    components: Value,
}

impl Parts {
    fn of(operations: &[Operation]) -> Self {
        let mut schemas = Schemas::new();
        let mut paths = Map::new();
        for operation in operations {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method.as_str().to_lowercase()] = describe(operation, &mut schemas);
        }
        let problem = schemas.of::<ProblemView<'_>>();
        let components = json!({
            "schemas": schemas.finish(),
            "responses": PROBLEMS.iter().map(|it| (it.1.to_owned(), response(it, &problem))).collect::<Map<_, _>>(),
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        });
        Self { paths, components }
    }
}

/// The schemas that are referred to by name.
struct Schemas {
    shown: SchemaGenerator,
    taken: Map<String, Value>,
}

impl Schemas {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.contract = Contract::Serialize;
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
            settings.transforms.push(Box::new(RecursiveTransform(never_null)));
        });
        Self { shown: settings.into_generator(), taken: Map::new() }
    }

    fn of<T: JsonSchema>(&mut self) -> Schema {
        self.shown.subschema_for::<T>()
    }

    fn finish(mut self) -> Map<String, Value> {
        let mut all = self.shown.take_definitions(true);
        all.append(&mut self.taken);
        all.sort_keys();
        all
    }
}

/// What is not set is left out of an answer, and never null.
fn never_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = &kinds[..] {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = &choices[..] {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

fn describe(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut described = Map::new();
    let mut say = |word: &str, value: Value| described.insert(word.to_owned(), value);
    say("operationId", json!(operation.id));
    say("tags", json!([tag(operation.path)]));
    say("summary", json!(operation.summary));
    if !operation.details.is_empty() {
        say("description", json!(operation.details));
    }
    let bearer = json!({ "bearer": [] });
    say(
        "security",
        match operation.access {
            Access::Open => json!([]),
            Access::Sender => json!([{}, bearer]),
            Access::Token | Access::Scope(_) | Access::Operator(_) => json!([bearer]),
        },
    );
    if let Access::Scope(scope) | Access::Operator(scope) = operation.access {
        say("x-casewire-scope", json!(scope.as_str()));
    }
    if let Access::Operator(_) = operation.access {
        say("x-casewire-operator", json!(true));
    }
    match operation.command {
        Command::Is(words) => say("x-casewire-command", json!(format!("casewire {words}"))),
        Command::None(why) => say("x-casewire-no-command", json!(why)),
    };
    if !operation.parameters.is_empty() {
        let parameters = operation.parameters.iter().map(|it| it.describe());
        say("parameters", parameters.collect());
    }
    if let Some(body) = &operation.body {
        say("requestBody", request_body(body, schemas));
    }
    say("responses", responses(operation, schemas).into());
    described.into()
}

/// What belongs together in a table of contents: what is called alike, and the rest.
fn tag(path: &str) -> &str {
    match path.split('/').nth(1).unwrap_or_default() {
        "healthz" | "readyz" | "metrics" | "openapi.json" | "backup" | "audit" => "operating",
        resource => resource,
    }
}

fn request_body(body: &Body, schemas: &mut Schemas) -> Value {
    let schema = match body.object {
        None => json!({}),
        Some(object) => {
            let object = object();
            let name = object.name();
            schemas.taken.insert(name.to_owned(), object.schema().to_value());
            json!({ "$ref": format!("#/components/schemas/{name}") })
        }
    };
    let schema = match body.many {
        None => schema,
        Some(name) => {
            let most = casewire_data::limits::BATCH_EVENTS_MAX;
            let list = json!({ "type": "array", "items": schema, "minItems": 1, "maxItems": most });
            let named = json!({
                "type": "object", "properties": { name: list }, "required": [name], "additionalProperties": false
            });
            json!({ "oneOf": [list, named] })
        }
    };
    json!({ "required": !body.optional, "content": { "application/json": { "schema": schema } } })
}

fn responses(operation: &Operation, schemas: &mut Schemas) -> Map<String, Value> {
    let mut all = Map::new();
    for success in &operation.answers {
        all.insert(success.status.to_string(), success_response(success, schemas));
    }
    for status in operation.problem_statuses() {
        let (_, name, ..) = PROBLEMS
            .iter()
            .find(|it| it.0 == status)
            .expect("a test makes the document, and every status in the table is among the problems");
        all.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }));
    }
    all
}

fn success_response(success: &Success, schemas: &mut Schemas) -> Value {
    let (content_type, schema) = match success.content {
        Content::Empty => return json!({ "description": success.about }),
        Content::Text(content_type) => (content_type, json!({ "type": "string" })),
        Content::Bare(describe) => ("application/json", describe(&mut schemas.shown).to_value()),
        Content::One(describe) => ("application/json", under_data(describe(&mut schemas.shown), success)),
        Content::List(describe) => ("application/json", list(describe(&mut schemas.shown))),
        Content::Page(describe) => {
            let mut page = list(describe(&mut schemas.shown));
            let about = "Asks for the next page, passed on as `cursor`; absent on the last.";
            page["properties"]["next_cursor"] = json!({ "type": "string", "description": about });
            ("application/json", page)
        }
    };
    json!({ "description": success.about, "content": { content_type: { "schema": schema } } })
}

fn under_data(schema: Schema, success: &Success) -> Value {
    let data = if success.always.is_empty() {
        schema.to_value()
    } else {
        json!({ "allOf": [schema, { "required": success.always }] })
    };
    json!({ "type": "object", "properties": { "data": data }, "required": ["data"] })
}

fn list(item: Schema) -> Value {
    let data = json!({ "type": "array", "items": item });
    json!({ "type": "object", "properties": { "data": data }, "required": ["data"] })
}

fn response(problem: &Described, schema: &Schema) -> Value {
    let (status, _, about, header) = problem;
    let schema =
        if *status == 422 { json!({ "allOf": [schema, { "required": ["errors"] }] }) } else { json!(schema) };
    let mut response =
        json!({ "description": about, "content": { "application/problem+json": { "schema": schema } } });
    if let Some((name, about)) = header {
        response["headers"] = json!({ *name: { "description": about, "schema": { "type": "string" } } });
    }
    response
}
