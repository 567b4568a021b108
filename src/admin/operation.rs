//! The table of routes: each entry says how an operation is called, by whom, what it takes and what it answers. The
//! routes are mounted from it and `/openapi.json` is made of it, so that nothing answers which is not described.
//!
//! A new route takes four steps:
//!
//! 1. Its handler goes into the file of its resource, and an [`Operation`] into that file's `operations()`, with the
//!    scope that the handler asks for. `mod.rs` joins the files.
//! 2. What it shows is a type in `views` that derives `JsonSchema` beside `Serialize`, renamed to what readers call it;
//!    its documentation is what they read. `#[schemars(schema_with = "shown::time")]` says more of a text.
//! 3. What it takes is described beside the reader of its body, by a function that makes an [`Object`] in the same words:
//!    `required`, `given`, `optional`, with an example that the tests send. Parameters are in `parameter.rs`.
//! 4. It names the command that does the same, or says why there is none.
//!
//! `tests/it/openapi.rs` walks over what is declared, and every answer that a test of the API gets is held against it.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::{
    Route, guard,
    http::Method,
    web::{self, ServiceConfig},
};
use casewire_data::token::Scope;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{parameter::Parameter, problem::Problem, schema::Object};

/// What makes the schema of a type, with those of the types in it.
pub(super) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
pub(super) struct Operation {
    /// GET answers HEAD as well.
    pub(super) method: Method,
    /// Below the prefix, with parameters in braces.
    pub(super) path: &'static str,
    /// What programs call it that are made from the document.
    pub(super) id: &'static str,
    mount: fn(Route) -> Route,
    /// What it does, in a line.
    pub(super) summary: &'static str,
    /// What more there is to know, as Markdown; may be empty.
    pub(super) details: &'static str,
    /// Who may call it.
    pub(super) access: Access,
    /// In the path and in the query.
    pub(super) parameters: Vec<Parameter>,
    /// What it takes.
    pub(super) body: Option<Body>,
    /// How it succeeds.
    pub(super) answers: Vec<Success>,
    /// Statuses of problems beyond those that follow from the rest.
    further: &'static [u16],
    /// What does the same on the command line.
    pub(super) command: Command,
}

/// Who may call an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Whoever has a valid token.
    Token,
    /// A token with this scope.
    Scope(Scope),
    /// A token with this scope of the tenant `default`.
    Operator(Scope),
    /// Whoever proves itself in the dialect of the source that it calls, or has a token that may publish.
    Sender,
}

/// What an operation takes.
pub(super) struct Body {
    /// Makes the description of a JSON object; absent for JSON of somebody else's making.
    pub(super) object: Option<fn() -> Object>,
    /// Whether objects come one by one, or many at once: a bare list, or one under the name given.
    pub(super) many: Option<&'static str>,
    /// Whether it may be left out.
    pub(super) optional: bool,
}

/// A way to succeed.
pub(super) struct Success {
    /// The status.
    pub(super) status: u16,
    /// What comes with it.
    pub(super) content: Content,
    /// What it means.
    pub(super) about: &'static str,
    /// Fields of the object that are always there in this answer, though not in all that show it.
    pub(super) always: &'static [&'static str],
}

/// The body of an answer.
pub(super) enum Content {
    /// None.
    Empty,
    /// An object under `data`.
    One(Describe),
    /// A list under `data`, which may go on.
    Page(Describe),
    /// A list under `data`, all of it.
    List(Describe),
    /// An object by itself.
    Bare(Describe),
    /// Text of a type.
    Text(&'static str),
}

/// What does the same as an operation on the command line.
pub(super) enum Command {
    /// `casewire` with these words, and an id if it takes one.
    Is(&'static str),
    /// Nothing, and why.
    None(&'static str),
}

impl Operation {
    /// A look, which HEAD can have as well.
    pub(super) fn get(path: &'static str, id: &'static str, mount: fn(Route) -> Route) -> Self {
        Self::new(Method::GET, path, id, mount)
    }

    /// Makes something, or has something done.
    pub(super) fn post(path: &'static str, id: &'static str, mount: fn(Route) -> Route) -> Self {
        Self::new(Method::POST, path, id, mount)
    }

    /// Changes what is given of something.
    pub(super) fn patch(path: &'static str, id: &'static str, mount: fn(Route) -> Route) -> Self {
        Self::new(Method::PATCH, path, id, mount)
    }

    /// Makes something of a name, or replaces it.
    pub(super) fn put(path: &'static str, id: &'static str, mount: fn(Route) -> Route) -> Self {
        Self::new(Method::PUT, path, id, mount)
    }

    /// Takes something away.
    pub(super) fn delete(path: &'static str, id: &'static str, mount: fn(Route) -> Route) -> Self {
        Self::new(Method::DELETE, path, id, mount)
    }

    /// Any method. `mount` gives the route, whose guards are set, its handler.
    pub(super) fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        mount: fn(Route) -> Route,
    ) -> Self {
        Self {
            method,
            path,
            id,
            mount,
            summary: "",
            details: "",
            access: Access::Token,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            further: &[],
            command: Command::None(""),
        }
    }

    /// What it does in a line, and what more there is to know.
    pub(super) fn about(self, summary: &'static str, details: &'static str) -> Self {
        Self { summary, details, ..self }
    }

    /// Who may call it.
    pub(super) fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// The scope that a token needs for it.
    pub(super) fn scope(self, scope: Scope) -> Self {
        self.access(Access::Scope(scope))
    }

    /// What stands in its path and its query.
    pub(super) fn with(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// The object that it takes.
    pub(super) fn takes(self, object: fn() -> Object) -> Self {
        Self { body: Some(Body { object: Some(object), many: None, optional: false }), ..self }
    }

    /// The object that it takes, if one is sent.
    pub(super) fn may_take(self, object: fn() -> Object) -> Self {
        Self { body: Some(Body { object: Some(object), many: None, optional: true }), ..self }
    }

    /// The objects that it takes, as a list or under a name.
    pub(super) fn takes_many(self, name: &'static str, object: fn() -> Object) -> Self {
        Self { body: Some(Body { object: Some(object), many: Some(name), optional: false }), ..self }
    }

    /// It takes JSON of somebody else's making.
    pub(super) fn takes_json(self) -> Self {
        Self { body: Some(Body { object: None, many: None, optional: false }), ..self }
    }

    /// A way in which it succeeds.
    pub(super) fn answers(mut self, success: Success) -> Self {
        self.answers.push(success);
        self
    }

    /// Statuses of problems beyond those that follow from the rest of its entry.
    pub(super) fn problems(self, further: &'static [u16]) -> Self {
        Self { further, ..self }
    }

    /// The words behind `casewire` that do the same.
    pub(super) fn command(self, words: &'static str) -> Self {
        Self { command: Command::Is(words), ..self }
    }

    /// Why no command does the same.
    pub(super) fn no_command(self, why: &'static str) -> Self {
        Self { command: Command::None(why), ..self }
    }

    /// Every status of a problem that it can answer.
    pub(super) fn problem_statuses(&self) -> BTreeSet<u16> {
        let mut statuses: BTreeSet<u16> = self.further.iter().copied().collect();
        let scoped = matches!(self.access, Access::Scope(_) | Access::Operator(_));
        if scoped || self.access == Access::Token {
            statuses.insert(401);
        }
        if scoped {
            // Everything that asks for a scope looks at what is stored.
            statuses.extend([403, 503]);
        }
        if scoped && !self.only_looks() {
            // A change waits in the journal's queue, which can be full.
            statuses.insert(429);
        }
        // Whoever puts makes what is not there.
        if self.method != Method::PUT && self.parameters.iter().any(Parameter::is_in_path) {
            statuses.insert(404);
        }
        if self.parameters.iter().any(|parameter| !parameter.is_in_path()) {
            statuses.insert(422);
        }
        if self.body.is_some() {
            statuses.extend([400, 408, 413, 415, 422]);
        }
        statuses
    }

    /// Whether nothing is stored by it.
    fn only_looks(&self) -> bool {
        use Scope::{DeliveriesRead, EndpointsRead, PayloadRead};
        let reads = matches!(self.access, Access::Scope(EndpointsRead | DeliveriesRead | PayloadRead));
        self.method == Method::GET || reads
    }

    fn route(&self) -> Route {
        let guarded = if self.method == Method::GET {
            // HEAD comes with GET (RFC 9110, 9.1).
            web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
        } else {
            web::method(self.method.clone())
        };
        (self.mount)(guarded)
    }
}

impl Success {
    /// An object.
    pub(super) fn one<T: JsonSchema>(status: u16) -> Self {
        Self::new(status, Content::One(SchemaGenerator::subschema_for::<T>))
    }

    /// A page of objects.
    pub(super) fn page<T: JsonSchema>(status: u16) -> Self {
        Self::new(status, Content::Page(SchemaGenerator::subschema_for::<T>))
    }

    /// All objects.
    pub(super) fn list<T: JsonSchema>(status: u16) -> Self {
        Self::new(status, Content::List(SchemaGenerator::subschema_for::<T>))
    }

    /// An object that is not under `data`.
    pub(super) fn bare<T: JsonSchema>(status: u16) -> Self {
        Self::new(status, Content::Bare(SchemaGenerator::subschema_for::<T>))
    }

    /// Text.
    pub(super) fn text(status: u16, content_type: &'static str) -> Self {
        Self::new(status, Content::Text(content_type))
    }

    /// Nothing but the status.
    pub(super) fn empty(status: u16) -> Self {
        Self::new(status, Content::Empty)
    }

    fn new(status: u16, content: Content) -> Self {
        let about = match status {
            201 => "Made.",
            202 => "Accepted.",
            204 => "Gone.",
            _ => "Here it is.",
        };
        Self { status, content, about, always: &[] }
    }

    /// What it means.
    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// Fields of the object that are always there in this answer.
    pub(super) fn always(self, always: &'static [&'static str]) -> Self {
        Self { always, ..self }
    }
}

/// Mounts operations, path by path; another method of a path is refused with those that it has.
pub(super) fn mount(config: &mut ServiceConfig, operations: &[Operation]) {
    let mut paths: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        paths.entry(operation.path).or_default().push(operation);
    }
    // The first path that fits is taken. In this order a literal one comes before one with a parameter in its place,
    // since `{` sorts behind every letter.
    for (path, operations) in paths {
        let allow = allow(&operations);
        let refuse = move || {
            let refused = Problem::method_not_allowed(&allow);
            async move { Err::<&str, _>(refused) }
        };
        let resource = web::resource(path).default_service(web::to(refuse));
        config.service(operations.iter().fold(resource, |it, operation| it.route(operation.route())));
    }
}

/// The methods of one path, as `Allow` has them.
fn allow(operations: &[&Operation]) -> String {
    let names = operations.iter().map(|operation| match &operation.method {
        &Method::GET => "GET, HEAD",
        other => other.as_str(),
    });
    names.collect::<Vec<_>>().join(", ")
}
