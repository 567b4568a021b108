//! A disk that keeps what it was told to sync, and of the rest whatever is worst.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs,
    path::Path,
};

use super::trace::Step;
use crate::binary::Dice;

/// What a disk writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What becomes of writes that were not synced.
pub enum Loss<'a> {
    /// None of them reached the disk.
    Unsynced,
    /// Some did: sector by sector and name by name, as chance has it.
    Torn(&'a mut Dice),
}

#[derive(Default)]
pub struct Disk {
    files: Vec<File>,
    /// What the running system sees.
    names: Names,
    /// What was synced of it, directory by directory.
    synced_names: Names,
    descriptors: HashMap<String, usize>,
    syncs: HashMap<usize, Sync>,
}

type Names = BTreeMap<String, Node>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    File(usize),
}

enum Sync {
    File { file: usize, through: usize },
    Directory { path: String, names: Names },
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    /// Changes that are in `synced` by now.
    applied: usize,
    waiting: VecDeque<Change>,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Disk {
    /// Carries out one step of the trace.
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Opened { path, descriptor, create, truncate, append } => {
                self.open(path, descriptor, (*create, *truncate, *append));
            }
            Step::Wrote { path, descriptor, offset, bytes } => self.write(path, descriptor, *offset, bytes),
            Step::Resized { path, bytes } => {
                let bytes = usize::try_from(*bytes).unwrap();
                // A file without a name can't come back.
                if let Some(file) = self.file(path) {
                    self.files[file].waiting.push_back(Change::Resize(bytes));
                }
            }
            Step::MadeDirectory { path } => {
                self.names.insert(path.clone(), Node::Directory);
            }
            Step::Renamed { from, to } => {
                let node = self.names.remove(from).expect("what is renamed is there");
                assert!(node != Node::Directory, "no directory is renamed here");
                self.names.insert(to.clone(), node);
            }
            Step::Removed { path } => {
                self.names.remove(path);
            }
            Step::SyncBegan { number, path } => self.begin_sync(*number, path),
            Step::SyncEnded { number } => self.end_sync(*number),
            Step::Acknowledged { .. } => {}
        }
    }

    fn file(&self, path: &str) -> Option<usize> {
        match self.names.get(path) {
            Some(Node::File(file)) => Some(*file),
            _ => None,
        }
    }

    fn open(&mut self, path: &str, descriptor: &str, (create, truncate, append): (bool, bool, bool)) {
        if path.is_empty() || self.names.get(path) == Some(&Node::Directory) {
            return;
        }
        let file = match self.file(path) {
            Some(file) => file,
            None => {
                assert!(create, "{path} was opened but never created");
                self.files.push(File::default());
                self.names.insert(path.to_owned(), Node::File(self.files.len() - 1));
                self.files.len() - 1
            }
        };
        if truncate {
            self.files[file].waiting.push_back(Change::Resize(0));
        }
        let offset = if append { self.files[file].now().len() } else { 0 };
        self.descriptors.insert(descriptor.to_owned(), offset);
    }

    fn write(&mut self, path: &str, descriptor: &str, offset: Option<u64>, bytes: &[u8]) {
        let offset = match offset {
            Some(offset) => usize::try_from(offset).unwrap(),
            None => {
                let own = self.descriptors.get_mut(descriptor).expect("a descriptor was opened");
                *own += bytes.len();
                *own - bytes.len()
            }
        };
        if let Some(file) = self.file(path) {
            self.files[file].waiting.push_back(Change::Write { offset, bytes: bytes.to_vec() });
        }
    }

    /// Notes what the sync covers: what is written while it runs is not promised to be in it.
    fn begin_sync(&mut self, number: usize, path: &str) {
        let sync = match self.file(path) {
            Some(file) => {
                Sync::File { file, through: self.files[file].applied + self.files[file].waiting.len() }
            }
            None => {
                let inside = |name: &str| parent(name) == path;
                let names = self.names.iter().filter(|(name, _)| inside(name));
                Sync::Directory {
                    path: path.to_owned(),
                    names: names.map(|(name, node)| (name.clone(), *node)).collect(),
                }
            }
        };
        self.syncs.insert(number, sync);
    }

    fn end_sync(&mut self, number: usize) {
        match self.syncs.remove(&number).expect("a sync that ends has begun") {
            Sync::File { file, through } => self.files[file].settle(through),
            Sync::Directory { path, names } => {
                self.synced_names.retain(|name, _| parent(name) != path);
                self.synced_names.extend(names);
            }
        }
    }

    /// Writes out what a loss of power at this moment leaves.
    pub fn write_to(&self, dir: &Path, mut loss: Loss<'_>) {
        for (name, node) in self.names_after(&mut loss) {
            let path = dir.join(&name);
            // The name of a file is lost with that of its directory.
            if !path.parent().is_some_and(Path::is_dir) {
                continue;
            }
            match node {
                Node::Directory => fs::create_dir(path).unwrap(),
                Node::File(file) => fs::write(path, self.files[file].after(&mut loss)).unwrap(),
            }
        }
    }

    /// Directories come before what is in them.
    fn names_after(&self, loss: &mut Loss<'_>) -> Names {
        let mut names = self.synced_names.clone();
        if let Loss::Torn(dice) = loss {
            for (name, node) in &self.names {
                if names.get(name) != Some(node) && dice.below(2) == 0 {
                    names.insert(name.clone(), *node);
                }
            }
        }
        names
    }
}

impl File {
    /// Its content as the running system sees it.
    fn now(&self) -> Vec<u8> {
        let mut content = self.synced.clone();
        self.waiting.iter().for_each(|change| change.apply(&mut content));
        content
    }

    /// Takes changes up to a number into what is synced.
    fn settle(&mut self, through: usize) {
        while self.applied < through {
            let change = self.waiting.pop_front().expect("a change that was counted is there");
            change.apply(&mut self.synced);
            self.applied += 1;
        }
    }

    fn after(&self, loss: &mut Loss<'_>) -> Vec<u8> {
        let Loss::Torn(dice) = loss else { return self.synced.clone() };
        let now = self.now();
        let mut content = self.synced.clone();
        // The length is of the file's own record, so it may be ahead of the content: then there are zeros.
        if dice.below(2) == 0 {
            content.resize(now.len(), 0);
        }
        for (sector, kept) in content.chunks_mut(SECTOR_BYTES).enumerate() {
            let new = &now[now.len().min(sector * SECTOR_BYTES)..];
            if dice.below(2) == 0 {
                let length = kept.len().min(new.len());
                kept[..length].copy_from_slice(&new[..length]);
            }
        }
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Resize(length) => content.resize(*length, 0),
        }
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}
