//! `/openapi.json` says what there is, and what it says is so: of the document itself, of bodies and queries, and over
//! every operation with whatever somebody could send.

mod described;
mod document;
mod hostile;
mod walk;
