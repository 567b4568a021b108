//! What is sent: the tables `[[body]]` of a dialect's file, of which the first one whose conditions hold is rendered.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    condition::{Condition, When},
    context::Context,
    file::{Fault, Section},
    part::{Part, Roots},
    template::Template,
};
use crate::{
    error::{Error, FieldError, Result},
    javascript, limits,
};

/// What a body may be made of: the event, and what the endpoint says of itself.
pub(super) const ROOTS: Roots = Roots::EVENT.and(Roots::PARAMS);

/// All bodies of a dialect.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    pub(super) variants: Vec<Body>,
    pub(super) bytes_max: Option<usize>,
}

/// One table `[[body]]`.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) when: When,
    template: Template,
    /// Spelled as `JSON.stringify` would spell it.
    pub(super) javascript: bool,
}

impl Bodies {
    pub(super) fn read(root: &mut Section<'_, '_>, bytes_max: Option<usize>) -> Self {
        let sections = root.sections("body");
        if sections.is_empty() && root.is_sound("body") {
            root.wrong("body", "is missing; write a table [body] with a template");
        }
        let mut open = false;
        let read = |section: Section<'_, '_>| Body::read(section, &mut open);
        Self { variants: sections.into_iter().filter_map(read).collect(), bytes_max }
    }

    /// The body of an event. The error names what the event lacks, field by field.
    pub(super) fn render(&self, context: &Context<'_>) -> Result<Bytes> {
        let bytes = self.fitting(context)?.render(context)?;
        match self.bytes_max {
            Some(most) if bytes.len() > most => {
                let message = format!("makes a body of {} bytes; at most {most} are sent", bytes.len());
                Err(Error::field("data", message))
            }
            _ => Ok(bytes),
        }
    }

    /// Whether the event has a body: the error is that of [`Bodies::render`]. Renders only what rendering can refuse,
    /// since a publisher waits for it, once for each of a dialect's params.
    pub(super) fn check(&self, context: &Context<'_>) -> Result<()> {
        let body = self.fitting(context)?;
        match body.javascript || self.bytes_max.is_some() {
            true => self.render(context).map(drop),
            false => Ok(()),
        }
    }

    fn fitting(&self, context: &Context<'_>) -> Result<&Body> {
        let fits = |body: &&Body| body.when.holds(context);
        self.variants.iter().find(fits).ok_or_else(|| self.refusal(context))
    }

    /// What is wrong with an event that fits no variant: what is wrong for all of them, or else what is wrong for
    /// the one that it fits best.
    fn refusal(&self, context: &Context<'_>) -> Error {
        let broken: Vec<Vec<&Condition>> =
            self.variants.iter().map(|body| body.when.broken(context).collect()).collect();
        let mut everywhere = BTreeMap::<&str, Vec<&Condition>>::new();
        for condition in broken.iter().flatten() {
            let field = condition.part.field();
            let of_field =
                |conditions: &Vec<&Condition>| conditions.iter().any(|one| one.part.field() == field);
            if broken.iter().all(of_field) {
                everywhere.entry(field).or_default().push(condition);
            }
        }
        if everywhere.is_empty() {
            for condition in broken.iter().min_by_key(|conditions| conditions.len()).into_iter().flatten() {
                everywhere.entry(condition.part.field()).or_default().push(condition);
            }
        }
        let wrong = everywhere.into_iter().map(|(field, conditions)| {
            let mut asked: Vec<_> = conditions.iter().map(|condition| condition.asks(context)).collect();
            asked.dedup();
            FieldError { field: field.to_owned(), message: asked.join(", or ") }
        });
        Error::fields(wrong.collect())
    }

    /// Whether there are events that have no body here.
    pub(super) fn may_refuse(&self) -> bool {
        let mut variants = self.variants.iter();
        self.bytes_max.is_some()
            || variants.clone().any(|body| body.javascript)
            || variants.all(|body| !body.when.is_empty())
    }

    /// The parts that templates and conditions name.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.variants.iter().flat_map(|body| body.template.parts().into_iter().chain(body.when.parts()))
    }
}

impl Body {
    /// `open` says whether one before it takes every event, and is told whether this one does.
    fn read(mut section: Section<'_, '_>, open: &mut bool) -> Option<Self> {
        let when = section.section("when").map(|when| When::read(when, ROOTS)).unwrap_or_default();
        if *open {
            section.wrong("", "is never reached, since one before it has no `when`; put that one last");
        }
        *open = *open || (when.is_empty() && section.is_sound("when"));
        let template = section.required("template");
        let spelling = section.text("spelling");
        section.finish();
        let javascript = match spelling.as_ref().map(|spelling| spelling.value.as_str()) {
            None => false,
            Some("javascript") => true,
            Some(_) => {
                spelling?.wrong("is not known; `javascript` is, or leave it out");
                return None;
            }
        };
        let template = template?.compile(|text| {
            let template = Template::compile(text, ROOTS)?;
            match template.is_body() {
                true => Ok(template),
                false => Err(Fault::new(0, "a body is an object in braces, or `$data` alone")),
            }
        })?;
        Some(Self { when, template, javascript })
    }

    fn render(&self, context: &Context<'_>) -> Result<Bytes> {
        const ENVELOPE_BYTES: usize = 512;
        let data = context.event.map(|event| &event.content.data);
        let whole = self.template.only_part().and(data);
        let bytes = match whole {
            // Passed on as it is, without a copy.
            Some(data) => data.clone(),
            None => {
                let mut out = Vec::with_capacity(data.map_or(0, Bytes::len) + ENVELOPE_BYTES);
                if !self.template.write(context, &mut out) {
                    out.extend_from_slice(b"{}");
                }
                out.into()
            }
        };
        if !self.javascript {
            return Ok(bytes);
        }
        match javascript::canonical(&bytes)? {
            std::borrow::Cow::Borrowed(_) => Ok(bytes),
            std::borrow::Cow::Owned(canonical) => Ok(canonical.into()),
        }
    }
}

/// Reads `[limits]`.
pub(super) fn read_limits(root: &mut Section<'_, '_>) -> Option<usize> {
    let mut section = root.section("limits")?;
    let bytes_max = section.number("body_bytes_max", 1..=limits::EVENT_DATA_BYTES_MAX as u64);
    section.finish();
    bytes_max.and_then(|bytes| usize::try_from(bytes).ok())
}
