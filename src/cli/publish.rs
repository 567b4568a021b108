//! `casewire publish`: one event, or a batch of them, to a running server.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
};

use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Failure, Outcome,
    client::{Client, ServerArgs},
    output, pair,
};

/// What `publish` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  casewire publish cases.created --data '{\"id\":\"C-1\"}' --resource case/C-1 --idempotency-key C-1-created
  echo '{\"id\":\"C-1\"}' | casewire publish cases.created -
  casewire publish --batch-file events.jsonl")]
#[command(group = clap::ArgGroup::new("source").required(true).args(["data", "file", "stdin", "batch_file"]))]
pub(super) struct Args {
    /// What happened, as a dotted name: cases.created.
    #[arg(value_name = "TYPE", required_unless_present = "batch_file", conflicts_with = "batch_file")]
    event_type: Option<String>,
    /// Reads the payload from standard input.
    #[arg(value_name = "-", value_parser = ["-"])]
    stdin: Option<String>,
    /// The payload, any JSON; passed on byte for byte.
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// A file with the payload; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// A file with up to 1,000 whole events: a JSON array, or one event a line. Stored all or none.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["idempotency_key", "occurred_at", "actor", "resource", "agency", "tag"]
    )]
    batch_file: Option<String>,
    /// Publishing again with this key within 24 h stores the event once.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// When it happened, RFC 3339; now if absent.
    #[arg(long, value_name = "TIME")]
    occurred_at: Option<String>,
    /// Who did it: `ui` for a person, `api` for a program, or a word of your own; with an id, ui/42.
    #[arg(long, value_name = "KIND/ID")]
    actor: Option<String>,
    /// What it is about: case/C-1.
    #[arg(long, value_name = "TYPE/ID")]
    resource: Option<String>,
    /// The agency that it belongs to.
    #[arg(long)]
    agency: Option<String>,
    /// A label; repeat it for several.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    tag: Vec<(String, String)>,
    #[command(flatten)]
    server: ServerArgs,
}

/// An event as the HTTP API takes it.
#[derive(Serialize)]
struct EventBody<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agency: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<&'a str, &'a str>,
}

/// Publishes and prints the receipts.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    let client = Client::new(&args.server)?;
    let answer = match &args.batch_file {
        Some(file) => {
            let text = read(file)?;
            client.post("/events/batch", &json_events(&events(file, &text)?)).await?
        }
        None => {
            let text = payload(&args)?;
            client.post("/events", &event(&args, &text)?).await?
        }
    };
    if json {
        output::json(&answer)
    } else {
        print(&answer["data"])
    }
    Ok(())
}

fn event<'a>(args: &'a Args, text: &'a str) -> Result<EventBody<'a>, Failure> {
    let data = serde_json::from_str(text).map_err(|error| {
        Failure::Usage(format!("the payload is not JSON: {error}; quote it for the shell"))
    })?;
    Ok(EventBody {
        event_type: args.event_type.as_deref().unwrap_or_default(),
        data,
        idempotency_key: args.idempotency_key.as_deref(),
        occurred_at: args.occurred_at.as_deref(),
        actor: args.actor.as_deref().map(|actor| match actor.split_once('/') {
            Some((kind, id)) => json!({ "kind": kind, "id": id }),
            None => json!({ "kind": actor }),
        }),
        resource: args.resource.as_deref().map(resource).transpose()?,
        agency: args.agency.as_deref(),
        tags: args.tag.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
    })
}

fn resource(text: &str) -> Result<Value, Failure> {
    let (kind, id) = text.split_once('/').ok_or_else(|| {
        Failure::Usage(format!("--resource: `{text}` is not a resource; write it like case/C-1"))
    })?;
    Ok(json!({ "type": kind, "id": id }))
}

fn payload(args: &Args) -> Result<String, Failure> {
    match (&args.data, &args.file) {
        (Some(data), _) => Ok(data.clone()),
        (None, Some(file)) => read(file),
        (None, None) => read("-"),
    }
}

fn read(file: &str) -> Result<String, Failure> {
    let text = if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    text.map_err(|error| Failure::Usage(format!("cannot read {file}: {error}")))
}

/// Whole events, each as it is written in the file.
fn events<'a>(file: &str, text: &'a str) -> Result<Vec<&'a RawValue>, Failure> {
    let read: Result<Vec<&RawValue>, _> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::Deserializer::from_str(text).into_iter().collect()
    };
    read.map_err(|error| {
        Failure::Usage(format!("{file} is neither a JSON array nor one event a line: {error}"))
    })
}

fn json_events<'a>(events: &'a [&'a RawValue]) -> BTreeMap<&'static str, &'a [&'a RawValue]> {
    BTreeMap::from([("events", events)])
}

fn print(receipts: &Value) {
    let one = [receipts.clone()];
    let rows: Vec<_> = receipts.as_array().map_or(one.as_slice(), Vec::as_slice).iter().map(row).collect();
    output::table(&["id", "type", "deliveries", "duplicate"], &rows);
}

fn row(receipt: &Value) -> Vec<String> {
    let duplicate = if receipt["duplicate"] == json!(true) { "yes" } else { "no" };
    let mut cells: Vec<_> = ["id", "type", "deliveries"].map(|name| output::text(&receipt[name])).into();
    cells.push(duplicate.to_owned());
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_an_array_or_one_event_a_line_each_as_written() {
        for text in ["[{\"a\":1.0}, {\"b\":2}]", "{\"a\":1.0}\n{\"b\":2}\n"] {
            let events = events("f", text).unwrap();
            assert_eq!(
                events.iter().map(|event| event.get()).collect::<Vec<_>>(),
                ["{\"a\":1.0}", "{\"b\":2}"]
            );
        }
        assert!(events("f", "{\"a\":1} nonsense").is_err());
    }
}
