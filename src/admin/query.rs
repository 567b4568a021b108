//! The query of a list that is filtered, or of what concerns a tenant: every parameter that is wrong or unknown is named.

use std::str::FromStr;

use actix_web::HttpRequest;
use casewire_data::{
    Error, FieldError, Timestamp,
    audit::{Action, PrincipalFilter},
    delivery::DeliveryStatus,
    event::{EventType, Resource, Tenant},
    limits::{LABEL_BYTES_MAX, shorten},
};
use url::form_urlencoded;

use super::{
    fields::Wrong,
    page::{CURSOR_RULE, LIMIT_DEFAULT, LIMIT_MAX, Page, limit_rule, read_cursor},
    problem::{FIELD_ERRORS_MAX, Problem},
};

/// The parameters that nobody has asked for yet, and what was wrong with the others.
pub(super) struct Query {
    parameters: Vec<(String, String)>,
    known: Vec<&'static str>,
    wrong: Wrong,
}

impl Query {
    /// The parameters of a request.
    pub(super) fn of(request: &HttpRequest) -> Self {
        Self::parse(request.query_string())
    }

    fn parse(query: &str) -> Self {
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { parameters, known: Vec::new(), wrong: Vec::new() }
    }

    /// A parameter that may be absent. `read` says what is wrong with its value.
    fn optional<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.known.push(name);
        let index = self.parameters.iter().position(|(given, _)| given == name)?;
        let (_, value) = self.parameters.remove(index);
        read(&value).map_err(|message| self.wrong.push(FieldError { field: name.to_owned(), message })).ok()
    }

    /// `limit` and `cursor` of a list that is complete up to the most that a page holds, and has nothing else.
    pub(super) fn page_of_all<Id: FromStr + Ord>(request: &HttpRequest) -> Result<Page<Id>, Problem> {
        let mut query = Self::of(request);
        let (limit, after) = query.limit_and_cursor(LIMIT_MAX);
        query.finish().map(|()| Page::new(limit, after))
    }

    /// `limit` and `cursor`.
    pub(super) fn page<Id: FromStr>(&mut self) -> (usize, Option<Id>) {
        self.limit_and_cursor(LIMIT_DEFAULT)
    }

    fn limit_and_cursor<Id: FromStr>(&mut self, limit_default: usize) -> (usize, Option<Id>) {
        let limit = self.optional("limit", |value| {
            value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(limit_rule)
        });
        let after = self.optional("cursor", |value| read_cursor(value).ok_or_else(|| CURSOR_RULE.to_owned()));
        (limit.unwrap_or(limit_default), after)
    }

    /// A flag: false if it is absent.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        let read = |value: &str| value.parse().map_err(|_| "choose true or false".to_owned());
        self.optional(name, read).unwrap_or_default()
    }

    /// An id; `form` is what one looks like.
    pub(super) fn id<Id: FromStr>(&mut self, name: &'static str, form: &str) -> Option<Id> {
        self.optional(name, |value| {
            value.parse().map_err(|_| format!("`{}` is not an id of the form {form}", shorten(value)))
        })
    }

    /// `type`: one type, since a list goes by what its blocks are known to hold, and those are types.
    pub(super) fn event_type(&mut self) -> Option<EventType> {
        self.optional("type", |value| match value.contains('*') {
            true => Err(format!("`{}` is a pattern; name one type, not a pattern", shorten(value))),
            false => EventType::new(value).map_err(reason),
        })
    }

    /// `resource`: a noun and an id, `people/7`. The noun ends with the first slash.
    pub(super) fn resource(&mut self) -> Option<Resource> {
        self.optional("resource", |value| match value.split_once('/') {
            Some((kind, id)) if kind.len().max(id.len()) > LABEL_BYTES_MAX => Err(format!(
                "no event has it: a resource's type and id have {LABEL_BYTES_MAX} bytes each at most"
            )),
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() => {
                Ok(Resource { kind: kind.to_owned(), id: id.to_owned() })
            }
            _ => Err(format!("`{}` is not a resource; write it like people/7", shorten(value))),
        })
    }

    /// Says that a parameter must be there, if it is not and nothing is wrong with it.
    pub(super) fn require(&mut self, name: &str, given: bool) {
        if !given && self.wrong.iter().all(|wrong| wrong.field != name) {
            let message = "is required".to_owned();
            self.wrong.push(FieldError { field: name.to_owned(), message });
        }
    }

    /// `status` of a delivery.
    pub(super) fn status(&mut self) -> Option<DeliveryStatus> {
        self.optional("status", |value| {
            let all = DeliveryStatus::ALL;
            let named = all.into_iter().find(|status| status.as_str() == value);
            named.ok_or_else(|| format!("choose one of {}", all.map(DeliveryStatus::as_str).join(", ")))
        })
    }

    /// `since` and `until`.
    pub(super) fn window(&mut self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.time("since"), self.time("until"))
    }

    /// `tenant`.
    pub(super) fn tenant(&mut self) -> Option<Tenant> {
        self.optional("tenant", |value| Tenant::new(value).map_err(reason))
    }

    /// `actor` and `action` of the audit.
    pub(super) fn deed(&mut self) -> (Option<PrincipalFilter>, Option<Action>) {
        let actor = self.optional("actor", |value| PrincipalFilter::parse(value).map_err(reason));
        (actor, self.optional("action", |value| Action::parse(value).map_err(reason)))
    }

    fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        self.optional(name, |value| {
            Timestamp::parse(value).map_err(|_| {
                let example = "write it like 2026-04-29T09:10:00Z, with %2B for a +";
                format!("`{}` is not RFC 3339; {example}", shorten(value))
            })
        })
    }

    /// Tells of all that is wrong, and of what nobody has asked for.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let Self { parameters, known, mut wrong } = self;
        for (name, _) in parameters.into_iter().take(FIELD_ERRORS_MAX) {
            let message = match known.contains(&name.as_str()) {
                true => "is given more than once; choose one".to_owned(),
                false => format!("is not a parameter here; there are {}", known.join(", ")),
            };
            wrong.push(FieldError { field: shorten(&name), message });
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
    }
}

fn reason(error: Error) -> String {
    error.message().to_owned()
}

#[cfg(test)]
mod tests {
    use casewire_data::id::EndpointId;

    use super::*;

    #[test]
    fn what_is_wrong_unknown_or_given_twice_is_named() {
        let query = "limit=0&cursor=!&type=cases.*&resource=people&status=done&since=today&until=&endpoint=wh_1\
                     &limit=5&pageSize=3";
        let mut query = Query::parse(query);
        assert_eq!(query.page::<EndpointId>(), (LIMIT_DEFAULT, None));
        assert_eq!((query.event_type(), query.resource(), query.status()), (None, None, None));
        assert_eq!(query.window(), (None, None));
        assert_eq!(query.id::<EndpointId>("endpoint", "wh_…"), None);
        let named: Vec<_> = query.wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        let all = ["limit", "cursor", "type", "resource", "status", "since", "until", "endpoint"];
        assert_eq!(named, all);
        let left: Vec<_> = query.parameters.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left, ["limit", "pageSize"]);
        assert!(query.finish().is_err());
    }

    #[test]
    fn a_wrong_limit_or_cursor_is_named() {
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=-1", "limit"),
            ("limit=", "limit"),
            ("limit=ten", "limit"),
            ("cursor=", "cursor"),
            ("cursor=%FF", "cursor"),
            ("cursor=d2hfMDFK", "cursor"),
        ] {
            let mut read = Query::parse(query);
            read.page::<EndpointId>();
            assert_eq!(read.wrong[0].field, field, "{query}");
        }
    }

    #[test]
    fn what_is_right_is_read() {
        let query = "resource=case%2FC-1%2F2&since=2026-04-29T11:10:00%2B02:00&status=in_flight&limit=200";
        let mut query = Query::parse(query);
        let resource = query.resource().unwrap();
        assert_eq!((resource.kind.as_str(), resource.id.as_str()), ("case", "C-1/2"));
        assert_eq!(query.window().0.unwrap().to_string(), "2026-04-29T09:10:00Z");
        assert_eq!(query.status(), Some(DeliveryStatus::InFlight));
        assert_eq!(query.page::<EndpointId>(), (200, None));
        assert!(query.finish().is_ok());
    }
}
