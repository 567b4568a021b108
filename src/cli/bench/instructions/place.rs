//! Where a function belongs: the crate whose name it bears, or the room of it if it is one of our own.

/// Where SHA-256 is computed.
pub(super) const SHA_256: &str = "sha2";

/// Crates whose functions are about what others bring: such a function belongs to the first other crate that its name
/// tells.
const GENERIC: [&str; 4] = ["core", "std", "alloc", "hashbrown"];
/// Crates of which it is told which module a function is in.
const IN_DETAIL: [&str; 6] = ["casewire", "casewire_actors", "casewire_data", "core", "std", "alloc"];
/// What C functions are called that a compiler puts in, whatever else is in their names.
const OF_C: [&str; 4] = ["memcpy", "memmove", "memset", "memcmp"];

/// The place of a function, as callgrind writes its name.
pub(super) fn place(function: &str) -> String {
    let mut paths = paths(function).peekable();
    let Some(first) = paths.peek().copied() else { return place_in_c(function).to_owned() };
    let path = paths.find(|path| !GENERIC.contains(&root(path))).unwrap_or(first);
    match (root(path), path.split("::").nth(1)) {
        (root, Some(module)) if IN_DETAIL.contains(&root) => format!("{root}::{module}"),
        (root, _) => root.to_owned(),
    }
}

/// Of a name without a path: C knows no crates.
fn place_in_c(function: &str) -> &'static str {
    if function.trim_start_matches('_').starts_with("mi_") {
        return "mimalloc";
    }
    OF_C.into_iter().find(|name| function.contains(name)).unwrap_or("the C library's and others")
}

fn root(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

/// The paths in a function's name, from left to right: `a::b` and `c::d` of `<a::b as c::d>::e`.
fn paths(function: &str) -> impl Iterator<Item = &str> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
    let parts = function.split(move |character| !is_part(character));
    parts.filter(|part| part.contains("::") && !part.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_belongs_to_the_crate_that_it_works_for() {
        for (function, expected) in [
            (&*format!("{SHA_256}::sha256::soft::compress"), SHA_256),
            ("casewire_actors::mailbox::Mailbox::fill", "casewire_actors::mailbox"),
            (
                "<casewire_actors::shard::Shard as actix::handler::Handler<M>>::handle",
                "casewire_actors::shard",
            ),
            ("core::ptr::drop_in_place<casewire_data::event::Event>", "casewire_data::event"),
            ("<alloc::vec::Vec<T> as core::clone::Clone>::clone", "alloc::vec"),
            ("tokio::runtime::task::raw::poll<casewire_actors::mailbox::Work>", "tokio"),
            ("_mi_page_malloc", "mimalloc"),
            ("__memcpy_avx_unaligned_erms", "memcpy"),
            ("pthread_mutex_lock", "the C library's and others"),
        ] {
            assert_eq!(place(function), expected, "{function}");
        }
    }
}
