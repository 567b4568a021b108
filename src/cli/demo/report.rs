//! What the demo says before and after: who takes part, what the judge found, how to go on.

use serde_json::{Value, json};

use super::{cast::Player, check::Verdict, stage::Stage};
use crate::cli::output;

/// Says what is about to happen.
pub(super) fn open(stages: &[Stage]) {
    let receivers: usize = stages.iter().map(|stage| stage.players.len()).sum();
    let events: usize = stages.iter().map(Stage::events_waiting).sum();
    output::line(&format!(
        "{receivers} receivers on loopback, as customers have them of {}.\nPublishing {events} events.\n",
        systems(stages)
    ));
}

/// Says what came of it, and answers whether all is well.
pub(super) fn close(stages: &[Stage], verdicts: &[Vec<Verdict>], json: bool) -> bool {
    let passed = verdicts.iter().flatten().all(Verdict::passed);
    if json {
        output::json(&as_json(stages, verdicts, passed));
    } else {
        print(stages, verdicts, passed);
    }
    passed
}

/// Every receiver with its system and its verdict.
fn judged<'s>(
    stages: &'s [Stage],
    verdicts: &'s [Vec<Verdict>],
) -> impl Iterator<Item = (&'s Stage, &'s Player, &'s Verdict)> {
    stages.iter().zip(verdicts).flat_map(|(stage, verdicts)| {
        stage.players.iter().zip(verdicts).map(move |(player, verdict)| (stage, player, verdict))
    })
}

fn print(stages: &[Stage], verdicts: &[Vec<Verdict>], passed: bool) {
    output::line("\nWhat the receivers say:");
    let headings = ["check", "system", "endpoint", "arrived", "astray", "attempts", "signed", "body"];
    let rows: Vec<_> =
        judged(stages, verdicts).map(|(stage, player, verdict)| row(stage, player, verdict)).collect();
    output::table(&headings, &rows);
    for (stage, player, verdict) in judged(stages, verdicts) {
        let name = format!("{} {}", stage.system.name, player.role.name);
        if let (Some(reason), true) = (&verdict.disabled, verdict.passed()) {
            output::line(&format!("\n{name} was disabled after one request, as it should be:\n  {reason}"));
        }
        for complaint in verdict.complaints() {
            output::line(&format!("FAIL  {name}: {complaint}"));
        }
    }
    if !passed {
        return output::line("\nFAIL  not every event arrived exactly where it should.");
    }
    let (events, unmatched) = events(stages);
    let deliveries: usize = verdicts.iter().flatten().map(|verdict| verdict.expected).sum();
    let unmatched = match unmatched {
        0 => String::new(),
        count => format!(" ({count} of them for nobody)"),
    };
    output::line(&format!(
        "\nPASS  {events} events{unmatched} became {deliveries} deliveries; each arrived where it should,\n      \
         and says what was published; every signature is good.\n\n{}",
        next_steps()
    ));
}

fn row(stage: &Stage, player: &Player, verdict: &Verdict) -> Vec<String> {
    let signed = match verdict.requests - verdict.unsigned {
        0 => "none".to_owned(),
        signed => format!("{}/{signed}", signed - verdict.unverified),
    };
    vec![
        if verdict.passed() { "PASS" } else { "FAIL" }.to_owned(),
        stage.system.name.to_owned(),
        player.role.name.to_owned(),
        format!("{}/{}", verdict.arrived(), verdict.expected),
        verdict.unexpected.len().to_string(),
        verdict.requests.to_string(),
        signed,
        if verdict.altered.is_empty() { "same" } else { "CHANGED" }.to_owned(),
    ]
}

fn events(stages: &[Stage]) -> (usize, usize) {
    let sum = |sum: (usize, usize), stage: &Stage| {
        let (events, unmatched) = stage.events();
        (sum.0 + events, sum.1 + unmatched)
    };
    stages.iter().fold((0, 0), sum)
}

fn systems(stages: &[Stage]) -> String {
    let names: Vec<_> = stages.iter().map(|stage| stage.system.name).collect();
    match &names[..] {
        [names @ .., last] if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        names => names.concat(),
    }
}

/// How to go on, in the words by which the program was started.
fn next_steps() -> String {
    let casewire = std::env::args().next().unwrap_or_else(|| "casewire".to_owned());
    format!(
        "\
Try next, each in a terminal of its own:
  {casewire} listen
      a receiver; prints its address
  CASEWIRE_EGRESS_ALLOW=127.0.0.0/8 {casewire} serve
      the server; prints its address and, the first time, a token: export CASEWIRE_TOKEN=…
  {casewire} endpoints create --url http://127.0.0.1:PORT/ --event 'cases.*'
  {casewire} publish cases.created --data '{{\"id\":\"case_1\"}}'
Or keep this demo running, with its HTTP API:
  {casewire} demo --stay"
    )
}

fn as_json(stages: &[Stage], verdicts: &[Vec<Verdict>], passed: bool) -> Value {
    let endpoint = |(stage, player, verdict): (&Stage, &Player, &Verdict)| {
        json!({
            "system": stage.system.name,
            "endpoint": player.role.name,
            "dialect": player.role.dialect,
            "patterns": player.role.patterns,
            "passed": verdict.passed(),
            "verdict": verdict,
        })
    };
    let endpoints: Vec<_> = judged(stages, verdicts).map(endpoint).collect();
    let (events, unmatched) = events(stages);
    json!({ "passed": passed, "events": events, "unmatched": unmatched, "endpoints": endpoints })
}
