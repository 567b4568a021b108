//! Reads what `strace -f -y -xx` wrote.

use std::{collections::HashMap, path::Path};

/// One system call that did not fail, with the lines on which it began and ended.
pub struct Call {
    began: usize,
    ended: usize,
    name: String,
    arguments: String,
    /// What it returned, as it was printed.
    result: String,
}

/// What happened to the disk, or was told to the outside, in order.
#[derive(Debug)]
pub enum Step {
    /// A file was opened, and created if it was not there.
    Opened {
        path: String,
        descriptor: String,
        create: bool,
        truncate: bool,
        append: bool,
    },
    /// Bytes were handed to the operating system; without an offset, at the descriptor's own.
    Wrote {
        path: String,
        descriptor: String,
        offset: Option<u64>,
        bytes: Vec<u8>,
    },
    Resized {
        path: String,
        bytes: u64,
    },
    MadeDirectory {
        path: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    Removed {
        path: String,
    },
    /// All that was written before is to be on disk when the sync of this number has ended.
    SyncBegan {
        number: usize,
        path: String,
    },
    SyncEnded {
        number: usize,
    },
    /// A client was answered that these were made.
    Acknowledged {
        ids: Vec<String>,
    },
}

/// The calls of one trace, in the order of their first lines. Calls that failed are left out.
pub fn calls(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, Call> = HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let (thread, line) = line.split_once(' ').expect("a line begins with its thread");
        let line = line.trim_start();
        if let Some((_, rest)) = line.strip_prefix("<... ").and_then(|line| line.split_once(" resumed>")) {
            let mut call = open.remove(thread).expect("what is resumed was begun");
            call.arguments.push_str(rest);
            call.ended = number;
            calls.extend(ended(call));
        } else if let Some((name, arguments)) = line.split_once('(') {
            let unfinished = arguments.strip_suffix(" <unfinished ...>");
            let arguments = unfinished.unwrap_or(arguments).to_owned();
            let call = Call {
                began: number,
                ended: number,
                name: name.to_owned(),
                arguments,
                result: String::new(),
            };
            match unfinished {
                Some(_) => drop(open.insert(thread, call)),
                None => calls.extend(ended(call)),
            }
        }
    }
    // A kill came between: whether these were carried out, only others can tell.
    calls.extend(open.into_values().map(|call| Call { result: UNKNOWN.to_owned(), ..call }));
    calls.sort_by_key(|call| call.began);
    calls
}

/// What `strace` prints as the result of a call that a kill cut short.
const UNKNOWN: &str = "?";

/// The call with its result taken from what was printed behind its arguments; `None` if it failed.
fn ended(mut call: Call) -> Option<Call> {
    let (arguments, result) = call.arguments.rsplit_once(" = ")?;
    if result.starts_with('-') {
        return None;
    }
    (call.result, call.arguments) =
        (result.to_owned(), arguments.trim_end().trim_end_matches(')').to_owned());
    Some(call)
}

/// What the calls mean for the files below `dir`. Whatever could change them in a way unknown here fails the test.
pub fn steps(calls: &[Call], dir: &Path) -> Vec<Step> {
    let dir = format!("{}/", dir.display());
    // Runs follow each other, so a later one's line numbers begin again: the place in the list orders them.
    let mut timed: Vec<((usize, usize), Step)> = Vec::new();
    let mut run = 0;
    let mut last = 0;
    for (number, call) in calls.iter().enumerate() {
        run += usize::from(call.began < last);
        last = call.began;
        let (began, ended) = ((run, call.began), (run, call.ended));
        match call.name.as_str() {
            "fsync" | "fdatasync" if call.result.starts_with(UNKNOWN) => {}
            "fsync" | "fdatasync" => {
                if let Some(path) = call.descriptor().and_then(|(_, path)| below(&dir, &path)) {
                    timed.push((began, Step::SyncBegan { number, path }));
                    timed.push((ended, Step::SyncEnded { number }));
                }
            }
            "write" | "writev" | "sendto" | "sendmsg" if !call.concerns(&dir) => {
                timed.extend(call.acknowledged().map(|ids| (began, Step::Acknowledged { ids })));
            }
            // Unknown to the system itself, so nothing was built on it.
            _ if call.result.starts_with(UNKNOWN) => {}
            _ => timed.extend(call.step(&dir).map(|step| (ended, step))),
        }
    }
    timed.sort_by_key(|(time, _)| *time);
    timed.into_iter().map(|(_, step)| step).collect()
}

fn below(dir: &str, path: &str) -> Option<String> {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    format!("{path}/").strip_prefix(dir).map(|rest| rest.trim_end_matches('/').to_owned())
}

impl Call {
    fn step(&self, dir: &str) -> Option<Step> {
        let descriptor = || self.descriptor().and_then(|(number, path)| Some((number, below(dir, &path)?)));
        let paths = || {
            strings(&self.arguments).into_iter().filter_map(|path| below(dir, &String::from_utf8(path).ok()?))
        };
        match self.name.as_str() {
            "open" | "openat" | "creat" => {
                let path = paths().next()?;
                let has = |flag: &str| self.arguments.contains(flag);
                let create = has("O_CREAT") || self.name == "creat";
                let number = self.result.split('<').next()?.to_owned();
                let (truncate, append) = (has("O_TRUNC") || self.name == "creat", has("O_APPEND"));
                Some(Step::Opened { path, descriptor: number, create, truncate, append })
            }
            "write" => {
                let (descriptor, path) = descriptor()?;
                Some(Step::Wrote { path, descriptor, offset: None, bytes: self.written() })
            }
            "pwrite64" => {
                let (descriptor, path) = descriptor()?;
                let offset = self.last_number();
                Some(Step::Wrote { path, descriptor, offset: Some(offset), bytes: self.written() })
            }
            "ftruncate" => Some(Step::Resized { path: descriptor()?.1, bytes: self.last_number() }),
            "mkdir" | "mkdirat" => Some(Step::MadeDirectory { path: paths().next()? }),
            "rename" | "renameat" | "renameat2" => {
                let mut paths = paths();
                Some(Step::Renamed {
                    from: paths.next()?,
                    to: paths.next().expect("renamed within the directory"),
                })
            }
            "unlink" | "unlinkat" | "rmdir" => Some(Step::Removed { path: paths().next()? }),
            "mmap" if !self.arguments.contains("MAP_SHARED") || !self.arguments.contains("PROT_WRITE") => {
                None
            }
            // Seeks that only ask, and those of other files, change nothing.
            "lseek" if self.arguments.ends_with("0, SEEK_CUR") || self.arguments.contains("SEEK_END") => None,
            other => {
                assert!(!self.concerns(dir), "this test does not know what {other} does: {}", self.arguments);
                None
            }
        }
    }

    /// The first argument, a descriptor with its path: `5</path>`.
    fn descriptor(&self) -> Option<(String, String)> {
        let (number, rest) = self.arguments.split_once('<')?;
        let path = String::from_utf8(unescape(rest.split_once('>')?.0)).ok()?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| (number.to_owned(), path))
    }

    fn concerns(&self, dir: &str) -> bool {
        let named = || strings(&self.arguments).into_iter().filter_map(|path| String::from_utf8(path).ok());
        let described = self.descriptor().is_some_and(|(_, path)| below(dir, &path).is_some());
        let data = ["write", "writev", "sendto", "sendmsg"].contains(&self.name.as_str());
        described || !data && named().any(|path| below(dir, &path).is_some())
    }

    /// The bytes that were taken, which may be fewer than were given.
    fn written(&self) -> Vec<u8> {
        let mut bytes = strings(&self.arguments).concat();
        let taken: usize = self.result.parse().expect("a count of bytes");
        assert!(taken <= bytes.len(), "the trace was cut short");
        bytes.truncate(taken);
        bytes
    }

    fn last_number(&self) -> u64 {
        self.arguments.rsplit(", ").next().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// The ids in an answer that something was made.
    fn acknowledged(&self) -> Option<Vec<String>> {
        let text = String::from_utf8(strings(&self.arguments).concat()).ok()?;
        let made = ["HTTP/1.1 201", "HTTP/1.1 202"].iter().any(|status| text.starts_with(status));
        let ids = text.split('"').filter(|part| part.starts_with("evt_") || part.starts_with("wh_"));
        made.then(|| ids.map(str::to_owned).collect())
    }
}

/// All quoted strings, unescaped.
fn strings(arguments: &str) -> Vec<Vec<u8>> {
    let quoted = arguments.split('"').skip(1).step_by(2);
    quoted.map(unescape).collect()
}

/// `\x41\x42` as bytes.
fn unescape(text: &str) -> Vec<u8> {
    let digits = |pair: &str| u8::from_str_radix(pair, 16).expect("two hexadecimal digits");
    text.split("\\x").skip(1).map(digits).collect()
}
