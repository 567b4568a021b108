//! From the text of a schema to its rules, every mistake named by its place.

use std::collections::BTreeMap;

use super::{
    Error, FieldError, Members, Node, NodeId, Result, Rule, Tree,
    argument::{escape, show},
};
use crate::limits;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Keywords that refuse nothing.
const ANNOTATIONS: [&str; 14] = [
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "$defs",
];

/// Mistakes that are told of one schema: more than anybody reads at once.
const WRONG_MAX: usize = 20;
/// Schemas inside each other, or on the way from reference to reference.
const DEPTH_MAX: usize = 128;

type Object<'t> = BTreeMap<std::borrow::Cow<'t, [u8]>, Tree<'t>>;

/// The work so far.
pub(super) struct Compiler<'t> {
    root: &'t Tree<'t>,
    nodes: Vec<Node>,
    /// Nodes by their place in the root, as references name it.
    known: BTreeMap<String, NodeId>,
    /// For each node those about the very same value, which must not lead back to it.
    alongside: Vec<Vec<NodeId>>,
    wrong: Vec<FieldError>,
    depth: usize,
}

impl<'t> Compiler<'t> {
    pub(super) fn compile(root: &'t Tree<'t>) -> Result<Vec<Node>> {
        let mut compiler = Self {
            root,
            nodes: Vec::new(),
            known: BTreeMap::new(),
            alongside: Vec::new(),
            wrong: Vec::new(),
            depth: 0,
        };
        compiler.node("", root);
        if compiler.wrong.is_empty() && compiler.runs_in_a_circle() {
            compiler.refuse("", "refers to itself without getting anywhere; break the circle of `$ref`s");
        }
        if compiler.wrong.is_empty() { Ok(compiler.nodes) } else { Err(Error::fields(compiler.wrong)) }
    }

    /// The node of what stands at a place, a JSON Pointer.
    fn node(&mut self, pointer: &str, tree: &'t Tree<'t>) -> NodeId {
        if let Some(known) = self.known.get(pointer) {
            return *known;
        }
        let id = self.nodes.len();
        if self.depth >= DEPTH_MAX {
            self.refuse(pointer, format!("is more than {DEPTH_MAX} schemas deep; make it flatter"));
            return 0;
        }
        if id >= limits::SCHEMA_NODES_MAX {
            if id == limits::SCHEMA_NODES_MAX {
                self.refuse("", format!("has more than {id} schemas in it; make it simpler"));
            }
            return 0;
        }
        self.nodes.push(Node::Always(true));
        self.alongside.push(Vec::new());
        self.known.insert(pointer.to_owned(), id);
        match tree {
            Tree::Bool(always) => self.nodes[id] = Node::Always(*always),
            Tree::Object(object) => {
                self.depth += 1;
                let rules = self.rules(id, pointer, object);
                self.depth -= 1;
                self.nodes[id] = Node::Rules(rules.into());
            }
            _ => self.refuse(pointer, "must be a schema: an object, true or false"),
        }
        id
    }

    fn rules(&mut self, id: NodeId, pointer: &str, object: &'t Object<'t>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (name, value) in object {
            let name = String::from_utf8_lossy(name);
            let at = format!("{pointer}/{}", escape(&name));
            if !self.about_any(id, (&name, &at), value, &mut rules)
                && !self.about_scalars((&name, &at), value, &mut rules)
                && !self.about_containers(id, (&name, &at), value, &mut rules)
            {
                self.about_nothing(&name, &at, value);
            }
        }
        self.elements(pointer, object, &mut rules);
        self.members(pointer, object, &mut rules);
        self.branches(id, pointer, object, &mut rules);
        rules
    }

    /// Keywords about values of all types.
    fn about_any(
        &mut self,
        id: NodeId,
        (name, at): (&str, &str),
        value: &'t Tree<'t>,
        rules: &mut Vec<Rule>,
    ) -> bool {
        match name {
            "type" => rules.extend(self.types(at, value)),
            "enum" => match value {
                Tree::Array(values) if !values.is_empty() => {
                    let mut all = values.iter().map(|it| it.clone().into_owned()).collect::<Vec<_>>();
                    all.sort_unstable();
                    let shown: Vec<_> = values.iter().take(10).map(show).collect();
                    rules.push(Rule::Among(all.into(), format!("one of {}", shown.join(", "))));
                }
                _ => self.refuse(at, "must be a list of one value or more"),
            },
            "const" => rules.push(Rule::Among([value.clone().into_owned()].into(), show(value))),
            "allOf" | "anyOf" | "oneOf" => {
                let nodes = self.alternatives(id, at, value);
                rules.push(match name {
                    "allOf" => Rule::All(nodes),
                    "anyOf" => Rule::Any(nodes),
                    _ => Rule::One(nodes),
                });
            }
            "not" => {
                let node = self.beside(id, at, value);
                rules.push(Rule::Not(node));
            }
            "$ref" => {
                let node = self.reference(at, value);
                self.alongside[id].push(node);
                rules.push(Rule::All([node].into()));
            }
            _ => return false,
        }
        true
    }

    /// Keywords about numbers and texts, and how many of something there are.
    fn about_scalars(
        &mut self,
        (name, at): (&str, &str),
        value: &'t Tree<'t>,
        rules: &mut Vec<Rule>,
    ) -> bool {
        match name {
            "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum" => match value {
                Tree::Number(bound) => rules.push(Rule::Bound {
                    over: name.ends_with("inimum"),
                    exclusive: name.starts_with("exclusive"),
                    bound: bound.clone(),
                    shown: show(value),
                }),
                _ => self.refuse(at, "must be a number"),
            },
            "multipleOf" => match value {
                Tree::Number(divisor) if divisor.can_divide() => {
                    rules.push(Rule::MultipleOf(divisor.clone(), show(value)));
                }
                _ => self.refuse(at, "must be a number above 0 of at most 18 digits"),
            },
            "minLength" => rules.push(Rule::Length { least: self.count(at, value), most: u64::MAX }),
            "maxLength" => rules.push(Rule::Length { least: 0, most: self.count(at, value) }),
            "minItems" => rules.push(Rule::Count { least: self.count(at, value), most: u64::MAX }),
            "maxItems" => rules.push(Rule::Count { least: 0, most: self.count(at, value) }),
            "minProperties" => rules.push(Rule::Size { least: self.count(at, value), most: u64::MAX }),
            "maxProperties" => rules.push(Rule::Size { least: 0, most: self.count(at, value) }),
            "pattern" => rules.extend(self.pattern(at, value).map(Rule::Pattern)),
            "uniqueItems" => match value {
                Tree::Bool(unique) => rules.extend(unique.then_some(Rule::Unique)),
                _ => self.refuse(at, "must be true or false"),
            },
            _ => return false,
        }
        true
    }

    /// Keywords about what objects hold. Those that depend on others are read beside them.
    fn about_containers(
        &mut self,
        id: NodeId,
        (name, at): (&str, &str),
        value: &'t Tree<'t>,
        rules: &mut Vec<Rule>,
    ) -> bool {
        match name {
            "required" => rules.push(Rule::Required(self.names(at, value))),
            "propertyNames" => rules.push(Rule::Names(self.node(at, value))),
            "dependentRequired" => {
                for (name, at, value) in self.entries(at, value) {
                    let required = self.names(&at, value);
                    rules.push(Rule::Dependent { name, required, node: None });
                }
            }
            "dependentSchemas" => {
                for (name, at, value) in self.entries(at, value) {
                    let node = Some(self.beside(id, &at, value));
                    rules.push(Rule::Dependent { name, required: Box::default(), node });
                }
            }
            "items"
            | "prefixItems"
            | "contains"
            | "minContains"
            | "maxContains"
            | "properties"
            | "patternProperties"
            | "additionalProperties"
            | "if"
            | "then"
            | "else" => {}
            _ => return false,
        }
        true
    }

    /// Keywords that refuse nothing, and those that are none.
    fn about_nothing(&mut self, name: &str, at: &str, value: &Tree<'_>) {
        match name {
            "$schema" => {
                let is_known = matches!(value, Tree::Text(text) if text.strip_suffix(b"#").unwrap_or(text) == DRAFT.as_bytes());
                if !is_known {
                    self.refuse(at, format!("is another dialect of JSON Schema; write it in {DRAFT}"));
                }
            }
            "$id" if at == "/$id" => {}
            "definitions" => self.refuse(at, "is `$defs` since 2019; rename it, and the references to it"),
            "$id"
            | "$anchor"
            | "$dynamicAnchor"
            | "$dynamicRef"
            | "$vocabulary"
            | "unevaluatedItems"
            | "unevaluatedProperties" => self.refuse(at, "is not supported; leave it out"),
            name if ANNOTATIONS.contains(&name) || name.starts_with("x-") => {}
            _ => self.refuse(
                at,
                "is no keyword of JSON Schema 2020-12; correct it, or let its name begin with x-",
            ),
        }
    }

    fn elements(&mut self, pointer: &str, object: &'t Object<'t>, rules: &mut Vec<Rule>) {
        let mut first = Vec::new();
        if let Some(value) = get(object, "prefixItems") {
            let at = format!("{pointer}/prefixItems");
            match value {
                Tree::Array(items) if !items.is_empty() => {
                    first = items
                        .iter()
                        .enumerate()
                        .map(|(index, it)| self.node(&format!("{at}/{index}"), it))
                        .collect();
                }
                _ => self.refuse(&at, "must be a list of one schema or more"),
            }
        }
        let rest = match get(object, "items") {
            Some(Tree::Array(_)) => {
                self.refuse(
                    &format!("{pointer}/items"),
                    "must be one schema; a list is `prefixItems` since 2020-12",
                );
                None
            }
            items => items.map(|items| self.node(&format!("{pointer}/items"), items)),
        };
        if !first.is_empty() || rest.is_some() {
            rules.push(Rule::Elements { first: first.into(), rest });
        }
        let mut count = |name: &str, default| {
            get(object, name).map_or(default, |value| self.count(&format!("{pointer}/{name}"), value))
        };
        let (least, most) = (count("minContains", 1), count("maxContains", u64::MAX));
        if let Some(contains) = get(object, "contains") {
            let node = self.node(&format!("{pointer}/contains"), contains);
            rules.push(Rule::Contains { node, least, most });
        }
    }

    fn members(&mut self, pointer: &str, object: &'t Object<'t>, rules: &mut Vec<Rule>) {
        let mut members = Members::default();
        if let Some(value) = get(object, "properties") {
            for (name, at, value) in self.entries(&format!("{pointer}/properties"), value) {
                members.named.push((name, self.node(&at, value)));
            }
        }
        if let Some(value) = get(object, "patternProperties") {
            for (name, at, value) in self.entries(&format!("{pointer}/patternProperties"), value) {
                let node = self.node(&at, value);
                members.patterned.extend(self.regex(&at, &name).map(|pattern| (pattern, node)));
            }
        }
        let rest = get(object, "additionalProperties");
        members.rest = rest.map(|value| self.node(&format!("{pointer}/additionalProperties"), value));
        if !members.named.is_empty() || !members.patterned.is_empty() || members.rest.is_some() {
            rules.push(Rule::Members(Box::new(members)));
        }
    }

    fn branches(&mut self, id: NodeId, pointer: &str, object: &'t Object<'t>, rules: &mut Vec<Rule>) {
        let [condition, then, otherwise] = ["if", "then", "else"]
            .map(|name| get(object, name).map(|value| self.beside(id, &format!("{pointer}/{name}"), value)));
        if let Some(condition) = condition {
            rules.push(Rule::If { condition, then, otherwise });
        }
    }

    fn alternatives(&mut self, id: NodeId, at: &str, value: &'t Tree<'t>) -> Box<[NodeId]> {
        match value {
            Tree::Array(items) if !items.is_empty() => items
                .iter()
                .enumerate()
                .map(|(index, it)| self.beside(id, &format!("{at}/{index}"), it))
                .collect(),
            _ => {
                self.refuse(at, "must be a list of one schema or more");
                Box::default()
            }
        }
    }

    /// A node about the same value.
    fn beside(&mut self, id: NodeId, at: &str, value: &'t Tree<'t>) -> NodeId {
        let node = self.node(at, value);
        self.alongside[id].push(node);
        node
    }

    fn reference(&mut self, at: &str, value: &Tree<'_>) -> NodeId {
        let Tree::Text(text) = value else {
            self.refuse(at, "must be a string");
            return 0;
        };
        let text = String::from_utf8_lossy(text);
        let Some(pointer) = text.strip_prefix('#').filter(|it| it.is_empty() || it.starts_with('/')) else {
            self.refuse(
                at,
                "must point into this schema, like #/$defs/name; nothing is fetched from elsewhere",
            );
            return 0;
        };
        let root = self.root;
        let target = pointer.split('/').skip(1).try_fold(root, |tree, step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            match tree {
                Tree::Object(members) => members.get(step.as_bytes()),
                Tree::Array(items) => items.get(step.parse::<usize>().ok()?),
                _ => None,
            }
        });
        match target {
            Some(target) => self.node(pointer, target),
            None => {
                self.refuse(at, format!("points to nothing: there is no {}", limits::shorten(pointer)));
                0
            }
        }
    }

    pub(super) fn refuse(&mut self, pointer: &str, message: impl Into<String>) {
        if self.wrong.len() >= WRONG_MAX {
            return;
        }
        let path = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        let field =
            path.fold("schema".to_owned(), |field, step| format!("{field}.{}", limits::shorten(&step)));
        self.wrong.push(FieldError { field, message: message.into() });
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

fn get<'t>(object: &'t Object<'t>, name: &str) -> Option<&'t Tree<'t>> {
    object.get(name.as_bytes())
}
