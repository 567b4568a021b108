//! What an endpoint of a dialect may subscribe to.

use std::cmp::Reverse;

use super::file::{Section, Text};
use crate::{
    error::{Error, FieldError, Result},
    event::EventType,
    limits,
    pattern::{Pattern, PatternIndex},
};

/// How many valid names an error offers in place of a wrong one.
const SUGGESTIONS_MAX: usize = 3;

/// The table `[vocabulary]` of a dialect's file.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary {
    /// What can be subscribed to; any pattern if absent.
    pub(super) closed: Option<Closed>,
    /// What an endpoint that names nothing gets; if empty, it must name something.
    pub(super) default: Vec<Pattern>,
    /// Event types that the format has a place for; any if empty.
    pub(super) types: Vec<Pattern>,
    /// The same, to be asked at each publish.
    index: PatternIndex,
}

#[derive(Clone, Debug)]
pub(super) struct Closed {
    /// Concrete names and patterns, each to be subscribed to exactly as it is written.
    pub(super) tokens: Vec<Pattern>,
    /// With its final dot: any concrete name below it may be subscribed to as well.
    pub(super) families: Vec<String>,
}

impl Closed {
    /// Whether it can be subscribed to.
    fn has(&self, text: &str) -> bool {
        let below = |family: &String| EventType::new(text).is_ok() && text.starts_with(family.as_str());
        self.tokens.iter().any(|token| token.as_str() == text) || self.families.iter().any(below)
    }
}

impl Vocabulary {
    pub(super) fn read(root: &mut Section<'_, '_>) -> Self {
        let Some(mut section) = root.section("vocabulary") else {
            if root.is_sound("vocabulary") {
                let message = "is missing; write a table [vocabulary] with kind = \"open\" or \"closed\"";
                root.wrong("vocabulary", message);
            }
            return Self {
                closed: None,
                default: Vec::new(),
                types: Vec::new(),
                index: PatternIndex::default(),
            };
        };
        let kind = section.required("kind");
        let [names, patterns, families, default, types] =
            ["names", "patterns", "families", "default", "types"].map(|key| section.texts(key));
        let sound = ["names", "patterns", "families"].into_iter().all(|key| section.is_sound(key));
        section.finish();
        let listed = !(names.is_empty() && patterns.is_empty() && families.is_empty());
        let name = |text: &str| match EventType::new(text).and_then(|_| Pattern::new(text)) {
            Err(_) if text.contains('*') && Pattern::new(text).is_ok() => {
                Err(Error::field("names", format!("`{text}` is a pattern; list it in `patterns`")))
            }
            named => named,
        };
        let tokens =
            names.iter().filter_map(|text| text.check(name)).chain(all_patterns(&patterns)).collect();
        let family = |text: &Text<'_, '_>| text.check(EventType::new).map(|family| format!("{family}."));
        let families = families.iter().filter_map(family).collect();
        let mut closed = None;
        match kind.as_ref().map(|kind| (kind, kind.value.as_str(), listed)) {
            Some((_, "closed", true)) => closed = Some(Closed { tokens, families }),
            Some((_, "closed", false)) if !sound => {}
            Some((kind, "closed", false)) => {
                kind.wrong(
                    "is closed, so list in `names`, `patterns` or `families` what can be subscribed to",
                );
            }
            Some((kind, "open", true)) => {
                kind.wrong("is open, which lists nothing; remove the lists, or make it closed");
            }
            Some((_, "open", false)) | None => {}
            Some((kind, _, _)) => kind.wrong("is not known; choose `open` or `closed`"),
        }
        let within = |text: &&Text<'_, '_>| {
            let listed = closed.as_ref().is_none_or(|closed| closed.has(&text.value));
            if !listed {
                text.wrong("is not in this closed vocabulary; list it in `names` or `patterns`, too");
            }
            listed
        };
        let default = default.iter().filter(|text| text.check(Pattern::new).is_some()).filter(within);
        let default = default.filter_map(|text| Pattern::new(&text.value).ok()).collect();
        let types: Vec<_> = all_patterns(&types).collect();
        let index = PatternIndex::new(types.iter().map(|pattern| (pattern.clone(), 0)));
        Self { closed, default, types, index }
    }

    /// Whether the format has no place for some types.
    pub(super) fn is_selective(&self) -> bool {
        !self.types.is_empty()
    }

    /// Whether something that takes an event type can be subscribed to.
    pub(super) fn can_be_subscribed_to(&self, event_type: &str) -> bool {
        self.closed.as_ref().is_none_or(|Closed { tokens, families }| {
            tokens.iter().any(|token| token.matches(event_type))
                || families.iter().any(|family| event_type.starts_with(family.as_str()))
        })
    }

    /// Whether the format has a place for events of a type.
    pub(super) fn has(&self, event_type: &str) -> bool {
        self.types.is_empty() || !self.index.matches(event_type).is_empty()
    }

    /// The types that the format has a place for, for an error.
    pub(super) fn types(&self) -> String {
        self.types.iter().map(|pattern| format!("`{}`", pattern.as_str())).collect::<Vec<_>>().join(", ")
    }

    /// Patterns that stand for everything below a family.
    pub(super) fn families(&self) -> impl Iterator<Item = &str> {
        self.closed.iter().flat_map(|closed| closed.families.iter().map(String::as_str))
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.closed.iter().flat_map(|closed| closed.tokens.iter().map(Pattern::as_str))
    }

    /// Checks a list of patterns; `dialect` is named in the errors.
    pub(super) fn check(&self, events: &[String], dialect: &str) -> Result<Vec<Pattern>> {
        if events.is_empty() && !self.default.is_empty() {
            return Ok(self.default.clone());
        }
        if events.is_empty() {
            let of_a_family = || Some(format!("{}created", self.families().next()?));
            let example = self.tokens().next().map(str::to_owned).or_else(of_a_family);
            let example = example.unwrap_or_else(|| "cases.created".to_owned());
            return Err(Error::field(
                "events",
                format!("is empty; name at least one event type, like `{example}`"),
            ));
        }
        if events.len() > limits::PATTERNS_MAX {
            let message = format!(
                "has {} entries; at most {} are allowed, so use `*`, or a second endpoint",
                events.len(),
                limits::PATTERNS_MAX
            );
            return Err(Error::field("events", message));
        }
        let mut wrong = Vec::new();
        let mut patterns = Vec::with_capacity(events.len());
        for (place, text) in events.iter().enumerate() {
            match self.check_one(text, dialect) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    wrong.push(FieldError {
                        field: format!("events[{place}]"),
                        message: error.message().to_owned(),
                    });
                }
            }
        }
        if wrong.is_empty() { Ok(patterns) } else { Err(Error::fields(wrong)) }
    }

    fn check_one(&self, text: &str, dialect: &str) -> Result<Pattern> {
        let pattern = Pattern::new(text)?;
        let Some(closed) = self.closed.as_ref().filter(|closed| !closed.has(text)) else {
            return Ok(pattern);
        };
        let Closed { tokens, families } = closed;
        let mut nearest: Vec<_> = nearest(&pattern, tokens).map(|token| format!("`{token}`")).collect();
        let near = |family: &&String| tokens.is_empty() || text.starts_with(family.as_str());
        let near = families.iter().filter(near).take(SUGGESTIONS_MAX);
        nearest.extend(near.map(|family| format!("the names below `{family}`, one by one")));
        let message =
            format!("`{text}` is not an event type of {dialect}; nearest are {}", nearest.join(", "));
        Err(Error::field("events", message))
    }
}

fn all_patterns<'p>(texts: &'p [Text<'_, '_>]) -> impl Iterator<Item = Pattern> + 'p {
    texts.iter().filter_map(|text| text.check(Pattern::new))
}

/// The tokens that somebody who wrote `wrong` may have meant. First those that it would select, if it is a wildcard:
/// the widest ones lead. Then those that are spelled most alike.
fn nearest<'a>(wrong: &Pattern, tokens: &'a [Pattern]) -> impl Iterator<Item = &'a str> {
    let mut ranked: Vec<_> = tokens.iter().map(Pattern::as_str).collect();
    ranked.sort_by_cached_key(|token| {
        let selected = wrong.matches(token);
        let width = selected.then(|| (token.matches('.').count(), Reverse(token.ends_with('*'))));
        (!selected, width, distance(wrong.as_str(), token))
    });
    ranked.into_iter().take(SUGGESTIONS_MAX)
}

/// How many bytes must be put in, taken out or replaced to turn one text into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, left) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (column, right) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    fn check(dialect: &str, events: &[&str]) -> Result<Vec<Pattern>> {
        let events: Vec<_> = events.iter().map(|&text| text.to_owned()).collect();
        Dialects::builtin().get(dialect).unwrap().check_patterns(&events)
    }

    #[test]
    fn xpath_takes_its_17_tokens_and_names_below_its_four_families() {
        let xpath = Dialects::builtin().get("xpath@1").unwrap();
        let tokens: Vec<_> = xpath.tokens().collect();
        assert_eq!(tokens.len(), 17);
        let events =
            [&tokens[..], &["cases.tasks.created", "assignments.billing-details.a.b", "cases.*"]].concat();
        let patterns = check("xpath@1", &events).unwrap();
        assert!(patterns.iter().map(Pattern::as_str).eq(events), "kept as given, in order, repeats too");
    }

    #[test]
    fn xpath_refuses_anything_else_and_names_the_nearest() {
        for (wrong, nearest) in [
            ("cases.reopened", "`cases.created`"),
            ("cases.creatd", "nearest are `cases.created`"),
            ("*", "nearest are `cases.*`, `assignments.*`"),
            ("**", "nearest are `cases.*`, `assignments.*`"),
            (
                "*.created",
                "nearest are `cases.created`, `assignments.created`, `assignments.extensions.created`",
            ),
            ("cases", "`cases.*`"),
            ("cases.tasks", "`cases.tasks.*`"),
            ("cases.tasks.*.created", "`cases.tasks.*`"),
            ("assignment.*", "nearest are `assignments.*`"),
            ("cases.expensesx.y", "`cases.expenses.*`"),
        ] {
            let error = check("xpath@1", &["cases.created", wrong]).expect_err(wrong);
            assert_eq!(error.field_errors()[0].field, "events[1]");
            assert!(error.message().contains(nearest), "{wrong}: {error}");
        }
    }

    #[test]
    fn standard_takes_any_pattern_that_can_match() {
        assert_eq!(check("standard@1", &["*", "cases.reopened", "*.created"]).unwrap().len(), 3);
        let error = check("standard@1", &["a", "b/c", "d", "e["]).unwrap_err();
        let fields: Vec<_> = error.field_errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["events[1]", "events[3]"]);
    }

    #[test]
    fn a_list_has_1_to_256_entries() {
        for dialect in ["xpath@1", "standard@1"] {
            assert_eq!(check(dialect, &[]).unwrap_err().field_errors()[0].field, "events");
            assert!(check(dialect, &["cases.created"; limits::PATTERNS_MAX]).is_ok());
            assert!(check(dialect, &["cases.created"; limits::PATTERNS_MAX + 1]).is_err());
        }
    }
}
