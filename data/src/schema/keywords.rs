//! What each keyword of JSON Schema asks for.

use super::{
    Members, NodeId, Rule, Tree,
    argument::show,
    compile::{Compiler, Keyword, Object, below},
};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Keywords that refuse nothing.
const ANNOTATIONS: [&str; 13] = [
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
];
/// Keywords of earlier drafts, and what became of them.
const FORMER: [(&str, &str); 4] = [
    ("definitions", "is `$defs` since 2019; rename it, and the references to it"),
    ("dependencies", "is `dependentRequired` and `dependentSchemas` since 2019; use these"),
    ("additionalItems", "is `items` beside `prefixItems` since 2020-12; rename both"),
    ("id", "is `$id` since draft 6; rename it"),
];

impl<'t> Compiler<'t> {
    /// Keywords about values of all types.
    pub(super) fn about_any(&mut self, keyword: &Keyword<'_, 't>, rules: &mut Vec<Rule>) -> bool {
        let Keyword { node, name, at, value } = *keyword;
        match name {
            "type" => rules.extend(self.types(at, value)),
            "enum" => match value {
                Tree::Array(values) if !values.is_empty() => {
                    let mut all: Vec<_> = values.iter().filter_map(|it| self.constant(at, it)).collect();
                    all.sort_unstable();
                    all.dedup();
                    let shown: Vec<_> = values.iter().take(10).map(show).collect();
                    let more = if values.len() > shown.len() { ", …" } else { "" };
                    rules.push(Rule::Among(all.into(), format!("one of {}{more}", shown.join(", "))));
                }
                _ => self.refuse(at, "must be a list of one value or more"),
            },
            "const" => {
                rules.extend(self.constant(at, value).map(|it| Rule::Among([it].into(), show(value))));
            }
            "allOf" => rules.push(Rule::All(self.alternatives(keyword))),
            "anyOf" => rules.push(Rule::Any(self.alternatives(keyword))),
            "oneOf" => rules.push(Rule::One(self.alternatives(keyword))),
            "not" => rules.push(Rule::Not(self.beside(node, at, value))),
            "$ref" => {
                let target = self.reference(at, value);
                self.stand_beside(node, target);
                rules.push(Rule::All([target].into()));
            }
            _ => return false,
        }
        true
    }

    /// Keywords about numbers and texts, and how many of something there are.
    pub(super) fn about_scalars(&mut self, keyword: &Keyword<'_, 't>, rules: &mut Vec<Rule>) -> bool {
        let Keyword { name, at, value, .. } = *keyword;
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
            "pattern" => match value {
                Tree::Text(text) => rules.extend(self.regex(at, text).map(Rule::Pattern)),
                _ => self.refuse(at, "must be a string"),
            },
            "uniqueItems" => match value {
                Tree::Bool(unique) => rules.extend(unique.then_some(Rule::Unique)),
                _ => self.refuse(at, "must be true or false"),
            },
            _ => return false,
        }
        true
    }

    /// Keywords about what objects hold. Those that depend on others are read beside them.
    pub(super) fn about_containers(&mut self, keyword: &Keyword<'_, 't>, rules: &mut Vec<Rule>) -> bool {
        let Keyword { node, name, at, value } = *keyword;
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
                    let node = Some(self.beside(node, &at, value));
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
    pub(super) fn about_nothing(&mut self, keyword: &Keyword<'_, 't>) {
        let Keyword { node, name, at, value } = *keyword;
        if let Some((_, became)) = FORMER.iter().find(|(former, _)| *former == name) {
            return self.refuse(at, *became);
        }
        match name {
            "$defs" => self.definitions(at, value),
            "$schema" => {
                let is_known = matches!(value, Tree::Text(text) if text.strip_suffix(b"#").unwrap_or(text) == DRAFT.as_bytes());
                if !is_known {
                    self.refuse(at, format!("is another dialect of JSON Schema; write it in {DRAFT}"));
                }
            }
            // Of the root, and so nothing can lead elsewhere by it.
            "$id" if node == 0 => {}
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

    pub(super) fn elements(&mut self, at: &str, object: &'t Object<'t>, rules: &mut Vec<Rule>) {
        let mut first = Vec::new();
        if let Some(value) = get(object, "prefixItems") {
            let at = below(at, b"prefixItems");
            for (at, value) in self.list(&at, value) {
                first.push(self.node(&at, value));
            }
        }
        let rest = match get(object, "items") {
            Some(Tree::Array(_)) => {
                let message = "must be one schema; a list is `prefixItems` since 2020-12";
                self.refuse(&below(at, b"items"), message);
                None
            }
            items => items.map(|items| self.node(&below(at, b"items"), items)),
        };
        if !first.is_empty() || rest.is_some() {
            rules.push(Rule::Elements { first: first.into(), rest });
        }
        let mut count = |name: &str, default| {
            get(object, name).map_or(default, |value| self.count(&below(at, name.as_bytes()), value))
        };
        let (least, most) = (count("minContains", 1), count("maxContains", u64::MAX));
        if let Some(contains) = get(object, "contains") {
            let node = self.node(&below(at, b"contains"), contains);
            rules.push(Rule::Contains { node, least, most });
        }
    }

    pub(super) fn members(&mut self, at: &str, object: &'t Object<'t>, rules: &mut Vec<Rule>) {
        let mut members = Members::default();
        if let Some(value) = get(object, "properties") {
            for (name, at, value) in self.entries(&below(at, b"properties"), value) {
                members.named.push((name, self.node(&at, value)));
            }
        }
        if let Some(value) = get(object, "patternProperties") {
            for (name, at, value) in self.entries(&below(at, b"patternProperties"), value) {
                let node = self.node(&at, value);
                members.patterned.extend(self.regex(&at, &name).map(|pattern| (pattern, node)));
            }
        }
        let rest = get(object, "additionalProperties");
        members.rest = rest.map(|value| self.node(&below(at, b"additionalProperties"), value));
        if !members.named.is_empty() || !members.patterned.is_empty() || members.rest.is_some() {
            rules.push(Rule::Members(Box::new(members)));
        }
    }

    pub(super) fn branches(&mut self, id: NodeId, at: &str, object: &'t Object<'t>, rules: &mut Vec<Rule>) {
        let [condition, then, otherwise] = ["if", "then", "else"]
            .map(|name| get(object, name).map(|value| self.beside(id, &below(at, name.as_bytes()), value)));
        if let Some(condition) = condition {
            rules.push(Rule::If { condition, then, otherwise });
        }
    }

    fn alternatives(&mut self, keyword: &Keyword<'_, 't>) -> Box<[NodeId]> {
        let all = self.list(keyword.at, keyword.value);
        all.into_iter().map(|(at, value)| self.beside(keyword.node, &at, value)).collect()
    }
}

fn get<'t>(object: &'t Object<'t>, name: &str) -> Option<&'t Tree<'t>> {
    object.get(name.as_bytes())
}
