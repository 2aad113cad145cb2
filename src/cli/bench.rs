//! `mera bench`: the engine's own speed on this machine.

use super::device::Device;
use super::error::CliError;
use super::session::Session;
use super::{say, say_json};
use crate::engine::{Benchmark, Quartiles, VERSION};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Measure the engine's speed on this machine
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Folder of a PLM [default: random weights in the shape of all-MiniLM-L6-v2]
    #[arg(long, value_name = "DIR")]
    plm: Option<PathBuf>,
    /// Sequences a run
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    rows: u16,
    /// Tokens a sequence
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    tokens: u16,
    /// Neurons a layer of the adapter
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..))]
    bottleneck: u16,
    /// Runs trained in one pass, a measurement each
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 8], value_parser = clap::value_parser!(u16).range(1..))]
    runs: Vec<u16>,
    /// Timed repeats
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut session = Session::new(self.device)?;
        if let Some(plm) = &self.plm {
            session.open_plm(plm)?;
        }
        let asked = Benchmark {
            rows: self.rows.into(),
            len: self.tokens.into(),
            bottleneck: self.bottleneck.into(),
            runs: self.runs.iter().map(|&runs| runs.into()).collect(),
            repeats: self.repeats.into(),
        };
        let report = pollster::block_on(session.engine.benchmark(&asked, &mut session.watch));
        session.watch.finish();
        let report = report?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if self.json {
            let steps: Vec<Value> = report
                .steps
                .iter()
                .map(|step| {
                    let mut time = milliseconds(step.time);
                    time["runs"] = json!(step.runs);
                    time
                })
                .collect();
            return say_json(&json!({
                "engine": VERSION,
                "device": session.started.device.label(),
                "adapter": session.started.adapter,
                "cores": cores,
                "plm": report.plm,
                "rows": self.rows,
                "tokens": self.tokens,
                "bottleneck": self.bottleneck,
                "repeats": self.repeats,
                "forward": milliseconds(report.forward),
                "adapter_step": steps,
            }));
        }
        say(&format!("{VERSION} on {}, {cores} cores: {}", session.started.device.label(), report.plm))?;
        say(&format!("batch of {} × {} tokens, bottleneck {}", self.rows, self.tokens, self.bottleneck))?;
        say(&line("forward", report.forward))?;
        for step in &report.steps {
            let what = if step.runs == 1 { "adapter step".to_owned() } else { format!("step of {} runs", step.runs) };
            say(&line(&what, step.time))?;
        }
        Ok(())
    }
}

fn milliseconds(time: Quartiles) -> Value {
    json!({ "median_ms": time.median * 1e3, "quartiles_ms": [time.lower * 1e3, time.upper * 1e3] })
}

fn line(what: &str, time: Quartiles) -> String {
    let [lower, median, upper] = [time.lower, time.median, time.upper].map(|seconds| seconds * 1e3);
    format!("{what:<16} {median:>8.1} ms   (quartiles {lower:.1} to {upper:.1})")
}
