//! What goes to the terminal: tables, objects and JSON. Text of others never reaches it with control characters.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

/// Prints one line, and ends the program quietly when nobody reads any more (`casewire … | head`).
pub(super) fn line(text: &str) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
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
    if written.and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints an answer that is a list: as it is, or as a table with these fields of each item.
pub(super) fn list(answer: &Value, fields: &[&str], as_json: bool) {
    if as_json {
        return json(answer);
    }
    let row = |item: &Value| fields.iter().map(|name| text(&item[name])).collect();
    let rows: Vec<_> = answer["data"].as_array().into_iter().flatten().map(row).collect();
    table(fields, &rows);
    if answer["next_cursor"].is_string() {
        line("(there are more)");
    }
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
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let row = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
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

/// Text that cannot steer the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["wh_1".to_owned(), "é".to_owned()], vec!["x".to_owned(), "longer".to_owned()]];
        assert_eq!(aligned(&["id", "name"], &rows), ["id    name", "wh_1  é", "x     longer"]);
    }

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(text(&json!("a\u{1b}[2Jb\n")), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(text(&json!(["cases.*", 1])), "cases.*, 1");
        assert_eq!(text(&json!({"a": "\u{9b}2J"})), "{\"a\":\"\u{fffd}2J\"}");
    }
}
