//! `casewire dialect show`: a dialect as its endpoints' owners and its receivers need to know it.

use casewire_data::dialect::{
    Dialect,
    describe::{
        AnswerRule, Description, HeaderRule, InboundRule, ProbeRule, SecretRule, SignatureRule, Words,
    },
};

use super::FolderArgs;
use crate::cli::{Failure, Outcome, output};

/// What `dialect show` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name and revision: xpath@1.
    id: String,
    /// Print its file, to begin one of your own with.
    #[arg(long)]
    file: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Prints it.
pub(super) fn run(args: Args, json: bool) -> Outcome {
    let dialect = args.folder.read()?.get(&args.id)?;
    if args.file {
        output::bytes(dialect.text().as_bytes());
        return Ok(());
    }
    let description = dialect.describe();
    if json {
        let value = serde_json::to_value(&description).map_err(|error| Failure::failed(error.to_string()))?;
        output::json(&value);
    } else {
        lines(&dialect, &description).iter().for_each(|line| output::line(&output::printable(line)));
    }
    Ok(())
}

fn lines(dialect: &Dialect, it: &Description) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", it.id, it.summary)];
    let mut table = |title: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(rows.into_iter().map(|row| format!("  {row}")));
        }
    };
    table("Endpoints may subscribe to", vocabulary(&it.vocabulary));
    table(
        "Their params",
        it.params
            .iter()
            .map(|param| {
                let default =
                    param.default.as_ref().map_or("required".to_owned(), |it| format!("default {it}"));
                format!("{}: {}; {}, {default}", param.name, param.summary, param.kind)
            })
            .collect(),
    );
    table("Body", bodies(it));
    let mut in_order = headers(&it.headers, "the signature");
    in_order
        .extend(it.trace_context.then(|| "traceparent, tracestate: those that the event carries".to_owned()));
    table("Headers, in this order", in_order);
    table("Signature", it.signature.as_ref().map(signature).unwrap_or_default());
    table("Secret", it.secret.as_ref().map_or_else(|| vec!["none".to_owned()], secret));
    table("Answers", answers(it));
    table("Before the first delivery", it.handshake.as_ref().map(probe).unwrap_or_default());
    table("A sandbox takes events of which", it.sandbox.clone().unwrap_or_default());
    let inbound = it.inbound.as_ref().map(|rule| inbound(rule, it.signature.is_some()));
    table("Taking in such requests", inbound.unwrap_or_else(|| vec!["is not possible".to_owned()]));
    let decided = dialect.assumptions().iter().map(|decided| format!("{}: {}", decided.topic, decided.text));
    table("What no document says, and was decided", decided.collect());
    lines
}

fn vocabulary(words: &Words) -> Vec<String> {
    let mut rows = Vec::new();
    if !words.closed {
        rows.push("any event type or pattern".to_owned());
    }
    rows.extend(words.names.iter().chain(&words.patterns).cloned());
    rows.extend(words.families.iter().map(|family| format!("{family}.…, any name below it")));
    if !words.default.is_empty() {
        rows.push(format!("an endpoint that names no events gets {}", words.default.join(", ")));
    }
    if !words.types.is_empty() {
        rows.push(format!("an event that it takes must be one of {}", words.types.join(", ")));
    }
    rows
}

fn bodies(it: &Description) -> Vec<String> {
    let several = it.bodies.len() > 1;
    let mut rows = Vec::new();
    for (number, body) in it.bodies.iter().enumerate() {
        let which = if several { format!("variant {}: ", number + 1) } else { String::new() };
        let when = match body.when.is_empty() {
            true => "any event".to_owned(),
            false => body.when.join("; "),
        };
        rows.push(format!("{which}{when}"));
        rows.extend(body.spelling.map(|spelling| format!("spelled as {spelling} spells JSON")));
    }
    rows.extend(it.body_bytes_max.map(|bytes| format!("at most {bytes} bytes")));
    rows
}

fn headers(headers: &[HeaderRule], without_value: &str) -> Vec<String> {
    let value = |header: &HeaderRule| match header.value.is_empty() {
        true => format!("({without_value})"),
        false => header.value.clone(),
    };
    headers.iter().map(|header| format!("{}: {}", header.name, value(header))).collect()
}

fn signature(rule: &SignatureRule) -> Vec<String> {
    let mut rows = vec![format!("{} signs {}, in {}", rule.header, rule.content, rule.encoding)];
    for scheme in &rule.schemes {
        let prefix = match scheme.prefix.as_str() {
            "" => String::new(),
            prefix => format!(", after `{prefix}`"),
        };
        rows.push(format!("a {} secret by {}{prefix}", scheme.secret, scheme.algorithm));
    }
    rows.push(match &rule.separator {
        Some(separator) => format!(
            "the secret signs; of several signatures, with `{separator}` in between, one must be good"
        ),
        None => "the newest secret signs".to_owned(),
    });
    rows
}

fn secret(rule: &SecretRule) -> Vec<String> {
    let whose = match (rule.origin, rule.required) {
        ("generated", _) => "made for the endpoint, unless its owner brings one",
        (_, true) => "its owner's, and required",
        _ => "its owner's, if any",
    };
    vec![whose.to_owned(), format!("{}; at most {} characters", rule.forms.join(", or "), rule.chars_max)]
}

fn answers(it: &Description) -> Vec<String> {
    let rule = |rule: &AnswerRule| {
        let when = match rule.when.is_empty() {
            true => "anything".to_owned(),
            false => rule.when.join("; "),
        };
        let reason = rule.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("if {when} -> {}{reason}", rule.verdict)
    };
    let otherwise = "otherwise 2xx -> delivered, 410 -> disable, anything else -> retry".to_owned();
    it.acknowledgement.iter().map(rule).chain([otherwise]).collect()
}

fn probe(rule: &ProbeRule) -> Vec<String> {
    let mut rows = vec![format!("{} with", rule.method)];
    rows.extend(headers(&rule.headers, "empty"));
    rows.push(format!("and it agrees if {}", rule.when.join("; ")));
    rows.extend(rule.hint.clone());
    rows
}

fn inbound(rule: &InboundRule, signed: bool) -> Vec<String> {
    let mut rows = vec![format!("its id is {}", rule.id)];
    for way in &rule.types {
        match way.when.is_empty() {
            true => rows.push(format!("its type is {}", way.is)),
            false => rows.push(format!("its type is {}, if {}", way.is, way.when.join("; "))),
        }
    }
    if signed {
        rows.push("believed for its signature".to_owned());
    }
    if !rule.verify.is_empty() {
        rows.push(format!("believed only if {}", rule.verify.join("; ")));
    }
    if !rule.proves_its_sender {
        rows.push("must bring an API token with the scope events:publish".to_owned());
    }
    rows.extend(headers(&rule.reply, "empty").into_iter().map(|header| format!("answered with {header}")));
    if let Some(handshake) = &rule.handshake {
        rows.push(format!("a probe ({}) if {}, answered with", handshake.method, handshake.when.join("; ")));
        rows.extend(headers(&handshake.headers, "empty").into_iter().map(|header| format!("  {header}")));
    }
    rows
}
