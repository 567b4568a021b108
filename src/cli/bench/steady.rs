//! A steady load with retention: do memory, disk and rate stay as they are?

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use casewire_data::limits::Limits;
use serde_json::{Value, json};

use super::{
    super::Failure,
    Args,
    histogram::Histogram,
    load::{Load, Mark, Pace},
    process,
    report::{Report, figure},
    sink::{Receiver, Sink},
    stage::{self, Stage},
};

/// Seconds of the run if not said otherwise.
const SECONDS: u64 = 600;
/// Seconds between two samples.
const SAMPLE_SECONDS: u64 = 10;
/// Endpoints of an event if not said otherwise.
const FAN_OUT: u64 = 10;
/// Small segments, so that retention has something to give back within the run.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// How far the last third may lie from the middle one.
const FLAT: f64 = 0.15;

/// What is watched, at one time.
struct Sample {
    seconds: f64,
    rate: f64,
    p99_ms: f64,
    rss_mb: f64,
    disk_mb: f64,
    segments: f64,
}

/// See the module.
pub(super) async fn measure(args: &Args) -> Result<Report, Failure> {
    let seconds = args.seconds.unwrap_or(SECONDS);
    let (pace, offered) = match args.rate {
        Some(rate) => (Pace::Offered(rate), format!("{rate} events/s")),
        None => (Pace::Saturated, "as many events as arrive".to_owned()),
    };
    let fan_out = args.fan_out.first().copied().unwrap_or(FAN_OUT);
    let sink = Sink::start()?;
    let receivers = Rc::new((0..fan_out).map(|_| sink.healthy()).collect::<Result<Vec<_>, _>>()?);
    let limits = Limits {
        retention_ms: i64::from(args.retention_seconds) * 1_000,
        segment_bytes_max: SEGMENT_BYTES,
        ..Limits::default()
    };
    let stage = Stage::set(args, limits, stage::urls(&receivers)).await?;
    let load = Load::new(stage.publisher(), args.payload_bytes);
    let (publishing, watched) = (load.clone(), receivers.clone());
    let until = Instant::now() + Duration::from_secs(seconds);
    let publishing = actix_rt::spawn(async move { publishing.publish_at(pace, until, &watched).await });
    let samples = watch(&stage, &receivers, seconds).await;
    let _ = publishing.await;
    load.failed()?;
    let lost = load.missing(&receivers).await;
    stage.strike().await;

    let settings = format!(
        "{seconds} s of {offered} to {fan_out} endpoints, {} B payload, {} s retention, {} MB segments, RSS with the receivers",
        args.payload_bytes,
        args.retention_seconds,
        SEGMENT_BYTES / (1 << 20)
    );
    let mut report = Report {
        scenario: "steady",
        settings,
        headings: vec!["s", "deliveries/s", "p99 ms", "RSS MB", "disk MB", "log segments"],
        rows: samples.iter().map(Sample::row).collect(),
        lost,
        ..Report::default()
    };
    judge(&samples, &mut report);
    report.judged("events refused", json!(load.refused()), "0", load.refused() == 0);
    report.judged("deliveries lost", json!(lost), "0", lost == 0);
    Ok(report)
}

async fn watch(stage: &Stage, receivers: &[Receiver], seconds: u64) -> Vec<Sample> {
    let begun = Instant::now();
    let mut samples = Vec::new();
    for number in 1..=seconds / SAMPLE_SECONDS {
        receivers.iter().for_each(Receiver::note_times);
        let mark = Mark::set(receivers);
        let at = begun + Duration::from_secs(number * SAMPLE_SECONDS);
        actix_rt::time::sleep_until(at.into()).await;
        let mut times = Histogram::default();
        receivers.iter().for_each(|receiver| times.merge(&receiver.times()));
        let rate = mark.measure(receivers).rate;
        samples.push(Sample::take(stage, begun.elapsed(), rate, times.percentile_ms(0.99)));
    }
    samples
}

/// One of the figures of a sample.
type Part = fn(&Sample) -> f64;

impl Sample {
    #[allow(clippy::cast_precision_loss, reason = "it is for people to read")]
    fn take(stage: &Stage, at: Duration, rate: f64, p99_ms: f64) -> Self {
        let (_, segments) = process::disk(&stage.dir().join("log"));
        Self {
            seconds: at.as_secs_f64(),
            rate,
            p99_ms,
            rss_mb: process::rss_bytes(None) as f64 / 1e6,
            disk_mb: process::disk(stage.dir()).0 as f64 / 1e6,
            segments: segments as f64,
        }
    }

    fn row(&self) -> Vec<Value> {
        [self.seconds, self.rate, self.p99_ms, self.rss_mb, self.disk_mb, self.segments].map(figure).into()
    }
}

/// Flat is what lies in the last third as it lay in the middle one.
fn judge(samples: &[Sample], report: &mut Report) {
    let third = samples.len() / 3;
    let series: [(&str, Part); 4] = [
        ("RSS MB", |sample| sample.rss_mb),
        ("disk MB", |sample| sample.disk_mb),
        ("log segments", |sample| sample.segments),
        ("deliveries/s", |sample| sample.rate),
    ];
    for (name, part) in series {
        let settled = &samples[third..];
        let change = mean(settled.iter().skip(settled.len() / 2).map(part))
            / mean(settled.iter().take(settled.len() / 2).map(part));
        let wanted = format!("flat: 1 to within {FLAT}");
        report.judged(
            format!("{name}: last third over middle third"),
            figure(change),
            wanted,
            (change - 1.0).abs() <= FLAT,
        );
        report.found(format!("{name}: slope a minute, last two thirds"), figure(60.0 * slope(settled, part)));
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    sum / count
}

/// Change a second, by least squares.
fn slope(samples: &[Sample], part: Part) -> f64 {
    let (x_mean, y_mean) =
        (mean(samples.iter().map(|sample| sample.seconds)), mean(samples.iter().map(part)));
    let (above, below) = samples.iter().fold((0.0, 0.0), |(above, below), sample| {
        let x = sample.seconds - x_mean;
        (above + x * (part(sample) - y_mean), below + x * x)
    });
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(rss_mb: impl Fn(f64) -> f64) -> Vec<Sample> {
        let at = |number: i32| f64::from(number) * 10.0;
        let sample = |seconds| Sample {
            seconds,
            rate: 1.0,
            p99_ms: 1.0,
            rss_mb: rss_mb(seconds),
            disk_mb: 1.0,
            segments: 1.0,
        };
        (0..30).map(at).map(sample).collect()
    }

    #[test]
    fn growth_is_told_from_noise() {
        for (rss_mb, flat) in
            [(Box::new(|_| 50.0) as Box<dyn Fn(f64) -> f64>, true), (Box::new(|at| 50.0 + at), false)]
        {
            let mut report = Report::default();
            judge(&samples(rss_mb), &mut report);
            assert_eq!(report.findings[0].wanted.as_ref().unwrap().1, flat);
        }
        assert!((slope(&samples(|at| 50.0 + at), |sample| sample.rss_mb) - 1.0).abs() < 1e-9);
    }
}
