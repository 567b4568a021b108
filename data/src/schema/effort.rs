//! How much is looked at to hold values against schemas. Schemas can be written that take longer than anybody waits.

/// Steps for one value: nodes, elements, members and pieces of texts. A tenth of a second or two at worst.
const STEPS_PER_VALUE_MAX: usize = 2_000_000;
/// Steps for all values of one request.
const STEPS_MAX: usize = 4_000_000;

/// What all values of one request may take together.
#[derive(Debug)]
pub struct Effort {
    steps_left: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { steps_left: STEPS_MAX }
    }
}

impl Effort {
    /// How many steps the next value may take.
    pub(super) fn for_one(&self) -> usize {
        self.steps_left.min(STEPS_PER_VALUE_MAX)
    }

    /// Takes off what a value took.
    pub(super) fn spend(&mut self, steps: usize) {
        self.steps_left = self.steps_left.saturating_sub(steps);
    }

    /// What to do about a value that took too much.
    pub(super) fn advice(&self) -> &'static str {
        if self.for_one() < STEPS_PER_VALUE_MAX {
            "is not held against its schema any more, as what was sent with it takes too long already; send fewer at once"
        } else {
            "takes too long to hold against its schema; make the schema simpler, or the value smaller"
        }
    }
}
