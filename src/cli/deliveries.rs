//! `casewire deliveries`: what became of events, asked of a running server.

use casewire_data::delivery::DeliveryStatus;
use serde_json::{Value, json};

use super::{
    Outcome,
    client::{Client, ServerArgs, segment},
    listing::{self, PageArgs},
    output,
};

/// What `deliveries` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Deliveries, those of the newest event first.
    #[command(after_help = "Examples:
  casewire deliveries list --status dead --since 2026-04-29T00:00:00Z
  casewire deliveries list --endpoint wh_… --json | jq -r '.data[].id'")]
    List(ListArgs),
    /// One delivery with its attempts: how long each step took, in milliseconds, to whom it went, what came of it.
    #[command(
        visible_alias = "show",
        after_help = "Example:
  casewire deliveries get evt_….wh_…"
    )]
    Get {
        /// The delivery, evt_….wh_….
        #[arg(value_name = "DELIVERY_ID")]
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Attempt a delivery again now, whatever its state.
    #[command(after_help = "Examples:
  casewire deliveries retry evt_….wh_…
  casewire deliveries list --status dead --json | jq -r '.data[].id' | xargs -n 1 casewire deliveries retry")]
    Retry {
        /// The delivery, evt_….wh_….
        #[arg(value_name = "DELIVERY_ID")]
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// To this endpoint, wh_….
    #[arg(long, value_name = "ENDPOINT_ID")]
    endpoint: Option<String>,
    /// Of this event, evt_….
    #[arg(long, value_name = "EVENT_ID")]
    event: Option<String>,
    /// The same as --event.
    #[arg(value_name = "EVENT_ID", conflicts_with = "event")]
    event_id: Option<String>,
    /// Of events of this type: cases.created, no pattern.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// That stand so now.
    #[arg(long, value_parser = DeliveryStatus::ALL.map(DeliveryStatus::as_str))]
    status: Option<String>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs one action and prints what the server says.
pub(super) async fn run(args: Args, json: bool) -> Outcome {
    match args.action {
        Action::List(ListArgs { endpoint, event, event_id, event_type, status, page, server }) => {
            let event = event.or(event_id);
            let filters = [
                ("endpoint", endpoint.as_ref()),
                ("event", event.as_ref()),
                ("type", event_type.as_ref()),
                ("status", status.as_ref()),
            ];
            let answer = page.get(&Client::new(&server)?, "/deliveries", &filters).await?;
            let fields = ["id", "type", "status", "attempts", "created_at", "next_attempt_at"];
            listing::print(&answer, &fields, json);
        }
        Action::Get { id, server } => {
            let answer = Client::new(&server)?.get(&format!("/deliveries/{}", segment(&id))).await?;
            if json { output::json(&answer) } else { delivery(&answer["data"]) }
        }
        Action::Retry { id, server } => {
            let path = format!("/deliveries/{}/retry", segment(&id));
            let answer = Client::new(&server)?.post(&path, &json!({})).await?;
            if json {
                output::json(&answer)
            } else {
                output::line(&format!("{} is attempted again", output::printable(&id)))
            }
        }
    }
    Ok(())
}

/// The delivery a line a field, then a table of its attempts, then what the last of them was answered, if the token may
/// see that. What the others were is for `--json`.
fn delivery(delivery: &Value) {
    let mut fields = delivery.clone();
    let attempts =
        fields.as_object_mut().and_then(|fields| fields.shift_remove("attempts")).unwrap_or_default();
    output::object(&fields);
    let rows: Vec<_> = attempts.as_array().into_iter().flatten().map(attempt).collect();
    if !rows.is_empty() {
        output::line("");
        let steps = ["ms", "dns", "connect", "tls", "first_byte"];
        output::table(&[&["attempt", "started_at"], &steps[..], &["address", "outcome"]].concat(), &rows);
    }
    attempts
        .as_array()
        .and_then(|all| all.last())
        .into_iter()
        .flat_map(answer)
        .for_each(|it| output::line(&it));
}

/// What an attempt was answered: headers, then the body, line by line.
fn answer(attempt: &Value) -> Vec<String> {
    let response = &attempt["response"];
    let headers = response["headers"].as_object().into_iter().flatten();
    let headers: Vec<_> = headers
        .map(|(name, value)| format!("  {}: {}", output::printable(name), output::text(value)))
        .collect();
    let body = response["body"].as_str().into_iter().flat_map(str::lines);
    let body: Vec<_> = body.map(|line| format!("  {}", output::printable(line))).collect();
    if headers.is_empty() && body.is_empty() {
        return Vec::new();
    }
    let title = format!("answer to attempt {}", output::text(&attempt["number"]));
    let between = (!headers.is_empty() && !body.is_empty()).then(String::new);
    [String::new(), title].into_iter().chain(headers).chain(between).chain(body).collect()
}

fn attempt(attempt: &Value) -> Vec<String> {
    let mut cells: Vec<_> = ["number", "started_at"].map(|name| output::text(&attempt[name])).into();
    let steps = ["total_ms", "dns_ms", "connect_ms", "tls_ms", "first_byte_ms"];
    cells.extend(steps.map(|name| output::text(&attempt["timing"][name])));
    cells.push(output::text(&attempt["remote_address"]));
    cells.push(match &attempt["error"] {
        Value::Null if attempt["erased"] == true => {
            format!("{}, answer erased", output::text(&attempt["status_code"]))
        }
        Value::Null => output::text(&attempt["status_code"]),
        error => format!("{}: {}", output::text(&error["class"]), output::text(&error["message"])),
    });
    cells
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_event_of_a_list_may_stand_by_itself() {
        let event = |line: &[&str]| {
            let parsed = Line::try_parse_from([&["casewire", "list"], line].concat());
            let Action::List(list) = parsed.ok()?.args.action else { return None };
            Some(list.event.or(list.event_id))
        };
        assert_eq!(event(&["evt_1"]), Some(Some("evt_1".to_owned())));
        assert_eq!(event(&["--event", "evt_1", "--status", "dead"]), Some(Some("evt_1".to_owned())));
        assert_eq!(event(&[]), Some(None));
        assert_eq!(event(&["evt_1", "--event", "evt_2"]), None, "which of them?");
    }

    #[test]
    fn an_attempt_is_a_row_with_its_steps_and_what_came_of_it() {
        let answered = json!({
            "number": 1, "started_at": "2026-04-29T09:10:00Z", "duration_ms": 12, "status_code": 204,
            "remote_address": "203.0.113.7:443",
            "timing": {"dns_ms": 1.5, "connect_ms": 2.0, "tls_ms": 4.25, "first_byte_ms": 3.0, "total_ms": 12.125},
        });
        let steps = ["12.125", "1.5", "2.0", "4.25", "3.0", "203.0.113.7:443"];
        let row = [&["1", "2026-04-29T09:10:00Z"], &steps[..], &["204"]].concat();
        assert_eq!(attempt(&answered), row);
        let mut erased = answered;
        erased["erased"] = true.into();
        assert_eq!(attempt(&erased).last().unwrap(), "204, answer erased");
        let failed = json!({
            "number": 2, "started_at": "2026-04-29T09:15:00Z", "duration_ms": 0, "timing": {"total_ms": 0.1},
            "error": {"class": "connect", "message": "connection refused"},
        });
        let row = ["2", "2026-04-29T09:15:00Z", "0.1", "", "", "", "", "", "connect: connection refused"];
        assert_eq!(attempt(&failed), row);
    }

    #[test]
    fn what_an_attempt_was_answered_is_shown_line_by_line_and_cannot_steer_the_terminal() {
        let answered = json!({
            "number": 3, "response": {"headers": {"content-type": "text/plain"}, "body": "no\r\nsuch \u{1b}[2J\tcase"},
        });
        let shown = [
            "",
            "answer to attempt 3",
            "  content-type: text/plain",
            "",
            "  no",
            "  such \u{fffd}[2J\u{fffd}case",
        ];
        assert_eq!(answer(&answered), shown);
        assert!(answer(&json!({"number": 1, "error": {"class": "dns", "message": "x"}})).is_empty());
        assert!(answer(&json!({"number": 1, "response": {"headers": {}, "body": ""}})).is_empty());
    }
}
