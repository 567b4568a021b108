//! A part of an event, an endpoint or a message, by the name that a dialect's file gives it: `$actor.id`,
//! `$type:head`.

use super::{
    context::{Context, EventParts},
    expression::name_of,
    file::Fault,
    path,
    value::{Format, ShortText, Value},
};
use crate::{Timestamp, event::ActorId, limits};

/// Which parts may be named in a place of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roots(u8);

impl Roots {
    /// The event that is sent.
    pub(super) const EVENT: Self = Self(1);
    /// The endpoint: its parameters.
    pub(super) const PARAMS: Self = Self(2);
    /// The secret, as it is written.
    pub(super) const SECRET: Self = Self(4);
    /// The time of the attempt, and the id by which the message is known.
    pub(super) const ATTEMPT: Self = Self(8);
    /// The body, and what is in it.
    pub(super) const BODY: Self = Self(16);
    /// Headers of a message that came in.
    pub(super) const MESSAGE: Self = Self(32);
    /// The query of a request that came in.
    pub(super) const QUERY: Self = Self(64);
    /// The status of an answer.
    pub(super) const STATUS: Self = Self(128);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    source: Source,
    formats: Vec<Format>,
    /// The name with its dollar sign, as written.
    pub(super) name: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Id,
    IdAsUuid,
    Type,
    Tenant,
    Agency,
    ActorKind,
    ActorId,
    ActorName,
    ResourceType,
    ResourceId,
    OccurredAt(TimeFormat),
    PublishedAt(TimeFormat),
    Data(Vec<Box<str>>),
    Param(Box<str>),
    Secret,
    Timestamp,
    Status,
    Header(Box<str>),
    Query(Box<str>),
    Body(Vec<Box<str>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeFormat {
    /// RFC 3339 in whole seconds.
    Seconds,
    /// RFC 3339 with exactly six fractional digits.
    Micros,
    /// A JSON integer, milliseconds since 1970.
    EpochMillis,
}

/// Every part with a name that is the same in all files; the list that an error shows.
const FIXED: &[(&str, Source, Roots)] = &[
    ("id", Source::Id, Roots::EVENT.and(Roots::ATTEMPT)),
    ("id:uuid", Source::IdAsUuid, Roots::EVENT),
    ("type", Source::Type, Roots::EVENT),
    ("tenant", Source::Tenant, Roots::EVENT),
    ("agency", Source::Agency, Roots::EVENT),
    ("actor.kind", Source::ActorKind, Roots::EVENT),
    ("actor.id", Source::ActorId, Roots::EVENT),
    ("actor.name", Source::ActorName, Roots::EVENT),
    ("resource.type", Source::ResourceType, Roots::EVENT),
    ("resource.id", Source::ResourceId, Roots::EVENT),
    ("occurred_at:seconds", Source::OccurredAt(TimeFormat::Seconds), Roots::EVENT),
    ("occurred_at:micros", Source::OccurredAt(TimeFormat::Micros), Roots::EVENT),
    ("occurred_at:epoch_millis", Source::OccurredAt(TimeFormat::EpochMillis), Roots::EVENT),
    ("published_at:seconds", Source::PublishedAt(TimeFormat::Seconds), Roots::EVENT),
    ("published_at:micros", Source::PublishedAt(TimeFormat::Micros), Roots::EVENT),
    ("published_at:epoch_millis", Source::PublishedAt(TimeFormat::EpochMillis), Roots::EVENT),
    ("timestamp", Source::Timestamp, Roots::ATTEMPT),
    ("secret", Source::Secret, Roots::SECRET),
    ("status", Source::Status, Roots::STATUS),
];

/// A part that goes on with a path or a name: how it is shown, and how it is read.
type Open = (&'static str, &'static str, fn(&[&str]) -> Option<Source>, Roots);

const OPEN: &[Open] = &[
    ("data", "$data, $data.…", |rest| Some(Source::Data(boxed(rest))), Roots::EVENT),
    ("params", "$params.…", |rest| only(rest).map(Source::Param), Roots::PARAMS),
    (
        "header",
        "$header.…",
        |rest| only(rest).map(|name| Source::Header(name.to_ascii_lowercase().into())),
        Roots::MESSAGE,
    ),
    ("query", "$query.…", |rest| only(rest).map(Source::Query), Roots::QUERY),
    ("body", "$body, $body.…", |rest| Some(Source::Body(boxed(rest))), Roots::BODY),
];

fn boxed(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

fn only(names: &[&str]) -> Option<Box<str>> {
    if let [name] = names { Some((*name).into()) } else { None }
}

impl Part {
    /// Reads the part whose name stands behind a dollar sign at the beginning of `text`, in braces or without, and
    /// tells how many bytes belong to it. The place of a fault counts from the dollar sign.
    pub(super) fn parse(text: &str, allowed: Roots) -> Result<(Self, usize), Fault> {
        let inner = text.strip_prefix('{');
        let name = name_of(inner.unwrap_or(text));
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let message =
                "a dollar sign begins a part, like `$type`; write `$$` for one that is meant as such";
            return Err(Fault::new(0, message));
        }
        let part = Self::named(name, allowed).map_err(|why| Fault::new(0, why))?;
        match inner {
            Some(inner) if inner[name.len()..].starts_with('}') => Ok((part, name.len() + 2)),
            Some(_) => Err(Fault::new(name.len() + 2, "a closing brace is due here, as in `${type}`")),
            None => Ok((part, name.len())),
        }
    }

    /// As [`Part::parse`], where no dot may follow.
    pub(super) fn parse_bare(text: &str, allowed: Roots) -> Result<(Self, usize), Fault> {
        let (part, length) = Self::parse(text, allowed)?;
        if text[length..].starts_with('.') && !text.starts_with('{') {
            return Err(Fault::new(length + 1, format!("a name is due behind the dot of `{}.`", part.name)));
        }
        Ok((part, length))
    }

    /// Reads a part that stands alone, with its dollar sign.
    pub(super) fn alone(text: &str, allowed: Roots) -> Result<Self, Fault> {
        let Some(rest) = text.strip_prefix('$') else {
            let meant = format!("${text}");
            let example = if Self::alone(&meant, allowed).is_ok() { &meant } else { "$type" };
            let message = format!("`{}` is not a part; write it like `{example}`", limits::shorten(text));
            return Err(Fault::new(0, message));
        };
        let (part, length) = Self::parse_bare(rest, allowed)?;
        if length < rest.len() {
            return Err(Fault::new(length + 1, format!("`{}` ends before this", part.name)));
        }
        Ok(part)
    }

    fn named(name: &str, allowed: Roots) -> Result<Self, String> {
        let named = |source, formats| Ok(Self { source, formats, name: format!("${name}").into() });
        let fixed = |name: &str| FIXED.iter().find(|(known, _, roots)| *known == name && allowed.has(*roots));
        if let Some((_, source, _)) = fixed(name) {
            return named(source.clone(), Vec::new());
        }
        let mut formats = name.split(':');
        let path = formats.next().unwrap_or_default();
        let names: Vec<_> = path.split('.').collect();
        let open = OPEN.iter().find(|(first, _, _, roots)| names[0] == *first && allowed.has(*roots));
        let source = match (fixed(path), open) {
            (Some((_, source, _)), _) => Some(source.clone()),
            (None, Some((_, _, read, _))) => read(&names[1..]),
            (None, None) => None,
        };
        let source = source.ok_or_else(|| {
            let shown = limits::shorten(name);
            let shorter =
                FIXED.iter().filter(|(known, _, roots)| allowed.has(*roots) && name.starts_with(known));
            let braces = shorter.map(|(known, ..)| known).max_by_key(|known| known.len());
            let braces = braces.map(|known| format!("; or end the name by braces: `${{{known}}}`"));
            let braces = braces.unwrap_or_default();
            format!("there is no part `${shown}` here; choose from {}{braces}", known(allowed))
        })?;
        let formats = formats.map(|format| {
            Format::named(format).map_err(|known| {
                format!("`${path}` has no format `:{}`; choose from {known}", limits::shorten(format))
            })
        });
        named(source, formats.collect::<Result<_, _>>()?)
    }

    /// What it comes to; absent if what it names is.
    pub(super) fn value<'a>(&self, context: &Context<'a>) -> Option<Value<'a>> {
        self.formats.iter().try_fold(self.source.value(context)?, |value, format| format.apply(value))
    }

    /// What it names, as whoever publishes writes it: `actor.id`.
    pub(super) fn field(&self) -> &str {
        self.name.trim_start_matches('$').split(':').next().unwrap_or_default()
    }

    /// The name of the parameter that it stands for.
    pub(super) fn param(&self) -> Option<&str> {
        if let Source::Param(name) = &self.source { Some(name) } else { None }
    }

    /// The header of a message that it stands for, in lower case.
    pub(super) fn header(&self) -> Option<&str> {
        if let Source::Header(name) = &self.source { Some(name) } else { None }
    }

    /// Whether a message in transit does not have it: it is neither the id, nor the time, nor the body.
    pub(super) fn is_of_the_event_alone(&self) -> bool {
        !matches!(&self.source, Source::Id | Source::Timestamp | Source::Body(_))
    }

    /// Whether an event that is sent may be without it.
    pub(super) fn may_be_absent(&self) -> bool {
        let is_there = match &self.source {
            Source::Data(path) | Source::Body(path) => path.is_empty(),
            source => source.is_of_every_event(),
        };
        !is_there || self.formats.contains(&Format::Tail)
    }

    /// Whether it is a value in a body.
    pub(super) fn is_within_a_body(&self) -> bool {
        matches!(&self.source, Source::Body(path) if !path.is_empty())
    }

    /// Whether it is what somebody sent: a header, the query or the body.
    pub(super) fn is_of_a_message(&self) -> bool {
        matches!(self.source, Source::Header(_) | Source::Query(_) | Source::Body(_))
    }

    /// Whether it gives away something of the secret.
    pub(super) fn is_of_the_secret(&self) -> bool {
        self.source == Source::Secret
    }

    /// Whether it takes all of the secret to say what it comes to.
    pub(super) fn is_the_secret(&self) -> bool {
        let cuts = |format: &Format| matches!(format, Format::Head | Format::Tail);
        self.is_of_the_secret() && !self.formats.iter().any(cuts)
    }

    /// Whether it is the status of an answer.
    pub(super) fn is_status(&self) -> bool {
        self.source == Source::Status
    }

    /// Whether it can stand in a header whatever the event, once the endpoint's parameters are checked.
    pub(super) fn is_always_sound(&self) -> bool {
        self.source.is_of_every_event() || matches!(self.source, Source::Secret | Source::Param(_))
    }

    /// Whether it is all of the payload, or of a body.
    pub(super) fn is_whole(&self) -> bool {
        matches!(&self.source, Source::Data(path) | Source::Body(path) if path.is_empty())
            && self.formats.is_empty()
    }
}

fn known(allowed: Roots) -> String {
    let fixed = FIXED.iter().filter(|(_, _, roots)| allowed.has(*roots)).map(|(name, ..)| format!("${name}"));
    let open =
        OPEN.iter().filter(|(_, _, _, roots)| allowed.has(*roots)).map(|(_, shown, ..)| (*shown).to_owned());
    fixed.chain(open).collect::<Vec<_>>().join(", ")
}

impl Source {
    /// Whether every event that is sent has it, in words of the engine's own making or checking.
    fn is_of_every_event(&self) -> bool {
        matches!(
            self,
            Self::Id
                | Self::IdAsUuid
                | Self::Type
                | Self::Tenant
                | Self::OccurredAt(_)
                | Self::PublishedAt(_)
                | Self::Timestamp
        )
    }

    fn value<'a>(&self, context: &Context<'a>) -> Option<Value<'a>> {
        let message = context.message;
        Some(match self {
            Self::Id => match context.event {
                Some(event) => Value::Short(ShortText::of_id(event.id)),
                None => Value::Text(context.received?.id.into()),
            },
            Self::Timestamp => match context.received {
                Some(received) => Value::Text(received.timestamp?.into()),
                None => Value::Integer(context.sent_at?.as_secs()),
            },
            Self::Secret => Value::Text(context.secret?.into()),
            Self::Param(name) => Value::Text(context.params?.get(name)?.into()),
            Self::Status => Value::Integer(message?.status?.into()),
            Self::Header(name) => Value::Text(message?.header(name)?.into()),
            Self::Query(name) => Value::Text(message?.query(name)?.into()),
            Self::Body(path) if path.is_empty() => Value::Bytes(message?.body),
            Self::Body(path) => Value::Json(path::pick(message?.body, path)?),
            of_the_event => return of_the_event.of(context.event?),
        })
    }

    fn of<'a>(&self, event: EventParts<'a>) -> Option<Value<'a>> {
        let content = event.content;
        let (actor, resource) = (content.actor.as_ref(), content.resource.as_ref());
        let text = match self {
            Self::OccurredAt(format) => return Some(format.of(event.occurred_at())),
            Self::PublishedAt(format) => return Some(format.of(event.published_at)),
            Self::Data(path) if path.is_empty() => return Some(Value::Bytes(&content.data)),
            Self::Data(path) => return path::pick(&content.data, path).map(Value::Json),
            Self::IdAsUuid => return Some(Value::Text(uuid(event.id.as_u128()).into())),
            Self::ActorId => match actor?.id.as_ref()? {
                ActorId::Integer(id) => return Some(Value::Integer(*id)),
                ActorId::Text(id) => id,
            },
            Self::Type => content.event_type.as_str(),
            Self::Tenant => event.tenant.as_str(),
            Self::Agency => content.agency.as_ref()?,
            Self::ActorKind => &actor?.kind,
            Self::ActorName => actor?.name.as_ref()?,
            Self::ResourceType => &resource?.kind,
            Self::ResourceId => &resource?.id,
            _ => return None,
        };
        Some(Value::Text(text.into()))
    }
}

impl TimeFormat {
    fn of(self, at: Timestamp) -> Value<'static> {
        match self {
            Self::Seconds => Value::Text(at.to_rfc3339_seconds().into()),
            Self::Micros => Value::Text(at.to_rfc3339_micros().into()),
            Self::EpochMillis => Value::Integer(at.as_millis()),
        }
    }
}

/// The 128 bits of an id, as RFC 9562 writes a UUID.
fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
