//! What a filter asks of the value at one place.

use std::cmp::Ordering;

use serde_json::value::RawValue;

use super::{Wrong, members, part::Part, seek::Value};
use crate::{json::Number, limits};

/// What is wrong with a value that can be compared with nothing.
const SCALAR: &str = "must be a string, a number, true, false or null";
/// What is wrong with a value that has no order.
const ORDERED: &str = "must be a number or a string";
const TEXT: &str = "must be a string";

/// One thing that must hold.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// Equal to one of these, ascending.
    In(Box<[Scalar]>),
    /// Equal to none of these, ascending.
    NotIn(Box<[Scalar]>),
    /// Before or behind this, or it itself.
    Ordered(Order, Scalar),
    /// Whether there is a value at all.
    Exists(bool),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    /// A part of a text, or an element of an array.
    Contains(Scalar, Part),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A value that others are compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text(Box<[u8]>),
}

impl Condition {
    /// Reads what stands beside a path: a value, a list of values, or an object of operators.
    pub(super) fn read(field: &str, raw: &RawValue, wrong: &mut Wrong) -> Vec<Self> {
        match raw.get().as_bytes() {
            [b'[', ..] => list(field, raw, wrong).map(Self::In).into_iter().collect(),
            [b'{', ..] => operators(field, raw, wrong),
            _ => scalar(field, raw, wrong).map(|one| Self::In([one].into())).into_iter().collect(),
        }
    }

    /// How many values it compares with.
    pub(super) fn values(&self) -> usize {
        match self {
            Self::In(values) | Self::NotIn(values) => values.len(),
            _ => 1,
        }
    }

    /// Whether it compares with nothing but texts.
    pub(super) fn compares_texts(&self) -> bool {
        let is_text = |value: &Scalar| matches!(value, Scalar::Text(_));
        match self {
            Self::In(values) | Self::NotIn(values) => values.iter().all(is_text),
            Self::Ordered(_, value) | Self::Contains(value, _) => is_text(value),
            Self::Exists(_) | Self::Prefix(_) | Self::Suffix(_) => true,
        }
    }

    /// Whether it holds for what stands at its place. Of an array, it is enough that it holds for one element.
    pub(super) fn holds(&self, value: Option<&Value<'_>>) -> bool {
        let any = |holds: &dyn Fn(&Value<'_>) -> bool| match value {
            None => false,
            Some(Value::Array(elements)) => elements.iter().any(holds),
            Some(value) => holds(value),
        };
        match self {
            Self::In(values) => any(&|value| is_among(values, value)),
            Self::NotIn(values) => !any(&|value| is_among(values, value)),
            Self::Ordered(order, bound) => any(&|value| order.holds(value, bound)),
            Self::Exists(wanted) => value.is_some() == *wanted,
            Self::Prefix(start) => {
                any(&|value| matches!(value, Value::Text(text) if text.starts_with(start)))
            }
            Self::Suffix(end) => any(&|value| matches!(value, Value::Text(text) if text.ends_with(end))),
            Self::Contains(one, part) => match (value, one) {
                (Some(Value::Text(text)), Scalar::Text(wanted)) => part.is_within(wanted, text),
                (Some(Value::Array(elements)), _) => elements.iter().any(|it| one.is_equal(it)),
                _ => false,
            },
        }
    }
}

impl Scalar {
    /// Whether a value is the same. Of two types, none is.
    fn is_equal(&self, value: &Value<'_>) -> bool {
        self.compare(value).is_eq()
    }

    /// In an order of all values, in which each type has a place of its own.
    fn compare(&self, value: &Value<'_>) -> Ordering {
        match (self, value) {
            (Self::Bool(own), Value::Bool(other)) => own.cmp(other),
            (Self::Number(own), Value::Number(other)) => own.cmp(other),
            (Self::Text(own), Value::Text(other)) => (**own).cmp(other),
            (own, other) => own.rank().cmp(&rank(other)),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
        }
    }
}

fn rank(value: &Value<'_>) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::Text(_) => 3,
        Value::Array(_) | Value::Object => 4,
    }
}

/// Whether one of these, which are ascending, is the same as a value.
fn is_among(values: &[Scalar], value: &Value<'_>) -> bool {
    values.binary_search_by(|it| it.compare(value)).is_ok()
}

impl Order {
    /// Of two types, none comes first. The order of UTF-8 is that of the characters' numbers.
    fn holds(self, value: &Value<'_>, bound: &Scalar) -> bool {
        let order = match (value, bound) {
            (Value::Number(value), Scalar::Number(bound)) => value.cmp(bound),
            (Value::Text(value), Scalar::Text(bound)) => (**value).cmp(bound),
            _ => return false,
        };
        match self {
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
        }
    }
}

fn operators(field: &str, raw: &RawValue, wrong: &mut Wrong) -> Vec<Condition> {
    let members = members(field, raw, wrong);
    if members.is_empty() {
        wrong.note(field, "has no operator; write it like {\"gte\":1000}");
    }
    members
        .into_iter()
        .filter_map(|(name, raw)| operator(&format!("{field}.{}", limits::shorten(&name)), &name, raw, wrong))
        .collect()
}

fn operator(field: &str, name: &str, raw: &RawValue, wrong: &mut Wrong) -> Option<Condition> {
    let mut ordered = |order| {
        let bound = scalar(field, raw, &mut Wrong::default())
            .filter(|it| matches!(it, Scalar::Number(_) | Scalar::Text(_)));
        if bound.is_none() {
            wrong.note(field, ORDERED);
        }
        Some(Condition::Ordered(order, bound?))
    };
    match name {
        "gt" => ordered(Order::Greater),
        "gte" => ordered(Order::GreaterOrEqual),
        "lt" => ordered(Order::Less),
        "lte" => ordered(Order::LessOrEqual),
        "eq" => Some(Condition::In([scalar(field, raw, wrong)?].into())),
        "ne" => Some(Condition::NotIn([scalar(field, raw, wrong)?].into())),
        "in" => list(field, raw, wrong).map(Condition::In),
        "not_in" => list(field, raw, wrong).map(Condition::NotIn),
        "exists" => match raw.get() {
            "true" => Some(Condition::Exists(true)),
            "false" => Some(Condition::Exists(false)),
            _ => wrong.refuse(field, "must be true or false"),
        },
        "prefix" => text(field, raw, wrong).map(Condition::Prefix),
        "suffix" => text(field, raw, wrong).map(Condition::Suffix),
        "contains" => {
            let wanted = scalar(field, raw, wrong)?;
            let part = Part::of(if let Scalar::Text(text) = &wanted { text } else { &[] });
            Some(Condition::Contains(wanted, part))
        }
        _ => {
            let known = "eq, ne, in, not_in, gt, gte, lt, lte, exists, prefix, suffix and contains";
            let below = "a name within the payload belongs into the path, like `data.amount`";
            wrong.refuse(field, format!("is no operator; there are {known}; {below}"))
        }
    }
}

fn list(field: &str, raw: &RawValue, wrong: &mut Wrong) -> Option<Box<[Scalar]>> {
    let items: Option<Vec<&RawValue>> = serde_json::from_str(raw.get()).ok();
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return wrong.refuse(field, "must be a list of one value or more");
    };
    if items.len() > limits::FILTER_VALUES_MAX {
        return wrong.refuse(
            field,
            format!("has {} values; at most {} are allowed", items.len(), limits::FILTER_VALUES_MAX),
        );
    }
    let items = items.into_iter().enumerate();
    // All of them first, so that all that is wrong is told at once.
    let values: Vec<_> =
        items.map(|(index, item)| scalar(&format!("{field}[{index}]"), item, wrong)).collect();
    let mut values = values.into_iter().collect::<Option<Vec<_>>>()?;
    values.sort_unstable();
    Some(values.into())
}

fn scalar(field: &str, raw: &RawValue, wrong: &mut Wrong) -> Option<Scalar> {
    match Value::of(raw.get().as_bytes()) {
        Value::Null => Some(Scalar::Null),
        Value::Bool(value) => Some(Scalar::Bool(value)),
        Value::Number(number) => Some(Scalar::Number(number)),
        Value::Text(text) => Some(Scalar::Text(text.into())),
        Value::Array(_) | Value::Object => wrong.refuse(field, SCALAR),
    }
}

fn text(field: &str, raw: &RawValue, wrong: &mut Wrong) -> Option<Box<[u8]>> {
    match Value::of(raw.get().as_bytes()) {
        Value::Text(text) => Some(text.into()),
        _ => wrong.refuse(field, TEXT),
    }
}
