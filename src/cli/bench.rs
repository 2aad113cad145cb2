//! `mera bench`: the engine's own speed on this machine.

use super::device::Device;
use super::error::CliError;
use super::session::Session;
use super::{memory, say, say_json};
use crate::protocol::{self, BenchReport, Timing};
use clap::Args;
use serde_json::json;
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
    /// Runs trained in one pass, a measurement each; none after one that takes more than two seconds
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 8], value_parser = clap::value_parser!(u16).range(1..))]
    runs: Vec<u16>,
    /// Timed repeats of each; on a device that takes more than a minute for them, fewer
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
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
        let mut report = session.ask(protocol::Bench {
            rows: self.rows.into(),
            tokens: self.tokens.into(),
            bottleneck: self.bottleneck.into(),
            runs: self.runs.iter().map(|&runs| runs.into()).collect(),
            repeats: self.repeats.into(),
        })?;
        report.peak_memory_bytes = memory::peak();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if self.json {
            let mut document = json!(report);
            document["adapter"] = json!(session.started.adapter);
            document["cores"] = json!(cores);
            return say_json(&document);
        }
        let BenchReport { engine, device, plm, rows, tokens, bottleneck, forward, adapter_step, .. } = report;
        say(&format!("{engine} on {device}, {cores} cores: {plm}"))?;
        say(&format!("batch of {rows} × {tokens} tokens, bottleneck {bottleneck}"))?;
        say(&line("forward", forward))?;
        for step in adapter_step {
            let what = if step.runs == 1 { "adapter step".to_owned() } else { format!("step of {} runs", step.runs) };
            say(&line(&what, step))?;
        }
        match report.peak_memory_bytes {
            Some(bytes) => say(&format!("{:<16} {:>8.1} MiB", "peak memory", bytes as f64 / f64::from(1 << 20))),
            None => Ok(()),
        }
    }
}

fn line(what: &str, time: Timing) -> String {
    let [lower, upper] = time.quartiles_ms;
    format!("{what:<16} {:>8.1} ms   (quartiles {lower:.1} to {upper:.1}, {} repeats)", time.median_ms, time.repeats)
}
