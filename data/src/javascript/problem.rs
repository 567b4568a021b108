//! What keeps a value from JavaScript's form, and where in `data` it lies.

use crate::{error::Error, limits};

/// A step of the pass: what it read, or what is wrong there. Boxed, since nearly every step succeeds.
pub type Step<T = ()> = Result<T, Box<Problem>>;

/// What is wrong, and its place, learnt from the inside out.
pub struct Problem {
    message: String,
    /// The innermost part first.
    path: Vec<String>,
}

impl Problem {
    pub fn new(message: String) -> Box<Self> {
        Box::new(Self { message, path: Vec::new() })
    }

    pub fn in_element(mut self: Box<Self>, index: usize) -> Box<Self> {
        self.path.push(format!("[{index}]"));
        self
    }

    /// `key` is as JSON spells it between quotes.
    pub fn in_member(mut self: Box<Self>, key: &[u8]) -> Box<Self> {
        let name =
            !key.is_empty() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
        let key = limits::shorten(&String::from_utf8_lossy(key));
        self.path.push(if name { format!(".{key}") } else { format!("[\"{key}\"]") });
        self
    }

    pub fn into_error(self) -> Error {
        let mut field = String::from("data");
        for part in self.path.iter().rev() {
            field.push_str(part);
        }
        Error::field(field, self.message)
    }
}
