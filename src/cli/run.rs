//! `mera run`: an experiment, run by run.

use super::device::Device;
use super::error::CliError;
use super::records::{self, Records};
use super::session::Session;
use super::{files, say, say_json};
use crate::engine::{EngineError, Laboratory};
use crate::experiment::{Experiment, PlannedRun, Record};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Run an experiment: methods × targets × shots × seeds
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The experiment file; paths in it start from its folder
    #[arg(value_name = "EXPERIMENT.toml")]
    experiment: PathBuf,
    /// Folder for records.jsonl, summary.json and summary.md [default: the experiment's name with -results]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Go on from the records that there are
    #[arg(long)]
    resume: bool,
    /// List the runs by hash, and run none
    #[arg(long)]
    list: bool,
    /// With --list: print one JSON document
    #[arg(long, requires = "list")]
    json: bool,
    /// Do these runs only: hashes, or their beginnings
    #[arg(long, value_name = "HASH", num_args = 1..)]
    only: Vec<String>,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

impl Run {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut session = Session::new(self.device)?;
        let mut laboratory = self.laboratory(&mut session)?;
        let runs = self.chosen(&laboratory)?;
        let output = self.output();
        if self.list {
            let there = if output.exists() { records::read(&output)?.unwrap_or_default().records } else { Vec::new() };
            return list(&laboratory, &runs, &there, self.json);
        }
        let (mut store, there) = Records::open(&output, self.resume)?;
        let mut records: BTreeMap<String, Record> = BTreeMap::new();
        for record in there {
            laboratory.keep(record.clone());
            records.insert(record.hash.clone(), record);
        }
        let done = self.each(&mut session, &mut laboratory, &runs, &mut store, &mut records);
        // What was done stays done, and is summarised, however the rest ended.
        let planned = laboratory.plan().runs().iter().filter_map(|run| records.get(&run.hash).cloned());
        let finished: Vec<Record> = planned.collect();
        records::write_summary(&output, &finished)?;
        done?;
        let (finished, all) = (finished.len(), laboratory.plan().runs().len());
        say(&format!("{}: {finished} of {all} runs are done; summary.md tells", files::shown(&output)))
    }

    fn each(
        &self,
        session: &mut Session,
        laboratory: &mut Laboratory,
        runs: &[PlannedRun],
        store: &mut Records,
        records: &mut BTreeMap<String, Record>,
    ) -> Result<(), CliError> {
        for (index, run) in runs.iter().enumerate() {
            if records.contains_key(&run.hash) {
                continue;
            }
            let result = pollster::block_on(session.engine.run_planned(laboratory, run, &mut session.watch));
            session.watch.finish();
            let record = result.map_err(|error| self.failed(laboratory, run, index, runs.len(), &error))?;
            store.add(&record)?;
            let rate = record.learning_rate.map_or(String::new(), |rate| format!("  rate {rate}"));
            let line = format!(
                "{:>3}/{}  {}  accuracy {:.4}  macro F1 {:.4}  dev {:.4}{rate}  {:.1} s",
                index + 1,
                runs.len(),
                described(laboratory, run),
                record.accuracy,
                record.macro_f1,
                record.dev_accuracy,
                record.seconds,
            );
            records.insert(record.hash.clone(), record);
            match say(&line) {
                // Nobody to read the lines is no reason to stop the runs.
                Err(CliError::ClosedPipe) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn failed(
        &self,
        laboratory: &Laboratory,
        run: &PlannedRun,
        index: usize,
        all: usize,
        error: &EngineError,
    ) -> CliError {
        let message = match error {
            EngineError::Cancelled(_) => {
                format!("stopped before run {} of {all}; --resume goes on from there", index + 1)
            }
            error => format!("{}: {error}", described(laboratory, run)),
        };
        CliError::File { path: files::shown(&self.experiment), message }
    }

    /// Reads the experiment and loads what it names.
    fn laboratory(&self, session: &mut Session) -> Result<Laboratory, CliError> {
        let path = files::shown(&self.experiment);
        let in_file = |message: String| CliError::File { path: path.clone(), message };
        let bytes = files::read_file(&self.experiment)?.bytes;
        let text = String::from_utf8(bytes).map_err(|_| in_file("it is not UTF-8".to_owned()))?;
        let experiment = Experiment::parse(&text).map_err(|error| in_file(error.to_string()))?;
        let folder = self.experiment.parent().unwrap_or(Path::new("")).to_owned();
        let plm = folder.join(&experiment.plm);
        if !plm.is_dir() {
            let message = format!("plm = \"{}\": there is no folder {}", experiment.plm, files::shown(&plm));
            return Err(in_file(message));
        }
        session.open_plm(&plm)?;
        let mut adapters = Vec::new();
        for adapter in &experiment.adapters {
            adapters.push(session.open_adapter(&folder.join(&adapter.path))?.id);
        }
        let mut targets = Vec::new();
        for target in &experiment.targets {
            let train = session.open_data(&folder.join(&target.train))?.id;
            let test = target.test.as_ref().map(|test| session.open_data(&folder.join(test))).transpose()?;
            targets.push((train, test.map(|card| card.id)));
        }
        session.engine.laboratory(experiment, adapters, targets).map_err(|error| match error {
            EngineError::Experiment(error) => in_file(error.to_string()),
            other => other.into(),
        })
    }

    /// The runs that `--only` names, in the plan's order; all of them without it.
    fn chosen(&self, laboratory: &Laboratory) -> Result<Vec<PlannedRun>, CliError> {
        let runs = laboratory.plan().runs();
        for wanted in &self.only {
            let count = runs.iter().filter(|run| run.hash.starts_with(wanted.as_str())).count();
            if count != 1 {
                let message = format!("--only {wanted}: {count} runs have a hash that begins so; --list names them");
                return Err(CliError::File { path: files::shown(&self.experiment), message });
            }
        }
        let wanted = |run: &&PlannedRun| {
            self.only.is_empty() || self.only.iter().any(|wanted| run.hash.starts_with(wanted.as_str()))
        };
        Ok(runs.iter().filter(wanted).cloned().collect())
    }

    fn output(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| {
            let stem = self.experiment.file_stem().map_or_else(|| "experiment".into(), |stem| stem.to_string_lossy());
            self.experiment.with_file_name(format!("{stem}-results"))
        })
    }
}

fn described(laboratory: &Laboratory, run: &PlannedRun) -> String {
    let target = &laboratory.plan().experiment().targets[run.target].name;
    format!("{target}  k {}  seed {}  {}", run.k, run.seed, run.method)
}

fn list(laboratory: &Laboratory, runs: &[PlannedRun], there: &[Record], json: bool) -> Result<(), CliError> {
    let done = |run: &PlannedRun| there.iter().any(|record| record.hash == run.hash);
    if json {
        let document = |run: &PlannedRun| {
            json!({
                "hash": run.hash,
                "target": laboratory.plan().experiment().targets[run.target].name,
                "method": run.method,
                "k": run.k,
                "seed": run.seed,
                "tracks": run.tracks,
                "done": done(run),
            })
        };
        return say_json(&Value::Array(runs.iter().map(document).collect()));
    }
    for run in runs {
        let mark = if done(run) { "done" } else { "    " };
        say(&format!("{}  {mark}  {}", run.hash, described(laboratory, run)))?;
    }
    Ok(())
}
