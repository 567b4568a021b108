//! A value held against a schema.

use std::{collections::BTreeSet, fmt::Display};

use super::{
    Effort, FieldError, Members, Name, Node, NodeId, Rule, Tree, Type,
    pattern::{self, Pattern},
};
use crate::limits;

/// What is told of one value: more than anybody reads at once.
const WRONG_MAX: usize = 20;
/// Nodes inside each other. What they are about nests no deeper than JSON may; several can be about the same value.
const DEPTH_MAX: usize = 400;

/// One run.
pub(super) struct Check<'s> {
    nodes: &'s [Node],
    wrong: Vec<FieldError>,
    /// Mistakes beyond those that are told.
    wrong_more: usize,
    /// Whether anybody is to learn what is wrong; not while alternatives are tried.
    telling: bool,
    steps: usize,
    steps_max: usize,
    depth: usize,
    /// It took too long, or nests too deep.
    given_up: bool,
}

impl<'s> Check<'s> {
    /// All that is wrong with a value, which stands at a field.
    pub(super) fn run(nodes: &'s [Node], field: &str, json: &[u8], effort: &mut Effort) -> Vec<FieldError> {
        let refuse =
            |message: &str| vec![FieldError { field: field.to_owned(), message: message.to_owned() }];
        let steps_max = effort.for_one();
        if steps_max == 0 {
            return refuse(effort.advice());
        }
        let mut check = Self {
            nodes,
            wrong: Vec::new(),
            wrong_more: 0,
            telling: true,
            steps: 0,
            steps_max,
            depth: 0,
            given_up: false,
        };
        check.fits(0, &Tree::of(json), &mut field.to_owned());
        let advice = effort.advice();
        // The last step, which it did not take, may have been one over.
        effort.spend(check.steps.min(steps_max));
        if check.given_up {
            return refuse(advice);
        }
        if check.wrong_more > 0 {
            let message = format!("has {} more mistakes; correct these first", check.wrong_more);
            check.wrong.push(FieldError { field: field.to_owned(), message });
        }
        check.wrong
    }

    fn fits(&mut self, node: NodeId, value: &Tree<'_>, at: &mut String) -> bool {
        self.given_up |= self.depth >= DEPTH_MAX;
        if !self.spend(1) {
            return false;
        }
        let nodes = self.nodes;
        match &nodes[node] {
            Node::Always(true) => true,
            Node::Always(false) => self.refuse(at, "must not be there"),
            Node::Rules(rules) => {
                self.depth += 1;
                // All of them, so that all that is wrong is told at once.
                let fitting = rules.iter().filter(|rule| self.holds(rule, value, at)).count();
                self.depth -= 1;
                fitting == rules.len()
            }
        }
    }

    /// Goes on by so many steps; not if it has given up by then.
    fn spend(&mut self, steps: usize) -> bool {
        self.steps = self.steps.saturating_add(steps);
        self.given_up |= self.steps > self.steps_max;
        !self.given_up
    }

    fn refuse(&mut self, at: &str, message: impl Display) -> bool {
        match self.telling {
            true if self.wrong.len() < WRONG_MAX => {
                self.wrong.push(FieldError { field: at.to_owned(), message: message.to_string() });
            }
            true => self.wrong_more += 1,
            false => {}
        }
        false
    }

    fn holds(&mut self, rule: &Rule, value: &Tree<'_>, at: &mut String) -> bool {
        self.spend(1 + cost(rule, value)) && self.holds_at_any_cost(rule, value, at)
    }

    fn holds_at_any_cost(&mut self, rule: &Rule, value: &Tree<'_>, at: &mut String) -> bool {
        match (rule, value) {
            (Rule::Types(types), _) => {
                let has = types.iter().any(|it| it.has(value));
                has || {
                    let wanted: Vec<_> = types.iter().map(|it| it.name()).collect();
                    let found = Type::of(value).name();
                    self.refuse(
                        at,
                        format_args!("is of the type {found}; it must be {}", wanted.join(" or ")),
                    )
                }
            }
            (Rule::Among(values, shown), _) => {
                values.binary_search(value).is_ok() || self.refuse(at, format_args!("must be {shown}"))
            }
            (Rule::Bound { over, exclusive, bound, shown }, Tree::Number(number)) => {
                let order = if *over { number.cmp(bound) } else { bound.cmp(number) };
                let holds = order.is_gt() || (!exclusive && order.is_eq());
                let side = if *over { "more" } else { "less" };
                let message = || match exclusive {
                    true => format!("must be {side} than {shown}"),
                    false => format!("must be {shown} or {side}"),
                };
                holds || self.refuse(at, message())
            }
            (Rule::MultipleOf(divisor, shown), Tree::Number(number)) => {
                number.is_multiple_of(divisor)
                    || self.refuse(at, format_args!("must be a multiple of {shown}"))
            }
            (Rule::Length { least, most }, Tree::Text(text)) => {
                self.is_within(at, pattern::count(text), "characters", (*least, *most))
            }
            (Rule::Pattern(pattern), Tree::Text(text)) => self.matches(pattern, text, at),
            (Rule::Count { least, most }, Tree::Array(items)) => {
                self.is_within(at, items.len() as u64, "elements", (*least, *most))
            }
            (Rule::Unique, Tree::Array(items)) => {
                let unique = items.iter().collect::<BTreeSet<_>>().len() == items.len();
                unique || self.refuse(at, "has an element twice; each must be there once")
            }
            (Rule::Elements { first, rest }, Tree::Array(items)) => {
                let mut fits = true;
                for (index, item) in items.iter().enumerate() {
                    if let Some(node) = first.get(index).copied().or(*rest) {
                        fits &= self.below(at, &format!("[{index}]"), |check, at| check.fits(node, item, at));
                    }
                }
                fits
            }
            (Rule::Contains { node, least, most }, Tree::Array(items)) => {
                let fitting = items.iter().filter(|item| self.would_fit(*node, item)).count() as u64;
                self.is_within(at, fitting, "elements as `contains` asks for", (*least, *most))
            }
            (Rule::Size { least, most }, Tree::Object(members)) => {
                self.is_within(at, members.len() as u64, "members", (*least, *most))
            }
            (Rule::Required(names), Tree::Object(_)) => every(names, |name| self.has(value, name, at)),
            (Rule::Members(rules), Tree::Object(_)) => self.members_fit(rules, value, at),
            (Rule::Names(node), Tree::Object(members)) => every(members.keys(), |name| {
                let message = || format!("has a name that is not allowed: `{}`", shown(name));
                self.would_fit(*node, &Tree::Text(name.clone())) || self.refuse(at, message())
            }),
            (Rule::Dependent { name, required, node }, Tree::Object(members)) => {
                if !members.contains_key(&**name) {
                    return true;
                }
                let fits = every(required, |name| self.has(value, name, at));
                node.is_none_or(|node| self.fits(node, value, at)) && fits
            }
            (Rule::All(nodes), _) => every(nodes, |node| self.fits(*node, value, at)),
            (Rule::Any(nodes), _) => {
                nodes.iter().any(|node| self.would_fit(*node, value))
                    || self.refuse(at, "fits none of the alternatives of `anyOf`")
            }
            (Rule::One(nodes), _) => {
                let fitting = nodes.iter().filter(|node| self.would_fit(**node, value)).count();
                fitting == 1
                    || self.refuse(
                        at,
                        format_args!("fits {fitting} of the alternatives of `oneOf`; it must fit one"),
                    )
            }
            (Rule::Not(node), _) => {
                !self.would_fit(*node, value) || self.refuse(at, "is what `not` excludes")
            }
            (Rule::If { condition, then, otherwise }, _) => {
                let branch = if self.would_fit(*condition, value) { then } else { otherwise };
                branch.is_none_or(|node| self.fits(node, value, at))
            }
            _ => true,
        }
    }

    fn members_fit(&mut self, rules: &Members, value: &Tree<'_>, at: &mut String) -> bool {
        let Tree::Object(members) = value else { return true };
        let mut all_fit = true;
        for (name, member) in members {
            let named = rules.named.binary_search_by(|(own, _)| (**own).cmp(name));
            let mut nodes: Vec<NodeId> = named.ok().map(|index| rules.named[index].1).into_iter().collect();
            let text = pattern::characters(name);
            for (pattern, node) in &rules.patterned {
                nodes.extend(self.is_match(pattern, &text).then_some(*node));
            }
            if nodes.is_empty() {
                nodes.extend(rules.rest);
            }
            let step = format!(".{}", limits::shorten(&text));
            for node in nodes {
                all_fit &= self.below(at, &step, |check, at| check.fits(node, member, at));
            }
        }
        all_fit
    }

    /// Whether an object has a member.
    fn has(&mut self, object: &Tree<'_>, name: &Name, at: &mut String) -> bool {
        if matches!(object, Tree::Object(members) if members.contains_key(&**name)) {
            return true;
        }
        let step = format!(".{}", shown(name));
        self.below(at, &step, |check, at| check.refuse(at, "is missing"))
    }

    fn is_within(&mut self, at: &str, count: u64, what: &str, (least, most): (u64, u64)) -> bool {
        if (least..=most).contains(&count) {
            return true;
        }
        let bound = if count < least { format!("at least {least}") } else { format!("at most {most}") };
        self.refuse(at, format_args!("has {count} {what}; {bound} are wanted"))
    }

    fn matches(&mut self, pattern: &Pattern, text: &[u8], at: &str) -> bool {
        let matches = self.is_match(pattern, &pattern::characters(text));
        matches
            || self
                .refuse(at, format_args!("does not match the pattern {}", limits::shorten(pattern.as_str())))
    }

    fn is_match(&mut self, pattern: &Pattern, text: &str) -> bool {
        self.spend(pattern.steps(text.len())) && pattern.is_match(text)
    }

    /// Whether a value fits, which is nobody's to know but the rule's that asks.
    fn would_fit(&mut self, node: NodeId, value: &Tree<'_>) -> bool {
        let telling = std::mem::replace(&mut self.telling, false);
        let fits = self.fits(node, value, &mut String::new());
        self.telling = telling;
        fits
    }

    /// One step further down, and back.
    fn below(
        &mut self,
        at: &mut String,
        step: &str,
        check: impl FnOnce(&mut Self, &mut String) -> bool,
    ) -> bool {
        let length = at.len();
        // Nobody learns where it is.
        if self.telling {
            at.push_str(step);
        }
        let fits = check(self, at);
        at.truncate(length);
        fits
    }
}

/// What a rule looks at besides nodes and patterns, each of which counts by itself: values, and pieces of long texts.
fn cost(rule: &Rule, value: &Tree<'_>) -> usize {
    let names = |all: &[Name]| all.iter().map(|name| 1 + name.len() / 64).sum();
    match (rule, value) {
        (Rule::Among(..) | Rule::Unique, _) => value.weight(),
        (Rule::Bound { .. }, Tree::Number(_)) | (Rule::Length { .. }, Tree::Text(_)) => value.weight(),
        // Each digit is divided, and each zero behind it.
        (Rule::MultipleOf(..), Tree::Number(number)) => 4 + number.digits(),
        (Rule::Elements { .. }, Tree::Array(items)) => items.len(),
        (Rule::Members(..) | Rule::Names(_), Tree::Object(members)) => {
            members.keys().map(|name| 1 + name.len() / 64).sum()
        }
        (Rule::Required(all) | Rule::Dependent { required: all, .. }, Tree::Object(_)) => names(all),
        _ => 0,
    }
}

/// Whether all fit. Asks each, so that all that is wrong is told at once.
fn every<I: IntoIterator>(items: I, mut fits: impl FnMut(I::Item) -> bool) -> bool {
    let mut all_fit = true;
    for item in items {
        all_fit &= fits(item);
    }
    all_fit
}

fn shown(text: &[u8]) -> String {
    limits::shorten(&String::from_utf8_lossy(text))
}
