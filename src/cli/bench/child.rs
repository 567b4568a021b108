//! The backlog's engine, in a process of its own: publishes what it is told to, then delivers until its input ends.

use std::{io::Read, thread, time::Duration, time::Instant};

use casewire_data::{
    event::NewEvent,
    limits::{BATCH_EVENTS_MAX, Limits},
};
use tokio::sync::oneshot;

use super::{
    super::{Failure, Outcome, output},
    Args, sink,
    stage::{self, EVENT_TYPE},
};

/// An attempt each so many seconds, to begin with: the first few events must not be given up while the rest is
/// published.
const RETRY_SECONDS: u64 = 5;

/// Runs on `--dir` itself. Tells `ready` once it delivers, then `published`, then `stopped` with the seconds that took.
pub(super) async fn run(args: &Args) -> Outcome {
    let dir =
        args.dir.as_ref().ok_or_else(|| Failure::Usage("the backlog's engine needs --dir".to_owned()))?;
    let engine = stage::start(args, dir, Limits::default())?;
    output::announce("ready");
    if let Some(url) = &args.child_url {
        stage::subscribe(&engine, url.clone(), vec![RETRY_SECONDS; 64]).await?;
        let begun = Instant::now();
        let mut number = 0;
        while number < args.events {
            let until = args.events.min(number + BATCH_EVENTS_MAX as u64);
            let event = |number| NewEvent::new(EVENT_TYPE, sink::payload(number, 0, args.payload_bytes));
            let events = (number..until).map(event).collect::<Result<Vec<_>, _>>()?;
            engine.publisher().publish_batch(events).await?;
            number = until;
        }
        output::announce(&format!("published {}", begun.elapsed().as_secs_f64()));
    }
    let (ended, end) = oneshot::channel();
    thread::spawn(move || {
        // Its end is all that the input says.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let _ = end.await;
    let begun = Instant::now();
    engine.shutdown(Duration::from_secs(5)).await;
    output::announce(&format!("stopped {}", begun.elapsed().as_secs_f64()));
    Ok(())
}
