//! W3C Trace Context (<https://www.w3.org/TR/trace-context-2/>): what lets a receiver's work show in the trace of
//! whoever published.
//!
//! An event carries it in two of its tags, [`TRACEPARENT`] and [`TRACESTATE`]. It is passed on as it came: Casewire
//! begins no trace of its own. What is malformed is passed over and not refused, as the specification asks.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{event::NewEvent, limits};

/// The tag, and the header, that names the trace and the caller's place in it.
pub const TRACEPARENT: &str = "traceparent";
/// The tag, and the header, for what tracing systems have to add; it means nothing without the other one.
pub const TRACESTATE: &str = "tracestate";

/// Bytes of a `traceparent` of the version that there is.
const TRACEPARENT_BYTES: usize = 55;
/// Members of one `tracestate`.
const MEMBERS_MAX: usize = 32;
/// Bytes from which on a member is the first to go when they do not all fit.
const LARGE_MEMBER_BYTES: usize = 128;

/// A well-formed trace context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext<'a> {
    /// Trace, caller and flags.
    pub parent: &'a str,
    /// What tracing systems add.
    pub state: Option<Cow<'a, str>>,
}

impl<'a> TraceContext<'a> {
    /// What an event with these tags carries.
    pub fn of(tags: &'a BTreeMap<String, String>) -> Option<Self> {
        let parent = tags.get(TRACEPARENT).filter(|text| is_traceparent(text))?;
        let state = tags.get(TRACESTATE).filter(|text| is_tracestate(text));
        Some(Self { parent, state: state.map(|state| state.as_str().into()) })
    }

    /// What a request with these headers carries: none if `traceparent` came more than once. Several headers
    /// `tracestate` are one list; of one that is longer than a tag can be, members are dropped.
    pub fn of_headers(
        mut parents: impl Iterator<Item = &'a str>,
        states: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let parent = parents.next().filter(|text| is_traceparent(text))?;
        if parents.next().is_some() {
            return None;
        }
        let state = states.collect::<Vec<_>>().join(",");
        let state = (!state.is_empty() && is_tracestate(&state)).then(|| shortened(&state).into());
        Some(Self { parent, state })
    }

    /// Has an event carry it, unless the event brings one of its own or has no room for two more tags.
    pub fn put_into(&self, event: &mut NewEvent) {
        if event.tags.contains_key(TRACEPARENT) || event.tags.len() + 2 > limits::TAGS_MAX {
            return;
        }
        event.tags.insert(TRACEPARENT.to_owned(), self.parent.to_owned());
        if let Some(state) = &self.state {
            event.tags.insert(TRACESTATE.to_owned(), state.clone().into_owned());
        }
    }
}

/// Whether a tag holds a trace context: it says how an event came to be published, and nothing of the event.
pub fn is_trace_tag(name: &str) -> bool {
    name == TRACEPARENT || name == TRACESTATE
}

/// Version, trace, caller and flags in small hex digits; neither trace nor caller is all zeros. A later version may go
/// on behind a hyphen; ff is none.
fn is_traceparent(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < TRACEPARENT_BYTES || bytes.len() > limits::LABEL_BYTES_MAX {
        return false;
    }
    let (known, rest) = bytes.split_at(TRACEPARENT_BYTES);
    let is_formed = known.iter().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    });
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let may_go_on = match &known[..2] {
        b"00" => rest.is_empty(),
        b"ff" => false,
        _ => rest.is_empty() || (rest[0] == b'-' && rest.iter().all(u8::is_ascii_graphic)),
    };
    is_formed && may_go_on && !is_zero(&known[3..35]) && !is_zero(&known[36..52])
}

/// Up to 32 members `key=value`, with commas in between; a member may be empty.
fn is_tracestate(text: &str) -> bool {
    let is_key_byte = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let is_key = |key: &str| {
        (1..=256).contains(&key.len())
            && key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && key.bytes().all(is_key_byte)
    };
    let is_value = |value: &str| {
        (1..=256).contains(&value.len())
            && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
    };
    let is_member = |member: &str| {
        member.is_empty() || member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value))
    };
    let members = members(text);
    members.clone().all(is_member) && members.filter(|member| !member.is_empty()).count() <= MEMBERS_MAX
}

/// As many members as fit into a tag: large ones go first, then the last ones.
fn shortened(state: &str) -> String {
    let mut kept: Vec<_> = members(state).filter(|member| !member.is_empty()).collect();
    loop {
        let joined = kept.join(",");
        if joined.len() <= limits::TRACESTATE_BYTES_MAX {
            return joined;
        }
        let large = kept.iter().rposition(|member| member.len() > LARGE_MEMBER_BYTES);
        kept.remove(large.unwrap_or(kept.len() - 1));
    }
}

fn members(state: &str) -> impl Iterator<Item = &str> + Clone {
    state.split(',').map(|member| member.trim_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_as_the_specification_says() {
        let later = format!("cc{}-what.comes", &PARENT[2..]);
        for good in [PARENT, &later, &format!("01{}", &PARENT[2..])] {
            assert!(is_traceparent(good), "{good}");
        }
        for bad in [
            "",
            &PARENT[..54],
            &PARENT.to_uppercase(),
            &format!("{PARENT}-"),
            &format!("{PARENT}0"),
            &format!("ff{}", &PARENT[2..]),
            &format!("cc{}x", &PARENT[2..]),
            &format!("cc{}-a b", &PARENT[2..]),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }

    #[test]
    fn a_tracestate_is_a_list_of_up_to_32_members() {
        let list = |members: usize| (0..members).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        for good in ["a=1", "congo=t61rcWkgMzE, rojo=00f0 67a", "a=1,,b=2", "t0@sys/a*=~", "", &list(32)] {
            assert!(is_tracestate(good), "{good}");
        }
        for bad in ["a", "=1", "a=", "A=1", "a=1=2", "a=é", "-a=1", "a=\r\nb: c", &list(33)] {
            assert!(!is_tracestate(bad), "{bad}");
        }
    }

    #[test]
    fn headers_are_one_parent_and_a_list_of_states() {
        let of = |parents: &[&'static str], states: &[&'static str]| {
            let context = TraceContext::of_headers(parents.iter().copied(), states.iter().copied());
            context.map(|context| (context.parent.to_owned(), context.state.map(Cow::into_owned)))
        };
        assert_eq!(of(&[PARENT], &["a=1", "b=2"]), Some((PARENT.into(), Some("a=1,b=2".into()))));
        assert_eq!(of(&[PARENT], &["nonsense"]), Some((PARENT.into(), None)));
        assert_eq!(of(&[PARENT], &[]), Some((PARENT.into(), None)));
        for parents in [&[][..], &["nonsense"], &[PARENT, PARENT]] {
            assert_eq!(of(parents, &["a=1"]), None, "{parents:?}");
        }
    }

    #[test]
    fn of_a_long_state_the_large_members_go_first_and_then_the_last() {
        let large = format!("large={}", "x".repeat(200));
        let small = |n: usize| format!("s{n}={}", "x".repeat(96));
        let state = [small(1), large, small(2), small(3), small(4), small(5), small(6)].join(",");
        let kept = shortened(&state);
        assert_eq!(kept, [small(1), small(2), small(3), small(4), small(5)].join(","));
        assert!(kept.len() <= limits::TRACESTATE_BYTES_MAX);
    }

    #[test]
    fn an_event_keeps_the_context_that_it_brings() {
        let theirs = TraceContext { parent: PARENT, state: Some("a=1".into()) };
        let mut event = NewEvent::new("a.b", "{}").unwrap();
        event.tags.insert(TRACEPARENT.into(), "its own".into());
        theirs.put_into(&mut event);
        assert_eq!((event.tags[TRACEPARENT].as_str(), event.tags.len()), ("its own", 1));
        assert_eq!(TraceContext::of(&event.tags), None, "and what is malformed is passed over");

        let mut event = NewEvent::new("a.b", "{}").unwrap();
        theirs.put_into(&mut event);
        assert_eq!(TraceContext::of(&event.tags), Some(theirs.clone()));

        let mut full = NewEvent::new("a.b", "{}").unwrap();
        full.tags = (0..limits::TAGS_MAX - 1).map(|n| (n.to_string(), "x".into())).collect();
        theirs.put_into(&mut full);
        full.check().unwrap();
    }

    proptest! {
        #[test]
        fn whatever_is_passed_on_is_one_line_and_fits_a_tag(parent: String, state: String) {
            if let Some(context) = TraceContext::of_headers([&*parent].into_iter(), [&*state].into_iter()) {
                prop_assert!(context.parent.bytes().all(|byte| byte.is_ascii_graphic()));
                let state = context.state.unwrap_or_default();
                prop_assert!(state.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
        }

        #[test]
        fn a_well_formed_state_stays_so_when_it_is_shortened(
            members in proptest::collection::vec(("[a-z][a-z0-9_*/@-]{0,30}", "[!-+.-<>-~]{1,200}"), 1..32)
        ) {
            let state = members.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
            prop_assert!(is_tracestate(&state));
            let short = shortened(&state);
            prop_assert!(is_tracestate(&short) && short.len() <= limits::TRACESTATE_BYTES_MAX);
        }
    }
}
