//! From the text of a schema to its rules, every mistake named by its place.

use std::{borrow::Cow, collections::BTreeMap};

use super::{Error, FieldError, Node, NodeId, Result, Rule, Tree, pattern::Pattern};
use crate::limits;

/// Mistakes that are told of one schema: more than anybody reads at once.
const WRONG_MAX: usize = 20;
/// Schemas inside each other, or on the way from reference to reference.
const DEPTH_MAX: usize = 128;

pub(super) type Object<'t> = BTreeMap<Cow<'t, [u8]>, Tree<'t>>;

/// Where a schema comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A caller: all rules apply.
    Caller,
    /// The journal: it was accepted once, when there were fewer rules, and must be readable for good.
    Journal,
}

/// The work so far.
pub(super) struct Compiler<'t> {
    root: &'t Tree<'t>,
    origin: Origin,
    nodes: Vec<Node>,
    /// Nodes by what in the root they are of: references lead to one from several places.
    known: BTreeMap<*const Tree<'t>, NodeId>,
    /// For each node those about the very same value, which must not lead back to it.
    alongside: Vec<Vec<NodeId>>,
    /// By their text; `None` is one that is refused.
    patterns: BTreeMap<String, Option<Pattern>>,
    pattern_bytes: usize,
    /// Values that others are compared with, and pieces of long ones.
    values: usize,
    wrong: Vec<FieldError>,
    /// Mistakes beyond those that are told.
    wrong_more: usize,
    depth: usize,
}

/// One keyword of a schema.
pub(super) struct Keyword<'k, 't> {
    /// The node that it is of.
    pub(super) node: NodeId,
    pub(super) name: &'k str,
    /// Its place.
    pub(super) at: &'k str,
    pub(super) value: &'t Tree<'t>,
}

impl<'t> Compiler<'t> {
    pub(super) fn compile(root: &'t Tree<'t>, origin: Origin) -> Result<Vec<Node>> {
        let mut compiler = Self {
            root,
            origin,
            nodes: Vec::new(),
            known: BTreeMap::new(),
            alongside: Vec::new(),
            patterns: BTreeMap::new(),
            pattern_bytes: 0,
            values: 0,
            wrong: Vec::new(),
            wrong_more: 0,
            depth: 0,
        };
        compiler.node(ROOT, root);
        if compiler.wrong.is_empty() && compiler.runs_in_a_circle() {
            compiler.refuse(ROOT, "refers to itself without getting anywhere; break the circle of `$ref`s");
        }
        if compiler.wrong_more > 0 {
            let message = format!("has {} more mistakes; correct these first", compiler.wrong_more);
            compiler.wrong.push(FieldError { field: ROOT.to_owned(), message });
        }
        if compiler.wrong.is_empty() { Ok(compiler.nodes) } else { Err(Error::fields(compiler.wrong)) }
    }

    /// The node of what stands at a place.
    pub(super) fn node(&mut self, at: &str, tree: &'t Tree<'t>) -> NodeId {
        if let Some(known) = self.known.get(&std::ptr::from_ref(tree)) {
            return *known;
        }
        let id = self.nodes.len();
        if self.depth >= DEPTH_MAX {
            self.refuse(at, format!("is more than {DEPTH_MAX} schemas deep; make it flatter"));
            return 0;
        }
        if id >= limits::SCHEMA_NODES_MAX {
            self.refuse(at, format!("is one schema more than {id} within one; make it simpler"));
            return 0;
        }
        self.nodes.push(Node::Always(true));
        self.alongside.push(Vec::new());
        self.known.insert(tree, id);
        match tree {
            Tree::Bool(always) => self.nodes[id] = Node::Always(*always),
            Tree::Object(object) => {
                self.depth += 1;
                let rules = self.rules(id, at, object);
                self.depth -= 1;
                self.nodes[id] = Node::Rules(rules.into());
            }
            _ => self.refuse(at, "must be a schema: an object, true or false"),
        }
        id
    }

    /// A node about the same value as another.
    pub(super) fn beside(&mut self, id: NodeId, at: &str, tree: &'t Tree<'t>) -> NodeId {
        let node = self.node(at, tree);
        self.stand_beside(id, node);
        node
    }

    /// Notes that a node is about the same value as another, which must not lead back to it.
    pub(super) fn stand_beside(&mut self, id: NodeId, node: NodeId) {
        self.alongside[id].push(node);
    }

    fn rules(&mut self, node: NodeId, at: &str, object: &'t Object<'t>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (name, value) in object {
            let (name, at) = (String::from_utf8_lossy(name), below(at, name));
            let keyword = Keyword { node, name: &name, at: &at, value };
            let is_known = self.about_any(&keyword, &mut rules)
                || self.about_scalars(&keyword, &mut rules)
                || self.about_containers(&keyword, &mut rules);
            if !is_known {
                self.about_nothing(&keyword);
            }
        }
        self.elements(at, object, &mut rules);
        self.members(at, object, &mut rules);
        self.branches(node, at, object, &mut rules);
        rules
    }

    /// The node that a reference leads to.
    pub(super) fn reference(&mut self, at: &str, value: &Tree<'_>) -> NodeId {
        let pointer = match value {
            Tree::Text(text) => text.strip_prefix(b"#").filter(|it| it.is_empty() || it.starts_with(b"/")),
            _ => None,
        };
        let Some(pointer) = pointer else {
            self.refuse(
                at,
                "must point into this schema, like #/$defs/name; nothing is fetched from elsewhere",
            );
            return 0;
        };
        // As a part of a URL, and as who does not know that writes it.
        let found = self.find(&decoded(pointer)).or_else(|| self.find(pointer));
        match found {
            Some((at, target)) => self.node(&at, target),
            None => {
                let pointer = limits::shorten(&String::from_utf8_lossy(pointer));
                self.refuse(at, format!("points to nothing: there is no {pointer}"));
                0
            }
        }
    }

    /// What is at a JSON Pointer (RFC 6901), and its place.
    fn find(&self, pointer: &[u8]) -> Option<(String, &'t Tree<'t>)> {
        let steps = pointer.split(|byte| *byte == b'/').skip(1);
        steps.map(unescaped).try_fold((ROOT.to_owned(), self.root), |(at, tree), step| {
            let target = match tree {
                Tree::Object(members) => members.get(&*step),
                Tree::Array(items) => items.get(str::from_utf8(&step).ok()?.parse::<usize>().ok()?),
                _ => None,
            };
            target.map(|target| (below(&at, &step), target))
        })
    }

    /// The pattern of a text; the same one is compiled once, however often it is there.
    pub(super) fn regex(&mut self, at: &str, text: &[u8]) -> Option<Pattern> {
        let text = match (str::from_utf8(text), self.origin) {
            (Ok(text), _) => Cow::Borrowed(text),
            (Err(_), Origin::Journal) => String::from_utf8_lossy(text),
            (Err(_), Origin::Caller) => {
                self.refuse(at, "is a pattern with half of a surrogate pair; write whole characters");
                return None;
            }
        };
        if let Some(known) = self.patterns.get(&*text) {
            return known.clone();
        }
        let compiled = match self.origin {
            Origin::Caller => self.pattern_within_bounds(&text),
            Origin::Journal => Pattern::stored(&text),
        };
        let pattern = compiled
            .map_err(|error| self.refuse(at, format!("is a pattern that cannot be used: it {error}")))
            .ok();
        self.patterns.insert(text.into_owned(), pattern.clone());
        pattern
    }

    fn pattern_within_bounds(&mut self, text: &str) -> std::result::Result<Pattern, String> {
        let most = limits::SCHEMA_PATTERN_BYTES_MAX;
        let too_many = || {
            format!("and those before it take more than {most} bytes compiled; use fewer, or shorter ones")
        };
        if self.pattern_bytes > most {
            return Err(too_many());
        }
        let pattern = Pattern::new(text)?;
        self.pattern_bytes += pattern.bytes();
        if self.pattern_bytes > most { Err(too_many()) } else { Ok(pattern) }
    }

    /// A value that others are to be compared with, as one of the schema's own; none if there are too many.
    pub(super) fn constant(&mut self, at: &str, value: &Tree<'_>) -> Option<Tree<'static>> {
        let (before, most) = (self.values, limits::SCHEMA_VALUES_MAX);
        self.values += value.weight();
        if self.origin == Origin::Caller && self.values > most {
            // Once is enough.
            if before <= most {
                let message = "values in it and in what comes before, by `enum` and `const`";
                self.refuse(at, format!("has more than {most} {message}; say it with a pattern or a type"));
            }
            return None;
        }
        Some(value.clone().into_owned())
    }

    /// Looks at definitions that nothing refers to, too: a mistake in them is one.
    pub(super) fn definitions(&mut self, at: &str, value: &'t Tree<'t>) {
        if self.origin == Origin::Caller {
            for (_, at, value) in self.entries(at, value) {
                self.node(&at, value);
            }
        }
    }

    pub(super) fn refuse(&mut self, at: &str, message: impl Into<String>) {
        if self.wrong.len() >= WRONG_MAX {
            self.wrong_more += 1;
            return;
        }
        self.wrong.push(FieldError { field: at.to_owned(), message: message.into() });
    }

    /// Whether some node is about its own value again, by whatever detour.
    fn runs_in_a_circle(&self) -> bool {
        // How many others are about the same value and lead to a node that has not been dealt with.
        let mut leading = vec![0usize; self.nodes.len()];
        self.alongside.iter().flatten().for_each(|node| leading[*node] += 1);
        let mut free: Vec<_> = (0..leading.len()).filter(|node| leading[*node] == 0).collect();
        let mut dealt_with = 0;
        while let Some(node) = free.pop() {
            dealt_with += 1;
            for next in &self.alongside[node] {
                leading[*next] -= 1;
                if leading[*next] == 0 {
                    free.push(*next);
                }
            }
        }
        dealt_with < leading.len()
    }
}

/// The place of a whole schema.
const ROOT: &str = "schema";

/// A place one step further down, as errors name it.
pub(super) fn below(at: &str, step: &[u8]) -> String {
    format!("{at}.{}", limits::shorten(&String::from_utf8_lossy(step)))
}

/// What `%` stands for in a part of a URL.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [first, behind @ ..] = rest {
        rest = behind;
        out.push(match (first, digit(behind.first()), digit(behind.get(1))) {
            (b'%', Some(high), Some(low)) => {
                rest = &behind[2..];
                (high * 16 + low) as u8
            }
            _ => *first,
        });
    }
    out
}

/// A step of a JSON Pointer as the name that it is.
fn unescaped(step: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(step.len()), step);
    while let [first, behind @ ..] = rest {
        let escaped = match (first, behind.first()) {
            (b'~', Some(b'0')) => Some(b'~'),
            (b'~', Some(b'1')) => Some(b'/'),
            _ => None,
        };
        rest = if escaped.is_some() { &behind[1..] } else { behind };
        out.push(escaped.unwrap_or(*first));
    }
    out
}
