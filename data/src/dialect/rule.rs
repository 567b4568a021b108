//! How answers are judged: the tables `[[acknowledgement]]` and `[handshake]` of a dialect's file.

use std::fmt;

use super::{
    condition::When,
    context::Context,
    expression::Expression,
    file::{Section, Text, Value},
    header,
    lines::HeaderLines,
    part::{Part, Roots},
};

/// What may be compared with an answer: the answer itself, and what was sent.
const ANSWER: Roots =
    Roots::STATUS.and(Roots::MESSAGE).and(Roots::BODY).and(Roots::SECRET).and(Roots::PARAMS);

/// What an answer to a delivery means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The receiver has it.
    Delivered,
    /// It is tried again, as the schedule says.
    Retry,
    /// It is given up at once: a dead letter.
    Drop,
    /// The endpoint is paused until its owner makes it active again; the delivery is kept for it.
    Disable {
        /// Why, for its owner to read.
        reason: String,
    },
}

/// One table `[[acknowledgement]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) when: When,
    pub(super) ruling: Ruling,
}

impl Rule {
    /// All of them, in the order in which they are asked.
    pub(super) fn read_all(root: &mut Section<'_, '_>) -> Vec<Self> {
        let mut open = false;
        let read = |section: Section<'_, '_>| {
            if open {
                section.wrong("", "is never reached, since one before it has no `when`; put that one last");
            }
            let rule = Self::read(section);
            open = open || rule.as_ref().is_some_and(|rule| rule.when.is_empty());
            rule
        };
        root.sections("acknowledgement").into_iter().filter_map(read).collect()
    }

    fn read(mut section: Section<'_, '_>) -> Option<Self> {
        let when = section.section("when").map(|when| When::read(when, ANSWER)).unwrap_or_default();
        let sound = section.is_sound("when");
        let verdict = section.required("verdict");
        let reason = section.text("reason").and_then(Text::not_empty);
        let blank = section.has("reason") && reason.is_none();
        section.finish();
        let verdict = verdict?;
        let ruling = match (verdict.value.as_str(), reason) {
            ("disable", Some(reason)) => Ruling::Disable { reason: reason.value },
            ("disable", None) if blank => return None,
            ("disable", None) => {
                verdict.wrong("`disable` needs a `reason` for the endpoint's owner to read");
                return None;
            }
            ("delivered" | "retry" | "drop", Some(reason)) => {
                reason.wrong("goes with the verdict `disable` alone; take it out");
                return None;
            }
            ("delivered", _) => Ruling::Delivered,
            ("retry", _) => Ruling::Retry,
            ("drop", _) => Ruling::Drop,
            _ => {
                verdict.wrong("is not known; choose from delivered, retry, drop and disable");
                return None;
            }
        };
        sound.then_some(Self { when, ruling })
    }
}

/// Headers of the file's own: names as written, values with parts in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Headers(Vec<(Box<str>, Expression)>);

impl Headers {
    pub(super) fn read(section: Section<'_, '_>, allowed: Roots) -> Self {
        let mut names = std::collections::HashSet::new();
        let read = |(name, value): (Text<'_, '_>, Value<'_, '_>)| {
            let text = value.text()?;
            let value = text.compile(|text| Expression::parse(text, allowed));
            if value.as_ref().is_some_and(|value| !value.is_header_value()) {
                text.wrong("cannot stand in a header; write visible ASCII, with spaces inside only");
            }
            name.check(header::check_name)?;
            if !names.insert(name.value.to_ascii_lowercase()) {
                name.wrong("is there twice, in other letters; take one of the two out");
            }
            Some((name.value.into(), value?))
        };
        Self(section.entries().into_iter().filter_map(read).collect())
    }

    /// Names and values, in order, of those whose parts are all there.
    pub(super) fn render<'a>(
        &'a self,
        context: &Context<'a>,
    ) -> impl Iterator<Item = (&'a str, std::borrow::Cow<'a, str>)> {
        let context = *context;
        self.0.iter().filter_map(move |(name, value)| Some((&**name, value.text(&context)?)))
    }

    /// Adds the lines of those whose parts are all there.
    pub(super) fn write(&self, context: &Context<'_>, lines: &mut HeaderLines) {
        for (name, value) in &self.0 {
            lines.add_with(name, |line| value.write(context, line));
        }
    }

    /// Names and values as they stand in the file.
    pub(super) fn written(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(name, value)| (&**name, value.written()))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.all_parts().map(|(_, part)| part)
    }

    /// Every part, with the name of the header that it stands in.
    pub(super) fn all_parts(&self) -> impl Iterator<Item = (&str, &Part)> {
        self.0.iter().flat_map(|(name, value)| value.parts().map(|part| (&**name, part)))
    }

    /// The parts that make up one of them.
    pub(super) fn parts_of(&self, name: &str) -> impl Iterator<Item = &Part> {
        self.all_parts().filter(move |(known, _)| *known == name).map(|(_, part)| part)
    }
}

/// The request by which a receiver is asked whether it wants deliveries.
#[derive(Clone, PartialEq, Eq)]
pub struct Probe {
    /// `OPTIONS`, or else `POST`.
    pub method: ProbeMethod,
    /// Its headers, in order.
    pub headers: HeaderLines,
    /// The headers of the answer, in lower case, on which its judgement depends.
    pub judged_headers: Vec<Box<str>>,
    /// What a receiver must do, for whoever gave its URL.
    pub hint: String,
}

// Its headers may hold the secret.
impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The method of a [`Probe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeMethod {
    /// A POST with an empty body.
    Post,
    /// An OPTIONS without a body.
    Options,
}

/// The table `[handshake]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    pub(super) method: ProbeMethod,
    pub(super) headers: Headers,
    pub(super) accept: When,
    /// What a receiver must do, for whoever gave its URL.
    pub(super) hint: String,
}

impl Handshake {
    pub(super) fn read(root: &mut Section<'_, '_>) -> Option<Self> {
        let mut section = root.section("handshake")?;
        let method = section.required("method");
        let headers = section.section("headers");
        let headers = headers.map(|headers| Headers::read(headers, Roots::SECRET.and(Roots::PARAMS)));
        let accept = section.section("accept");
        if accept.is_none() && section.is_sound("accept") {
            section.wrong("accept", "is missing; say which answer is a yes");
        }
        let accept = accept.map(|accept| When::read(accept, ANSWER));
        let hint = section.words("hint");
        section.finish();
        Some(Self {
            method: probe_method(&method?)?,
            headers: headers.unwrap_or_default(),
            accept: accept?,
            hint: hint?.value,
        })
    }
}

pub(super) fn probe_method(text: &Text<'_, '_>) -> Option<ProbeMethod> {
    match text.value.as_str() {
        "POST" => Some(ProbeMethod::Post),
        "OPTIONS" => Some(ProbeMethod::Options),
        _ => {
            text.wrong("is not a method of a handshake; choose POST or OPTIONS");
            None
        }
    }
}
