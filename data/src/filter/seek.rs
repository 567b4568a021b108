//! JSON as it was written: what is looked for in it is found in one pass, and nothing else of it is read.
//!
//! What is looked at was checked to be JSON when it was published. Were it none, less would be found; nothing else.

use std::borrow::Cow;

use crate::json::{Number, Scan, text};

/// What stands at a place of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(Number),
    /// In UTF-8, but for halves of surrogate pairs.
    Text(Cow<'a, [u8]>),
    /// The elements of an array. What they hold in turn is of no interest.
    Array(Vec<Value<'a>>),
    Object,
}

impl<'a> Value<'a> {
    pub(super) fn of(json: &'a [u8]) -> Self {
        match json {
            [b'[', ..] => Self::Array(Scan { json, at: 0 }.elements().map(Self::element).collect()),
            other => Self::element(other),
        }
    }

    fn element(json: &'a [u8]) -> Self {
        match json {
            [b'n', ..] => Self::Null,
            [b't', ..] => Self::Bool(true),
            [b'f', ..] => Self::Bool(false),
            [b'"', ..] => Self::Text(text(json)),
            [b'[' | b'{', ..] => Self::Object,
            _ => Self::Number(Number::of(str::from_utf8(json).unwrap_or_default())),
        }
    }
}

/// Names on the way to a place: of an object's members, or numbers of an array's elements, from 0.
pub(super) type Names = Box<[Box<[u8]>]>;

/// Places that are looked for, as a tree of the names on the way to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sought {
    /// The number of the place itself, if it is one of them.
    own: Option<usize>,
    /// By name, ascending: the endpoints of a tenant can look for many.
    below: Vec<(Box<[u8]>, Sought)>,
}

impl Sought {
    /// Looks for a place, too. `number` is its number, unless it has one already; which it has is told.
    pub(super) fn insert(&mut self, names: &[Box<[u8]>], number: usize) -> usize {
        let Some((first, rest)) = names.split_first() else { return *self.own.get_or_insert(number) };
        let index = self.place_of(first).unwrap_or_else(|index| {
            self.below.insert(index, (first.clone(), Self::default()));
            index
        });
        self.below[index].1.insert(rest, number)
    }

    /// The number of a place that is looked for.
    pub(super) fn number_of(&self, names: &[Box<[u8]>]) -> Option<usize> {
        names.iter().try_fold(self, |at, name| at.child(name))?.own
    }

    /// Finds all places, by number. Of a name that an object has twice the last counts, as for most who read JSON.
    pub(super) fn find<'a>(&self, json: &'a [u8], found: &mut [Option<&'a [u8]>]) {
        self.find_at(&mut Scan { json, at: 0 }, found);
    }

    fn find_at<'a>(&self, scan: &mut Scan<'a>, found: &mut [Option<&'a [u8]>]) {
        scan.space();
        let start = scan.at;
        match scan.peek() {
            Some(b'{') if !self.below.is_empty() => {
                while let Some(name) = scan.next_name() {
                    match self.child(&text(name)) {
                        Some(child) => {
                            child.forget(found);
                            child.find_at(scan, found);
                        }
                        None => scan.skip(),
                    }
                }
            }
            Some(b'[') if !self.below.is_empty() => {
                let mut index = 0;
                while scan.next_element() {
                    match self.child(itoa::Buffer::new().format(index).as_bytes()) {
                        Some(child) => child.find_at(scan, found),
                        None => scan.skip(),
                    }
                    index += 1;
                }
            }
            _ => scan.skip(),
        }
        if let Some(own) = self.own {
            found[own] = Some(&scan.json[start..scan.at]);
        }
    }

    fn child(&self, name: &[u8]) -> Option<&Self> {
        self.place_of(name).ok().map(|index| &self.below[index].1)
    }

    /// Where it is below this, or would be.
    fn place_of(&self, name: &[u8]) -> Result<usize, usize> {
        self.below.binary_search_by(|(own, _)| (**own).cmp(name))
    }

    fn forget(&self, found: &mut [Option<&[u8]>]) {
        if let Some(own) = self.own {
            found[own] = None;
        }
        self.below.iter().for_each(|(_, child)| child.forget(found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Names {
        path.split('.').map(|name| name.as_bytes().into()).collect()
    }

    fn found(json: &str, paths: &[&str]) -> Vec<Option<String>> {
        let mut sought = Sought::default();
        for (number, path) in paths.iter().enumerate() {
            sought.insert(&names(path), number);
        }
        let mut found = vec![None; paths.len()];
        sought.find(json.as_bytes(), &mut found);
        found.into_iter().map(|it| it.map(|it| String::from_utf8(it.to_vec()).unwrap())).collect()
    }

    #[test]
    fn places_are_found_by_name_and_number_wherever_they_stand() {
        let json = r#" { "x" : [ 1 , {"k":"a,]}\""} , [ ] ] , "y\u0031" :{ } ,"n":{"x":{"k":1e400}} } "#;
        let wanted = ["x.1.k", "x.1", "x.0", "x.2", "x.3", "y1", "n.x.k", "n.k", "k"];
        let expected =
            [r#""a,]}\"""#, r#"{"k":"a,]}\""}"#, "1", "[ ]", "", "{ }", "1e400", "", ""].map(|it| match it {
                "" => None,
                found => Some(found.to_owned()),
            });
        assert_eq!(found(json, &wanted), expected);
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_counts_with_all_that_is_below_it() {
        assert_eq!(found(r#"{"a":{"b":1},"a":{"c":2}}"#, &["a.b", "a.c"]), [None, Some("2".to_owned())]);
        assert_eq!(found(r#"{"a":{"b":1},"a":3}"#, &["a.b", "a"]), [None, Some("3".to_owned())]);
    }

    #[test]
    fn half_of_a_surrogate_pair_hides_nothing() {
        let json = r#"{"\ud800":1,"a":"\udc00x","b":2}"#;
        assert_eq!(found(json, &["b"]), [Some("2".to_owned())]);
        assert_eq!(Value::of(br#""\udc00x""#), Value::Text(Cow::Borrowed(b"\xed\xb0\x80x")));
    }

    #[test]
    fn what_is_no_json_ends_somewhere() {
        let json = r#"{"a":[1,{"b":"c\"d"}],"e":null}"#;
        for end in 0..json.len() {
            found(&json[..end], &["a.1.b", "a.0", "e"]);
            Value::of(&json.as_bytes()[end..]);
        }
    }

    #[test]
    fn an_array_is_its_elements() {
        let text = |text: &'static str| Value::Text(Cow::Borrowed(text.as_bytes()));
        let nested = Value::of(br#"[ "a" ,[1,2], {"b":1}, true,null,1.0]"#);
        let one = Value::Number(Number::of("1"));
        let object = || Value::Object;
        assert_eq!(
            nested,
            Value::Array(vec![text("a"), object(), object(), Value::Bool(true), Value::Null, one])
        );
        assert_eq!(Value::of(b"[ ]"), Value::Array(vec![]));
    }
}
