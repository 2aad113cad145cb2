//! `mera train`: an adapter trained on a whole data set.

use super::device::Device;
use super::error::CliError;
use super::files::{self, OutputFolder, WeightFiles};
use super::session::Session;
use super::{card, say};
use crate::engine::{Diverged, WholeReport, WholeRun, folder};
use crate::protocol::{RunStart, TrainPoint, TrainSettings, Trained};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;

/// Train an adapter and its head on a data set; the PLM stays frozen
#[derive(Debug, Args)]
pub(super) struct Train {
    /// Folder of the PLM: config.json, tokenizer.json, model.safetensors
    #[arg(long, value_name = "DIR")]
    pub(super) plm: PathBuf,
    /// TSV, CSV or JSONL with columns label, text1 and, for pairs, text2
    #[arg(long, value_name = "FILE")]
    pub(super) data: PathBuf,
    /// Judged after every epoch; the best epoch is kept. Without it the last is
    #[arg(long, value_name = "FILE")]
    pub(super) dev: Option<PathBuf>,
    /// Start from this adapter, with a new head
    #[arg(long, value_name = "DIR", conflicts_with_all = ["bottleneck", "reduction_factor"])]
    pub(super) adapter: Option<PathBuf>,
    /// Of the adapter [default: the name of the output folder]
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Neurons a layer of a new adapter
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "reduction_factor")]
    pub(super) bottleneck: Option<u32>,
    /// Width of the PLM over neurons a layer
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) reduction_factor: u32,
    /// Passes over the data
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(super) epochs: usize,
    /// Rows a step
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(super) batch_size: usize,
    /// Peak, reached after the warm-up
    #[arg(long, value_name = "RATE", default_value_t = 5e-4)]
    pub(super) learning_rate: f64,
    /// Share of all steps, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub(super) warmup: f64,
    /// Decoupled, on weight matrices
    #[arg(long, value_name = "W", default_value_t = 0.01)]
    pub(super) weight_decay: f64,
    /// Largest global norm of the gradients
    #[arg(long, value_name = "NORM", default_value_t = 1.0)]
    pub(super) clip: f64,
    /// In the head, 0 to below 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub(super) dropout: f64,
    /// Stop after so many epochs without a better dev score; 0 for never
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) patience: usize,
    /// Tokens at which texts are cut
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(super) max_length: usize,
    /// Of initial weights, shuffles and dropout
    #[arg(long, value_name = "N", default_value_t = 13)]
    pub(super) seed: u64,
    /// Learn from the first so many rows only
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
    /// Which files hold the weights
    #[arg(long, value_enum, default_value_t)]
    pub(super) weight_files: WeightFiles,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// Folder to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace an adapter that stands in the output folder
    #[arg(long)]
    force: bool,
}

impl Train {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let output = OutputFolder::new(&self.output, self.force)?;
        let mut session = Session::new(self.device)?;
        let plm = session.open_plm(&self.plm)?;
        let start = match &self.adapter {
            Some(path) => RunStart::Adapter(session.open_adapter(path)?.id),
            None => RunStart::Scratch { bottleneck: self.neurons(plm.hidden) },
        };
        let data = session.open_data(&self.data)?;
        let dev = self.dev.as_deref().map(|path| session.open_judging_data(path)).transpose()?;
        let asked = WholeRun {
            name: self.adapter_name(),
            start,
            data: data.id,
            dev: dev.as_ref().map(|dev| dev.id),
            limit: self.limit.map(|rows| rows as usize),
            max_length: self.max_length,
            settings: self.settings(),
        };
        session.watch.on_point(epoch_lines(self.epochs, dev.is_some()));
        let report = pollster::block_on(session.engine.train_whole(&asked, &mut session.watch));
        session.watch.finish();
        let report = report?;
        if let Some(Diverged { step, loss }) = report.diverged {
            let kept = report.best_epoch;
            super::warn(&format!(
                "note: the loss of step {step} is {loss}: training ended there, and epoch {kept} is kept; a lower \
                 learning rate may help"
            ));
        }
        let mut files = folder(&report.file, &report.recipe, self.weight_files.into())?;
        files.push(("README.md".to_owned(), card::of(self, &plm, &data, dev.as_ref(), &report).into_bytes()));
        output.write(&files)?;
        say(&self.summary(&report))
    }

    /// Neurons a layer of a new adapter in a PLM of this width.
    fn neurons(&self, hidden: usize) -> usize {
        match self.bottleneck {
            Some(neurons) => neurons as usize,
            None => (hidden / self.reduction_factor as usize).max(1),
        }
    }

    pub(super) fn adapter_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| files::base_name(&self.output, "adapter"))
    }

    fn settings(&self) -> TrainSettings {
        TrainSettings {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            warmup: self.warmup,
            weight_decay: self.weight_decay,
            clip: self.clip,
            dropout: self.dropout,
            patience: self.patience,
            trained: Trained::All,
            seed: self.seed,
        }
    }

    fn summary(&self, report: &WholeReport) -> String {
        let dev = report.dev.map_or(String::new(), |dev| format!(", dev accuracy {:.4}", dev.accuracy));
        format!(
            "{}: epoch {}{dev}; {} rows, {} of them and of dev cut at {} tokens; {:.0} ms a step, {:.0} s in all",
            files::shown(&self.output),
            report.best_epoch,
            report.rows,
            report.truncated,
            self.max_length,
            report.seconds_per_step * 1e3,
            report.seconds,
        )
    }
}

/// A line an epoch: mean loss of its steps and, where there is a dev set, the scores on it.
fn epoch_lines(epochs: usize, has_dev: bool) -> impl FnMut(&TrainPoint) -> Option<String> {
    let (mut losses, mut last_step) = (Vec::new(), 0);
    let began = Instant::now();
    move |point| {
        // The last point of an epoch comes twice: when its step is done, and with the scores on dev.
        if point.step > last_step {
            losses.push(point.loss);
            last_step = point.step;
        }
        let ends = if has_dev { point.dev.is_some() } else { (point.epoch - point.epoch.round()).abs() < 1e-9 };
        if !ends {
            return None;
        }
        let loss = losses.iter().sum::<f32>() / losses.len().max(1) as f32;
        losses.clear();
        let dev = point.dev.map_or(String::new(), |dev| {
            format!("  dev loss {:.4}  accuracy {:.4}  macro F1 {:.4}", dev.loss, dev.accuracy, dev.macro_f1)
        });
        let seconds = began.elapsed().as_secs_f64();
        Some(format!("epoch {:>2}/{epochs}  loss {loss:.4}{dev}  {seconds:.0} s", point.epoch.round()))
    }
}
