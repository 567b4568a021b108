//! An engine on a data directory of its own, which is removed with it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use casewire_data::{endpoint::EndpointDraft, event::Tenant, limits::Limits, secret::Secret};

use super::{super::Failure, Args, sink};
use crate::{engine::Engine, publisher::Publisher};

/// The type of all events of a benchmark.
pub(super) const EVENT_TYPE: &str = "bench.event";

/// A directory that is removed when it is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new directory of a name that nobody can guess.
    pub(super) fn new(args: &Args) -> Result<Self, Failure> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| Failure::failed(format!("no randomness: {error}")))?;
        let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
        let path = parent.join(format!("casewire-bench-{:016x}", u64::from_ne_bytes(random)));
        fs::create_dir(&path).map_err(|error| {
            Failure::failed(format!(
                "cannot make {}: {error}; choose another place with --dir",
                path.display()
            ))
        })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in a temporary directory is the system's to remove.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// See the module.
pub(super) struct Stage {
    engine: Engine,
    scratch: Scratch,
}

impl Stage {
    /// An engine with an endpoint for each receiver, ready for events.
    pub(super) async fn set(
        args: &Args,
        limits: Limits,
        urls: impl IntoIterator<Item = String>,
    ) -> Result<Self, Failure> {
        let scratch = Scratch::new(args)?;
        let engine = start(args, scratch.path(), limits)?;
        for url in urls {
            subscribe(&engine, url, Vec::new()).await?;
        }
        Ok(Self { engine, scratch })
    }

    /// The engine itself.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Publishes to it.
    pub(super) fn publisher(&self) -> Publisher {
        self.engine.publisher()
    }

    /// Its data directory.
    pub(super) fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Stops the engine and removes what it stored.
    pub(super) async fn strike(self) {
        self.engine.shutdown(Duration::ZERO).await;
    }
}

/// An engine that may deliver on loopback.
pub(super) fn start(args: &Args, dir: &Path, limits: Limits) -> Result<Engine, Failure> {
    let loopback = "127.0.0.0/8".parse().map_err(|error| Failure::failed(format!("127.0.0.0/8: {error}")))?;
    let builder = Engine::builder(dir).limits(limits).egress_allow(vec![loopback]);
    Ok(builder.workers(args.workers as usize).start()?)
}

/// An endpoint for all events; with the default retry schedule if `retry_seconds` is empty.
pub(super) async fn subscribe(engine: &Engine, url: String, retry_seconds: Vec<u64>) -> Result<(), Failure> {
    let draft = EndpointDraft {
        url,
        events: vec!["bench.*".to_owned()],
        secret: Some(secret().expose()),
        retry_schedule_seconds: (!retry_seconds.is_empty()).then_some(retry_seconds),
        ..EndpointDraft::default()
    };
    engine.tenant(Tenant::default()).create_endpoint(draft).await?;
    Ok(())
}

/// What all deliveries of a benchmark are signed with.
pub(super) fn secret() -> Secret {
    Secret::generate([7; 32])
}

/// The receivers' URLs.
pub(super) fn urls(receivers: &[sink::Receiver]) -> Vec<String> {
    receivers.iter().map(|receiver| sink::url(receiver.address())).collect()
}
