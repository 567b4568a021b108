//! The engine whose instructions are counted, in a process of its own: it publishes when its input says so.

use std::{
    io::{BufRead, stdin},
    thread,
    time::Duration,
};

use casewire_data::{event::NewEvent, limits::Limits};
use futures_util::future::try_join_all;
use tokio::sync::mpsc;

use super::super::{
    super::{Failure, Outcome, output},
    Args, sink,
    stage::{self, EVENT_TYPE},
};

/// Runs on `--dir` itself, and delivers to the URLs of `--child-url`, which spaces separate.
///
/// Each line of its input is a number of events to publish at once, all waiting at the same time as under load; it
/// tells `published` when all are durable. At the end of its input it stops.
pub(in super::super) async fn run(args: &Args) -> Outcome {
    let dir = args.dir.as_ref();
    let dir = dir.ok_or_else(|| Failure::Usage("the engine that is counted needs --dir".to_owned()))?;
    let engine = stage::start(args, dir, Limits::default())?;
    for url in args.child_url.iter().flat_map(|urls| urls.split(' ')) {
        stage::subscribe(&engine, url.to_owned(), Vec::new()).await?;
    }
    let (order, mut orders) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let lines = stdin().lock().lines().map_while(Result::ok);
        let mut counts = lines.map_while(|line| line.parse::<u64>().ok());
        // Nobody takes the orders any more once the engine stops.
        let _ = counts.try_for_each(|count| order.send(count));
    });
    let publisher = engine.publisher();
    let mut published = 0;
    output::announce("ready");
    while let Some(count) = orders.recv().await {
        let each = (published..published + count).map(|number| {
            let event = NewEvent::new(EVENT_TYPE, sink::payload(number, 0, args.payload_bytes));
            async { publisher.publish_event(event?).await }
        });
        try_join_all(each).await?;
        published += count;
        output::announce("published");
    }
    engine.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
