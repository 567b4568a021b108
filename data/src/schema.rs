//! JSON Schema 2020-12: what the payloads of an event type are to be like.
//!
//! What is not supported is refused when a schema is read, never passed over in silence:
//!
//! - References reach into the schema itself, `#/$defs/…`: nothing is ever fetched, from the network or from files. Named
//!   anchors, dynamic references and `unevaluated…` are not there.
//! - A `pattern` is one of ECMA-262, matched in linear time, so it has neither look-around nor back-references, nor
//!   Unicode properties.
//! - Unknown keywords are refused as mistakes, unless they begin with `x-`. `format`, titles and the like say something to
//!   people and refuse nothing.
//! - Numbers are compared to the last digit.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::effort::Effort;
use self::{
    check::Check,
    compile::{Compiler, Origin},
    pattern::Pattern,
};
use crate::{
    error::{Error, FieldError, Result},
    json::{Number, Tree},
    limits,
};

mod argument;
mod check;
mod compile;
mod ecma;
mod effort;
mod keywords;
mod pattern;
#[cfg(test)]
mod tests;

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Schema {
    text: Arc<str>,
    /// The root first.
    nodes: Arc<[Node]>,
}

/// One schema within a schema.
#[derive(Clone, Debug)]
enum Node {
    /// `true` or `false`.
    Always(bool),
    /// All of them must hold.
    Rules(Box<[Rule]>),
}

/// A node, by its place among all.
type NodeId = usize;

/// The name of a member, in UTF-8 but for halves of surrogate pairs.
type Name = Box<[u8]>;

/// One thing that must hold. Those about texts, numbers, arrays or objects hold for all else.
#[derive(Clone, Debug)]
enum Rule {
    Types(Box<[Type]>),
    /// Equal to one of these, ascending, which are shown so.
    Among(Box<[Tree<'static>]>, String),
    Bound {
        over: bool,
        exclusive: bool,
        bound: Number,
        shown: String,
    },
    MultipleOf(Number, String),
    /// Characters of a text.
    Length {
        least: u64,
        most: u64,
    },
    Pattern(Pattern),
    /// Elements of an array.
    Count {
        least: u64,
        most: u64,
    },
    Unique,
    Elements {
        first: Box<[NodeId]>,
        rest: Option<NodeId>,
    },
    Contains {
        node: NodeId,
        least: u64,
        most: u64,
    },
    /// Members of an object.
    Size {
        least: u64,
        most: u64,
    },
    Required(Box<[Name]>),
    Members(Box<Members>),
    Names(NodeId),
    /// If there is a member, these must be there too, and this must hold of the object.
    Dependent {
        name: Name,
        required: Box<[Name]>,
        node: Option<NodeId>,
    },
    All(Box<[NodeId]>),
    Any(Box<[NodeId]>),
    One(Box<[NodeId]>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
}

#[derive(Clone, Debug, Default)]
struct Members {
    named: Vec<(Name, NodeId)>,
    patterned: Vec<(Pattern, NodeId)>,
    rest: Option<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    const ALL: [(&str, Self); 7] = [
        ("null", Self::Null),
        ("boolean", Self::Boolean),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("string", Self::String),
        ("array", Self::Array),
        ("object", Self::Object),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }

    fn has(self, value: &Tree<'_>) -> bool {
        match (self, value) {
            (Self::Integer, Tree::Number(number)) => number.is_integer(),
            _ => self == Self::of(value),
        }
    }

    fn of(value: &Tree<'_>) -> Self {
        match value {
            Tree::Null => Self::Null,
            Tree::Bool(_) => Self::Boolean,
            Tree::Number(_) => Self::Number,
            Tree::Text(_) => Self::String,
            Tree::Array(_) => Self::Array,
            Tree::Object(_) => Self::Object,
        }
    }
}

impl Schema {
    /// Reads a schema. The error names every keyword that is wrong by its place, `schema.properties.amount.minimum`.
    pub fn new(json: &str) -> Result<Self> {
        Self::read(json, Origin::Caller)
    }

    fn read(json: &str, origin: Origin) -> Result<Self> {
        let refuse = |message: String| Err(Error::field("schema", message));
        if json.len() > limits::SCHEMA_BYTES_MAX {
            return refuse(format!(
                "has {} bytes; at most {} are allowed",
                json.len(),
                limits::SCHEMA_BYTES_MAX
            ));
        }
        if limits::too_deep(json).is_some() {
            return refuse(format!("nests deeper than {} levels; make it flatter", limits::JSON_DEPTH_MAX));
        }
        let raw: &RawValue = match serde_json::from_str(json) {
            Ok(raw) => raw,
            Err(error) => return refuse(format!("is not JSON: {error}")),
        };
        let root = Tree::of(raw.get().as_bytes());
        let nodes = Compiler::compile(&root, origin)?.into();
        Ok(Self { text: raw.get().into(), nodes })
    }

    /// The schema as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Holds a value, which must be valid JSON, against the schema. The error names what does not fit by its place below
    /// `field`, `data.items[3].kind`. What it takes is taken off what there is for all values of a request.
    pub fn check(&self, field: &str, json: &[u8], effort: &mut Effort) -> Result<()> {
        let wrong = Check::run(&self.nodes, field, json, effort);
        if wrong.is_empty() { Ok(()) } else { Err(Error::fields(wrong)) }
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl From<Schema> for String {
    fn from(schema: Schema) -> Self {
        schema.as_str().to_owned()
    }
}

impl TryFrom<String> for Schema {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::read(&text, Origin::Journal)
    }
}
