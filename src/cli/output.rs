//! What goes to the terminal: tables, objects and JSON. Text of others never reaches it with control characters.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::width::{self, width};

/// Prints one line, and ends the program quietly when nobody reads any more (`casewire … | head`).
pub(super) fn line(text: &str) {
    let mut out = io::stdout().lock();
    printed(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Ends the program if something could not be printed: quietly if nobody reads any more, else as a failure (its disk is
/// full), lest half a list be taken for all of it.
fn printed(written: io::Result<()>) {
    let Err(error) = written else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    complain(&format!("cannot write what was asked for: {error}"));
    std::process::exit(1);
}

/// Prints one line of a program that goes on whether or not anybody reads it.
pub(super) fn announce(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Says on stderr what goes wrong, whether or not anybody reads it.
///
/// Never by `eprintln!`, which panics when stderr cannot be written (its disk is full, its reader gone).
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "error: {text}");
}

/// Prints a value as indented JSON.
pub(super) fn json(value: &Value) {
    line(&format!("{value:#}"));
}

/// Prints bytes as they are, for another program to read; on a terminal, as text that cannot steer it.
pub(super) fn bytes(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let written = if out.is_terminal() {
        let text = String::from_utf8_lossy(bytes);
        text.lines().try_for_each(|line| writeln!(out, "{}", printable(line)))
    } else {
        out.write_all(bytes)
    };
    printed(written.and_then(|()| out.flush()));
}

/// Prints an answer that is all of a list: as it is, or as a table with these fields of each item.
pub(super) fn list(answer: &Value, fields: &[&str], as_json: bool) {
    if as_json {
        return json(answer);
    }
    let row = |item: &Value| fields.iter().map(|name| text(&item[name])).collect();
    let rows: Vec<_> = answer["data"].as_array().into_iter().flatten().map(row).collect();
    table(fields, &rows);
}

/// Prints rows below their headings, columns aligned.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) {
    for row in aligned(headings, rows) {
        line(&row);
    }
}

/// The rows of a table as lines, the headings first.
pub(super) fn aligned(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let rows: Vec<Vec<String>> = std::iter::once(headings.iter().map(|text| (*text).to_owned()).collect())
        .chain(rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()))
        .collect();
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(widest).collect();
    let row = |row: &Vec<String>| {
        let padded = |(cell, most): (&String, &usize)| format!("{cell}{}", " ".repeat(most - width(cell)));
        let cells: Vec<_> = row.iter().zip(&widths).map(padded).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(row).collect()
}

/// Prints an object with a line a field; what is nested stays JSON, what is null is left out.
pub(super) fn object(value: &Value) {
    let Some(fields) = value.as_object() else { return json(value) };
    let width = fields.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        line(&format!("{:<width$}  {}", printable(name), text(value)));
    }
}

/// A value as a cell shows it: strings bare, lists of plain values with commas, nothing for null.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        Value::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_object()) => {
            items.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        other => printable(&other.to_string()),
    }
}

/// Text that cannot steer the terminal, nor turn around what stands beside it.
pub(super) fn printable(text: &str) -> String {
    let steers = |c: char| c.is_control() || width::is_directional(c);
    text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["wh_1".to_owned(), "é".to_owned()], vec!["x".to_owned(), "longer".to_owned()]];
        assert_eq!(aligned(&["id", "name"], &rows), ["id    name", "wh_1  é", "x     longer"]);

        let rows = ["案件", "e\u{301}", "plain"].map(|name| vec![name.to_owned(), "|".to_owned()]);
        let lines = aligned(&["name", ""], &rows);
        assert_eq!(lines, ["name", "案件   |", "e\u{301}      |", "plain  |"]);
    }

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(text(&json!("a\u{1b}[2Jb\n")), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(text(&json!("a\u{202e}b\u{2066}")), "a\u{fffd}b\u{fffd}");
        assert_eq!(text(&json!(["cases.*", 1])), "cases.*, 1");
        assert_eq!(text(&json!({"a": "\u{9b}2J"})), "{\"a\":\"\u{fffd}2J\"}");
    }
}
