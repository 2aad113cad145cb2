//! `mera run`: an experiment, run by run.

use super::device::Device;
use super::error::CliError;
use super::records::{self, Records};
use super::session::Session;
use super::{files, say, say_json};
use crate::engine::EngineError;
use crate::experiment::{Experiment, Record};
use crate::protocol::{
    ExperimentCard, ExperimentRuns, FinishedRun, Outcome, PlanExperiment, PlannedCard, RunExperiment, TableForm,
};
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Instant;

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
    /// Where the PLM lies, if not where the experiment says; once for each that it names, in its order
    #[arg(long, value_name = "DIR")]
    plm: Vec<PathBuf>,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: Device,
}

/// One of the experiment's PLMs, with everything that goes with it, in an engine of its own.
struct Laboratory {
    session: Session,
    card: ExperimentCard,
}

impl Run {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let mut laboratories = self.laboratories()?;
        self.check_only(&laboratories)?;
        let output = self.output();
        if self.list {
            let there = if output.exists() { records::read(&output)?.unwrap_or_default().records } else { Vec::new() };
            return self.list(&laboratories, &there);
        }
        let (store, there) = Records::open(&output, self.resume)?;
        let mut grid = Grid::new(self, store, there, &laboratories)?;
        let done = laboratories.iter_mut().try_for_each(|laboratory| grid.each(laboratory));
        // What was done stays done, and is summarised, however the rest ended.
        let planned: Vec<&PlannedCard> = laboratories.iter().flat_map(|laboratory| &laboratory.card.runs).collect();
        let finished: Vec<String> = planned.iter().filter_map(|run| grid.lines.get(&run.hash).cloned()).collect();
        let written = records::write(&output, &finished, &[TableForm::Json, TableForm::Markdown]);
        // Of two failures the first.
        done?;
        written?;
        let (finished, all) = (finished.len(), planned.len());
        grid.tell(&format!("{}: {finished} of {all} runs are done; summary.md tells", files::shown(&output)))?;
        grid.verdict()
    }

    /// Reads the experiment and loads what it names, once for each PLM: whatever is wrong is known before the first run.
    fn laboratories(&self) -> Result<Vec<Laboratory>, CliError> {
        let bytes = files::read_file(&self.experiment)?.bytes;
        let text = String::from_utf8(bytes).map_err(|_| self.in_file("it is not UTF-8".to_owned()))?;
        let experiment = Experiment::parse(&text).map_err(|error| self.in_file(error.to_string()))?;
        if !self.plm.is_empty() && self.plm.len() != experiment.plms.len() {
            let (given, named) = (self.plm.len(), experiment.plms.len());
            return Err(self.in_file(format!("it names {named} PLMs; {given} folders are given with --plm")));
        }
        (0..experiment.plms.len()).map(|plm| self.laboratory(&text, &experiment, plm)).collect()
    }

    fn laboratory(&self, text: &str, experiment: &Experiment, plm: usize) -> Result<Laboratory, CliError> {
        let folder = self.experiment.parent().unwrap_or(Path::new(""));
        let mut session = Session::new(self.device)?;
        let named = &experiment.plms[plm];
        let place = self.plm.get(plm).cloned().unwrap_or_else(|| folder.join(named));
        if !place.is_dir() {
            // The command has no network of its own.
            let hint = match self.plm.is_empty() && is_hub_id(named) {
                true => "; a model of the Hugging Face hub has to be fetched, and its folder given with --plm",
                false => "",
            };
            let place = files::shown(&place);
            return Err(self.in_file(format!("plm = \"{named}\": there is no folder {place}{hint}")));
        }
        session.open_plm(&place)?;
        let mut adapters = Vec::new();
        for adapter in &experiment.adapters {
            adapters.push(session.open_adapter(&folder.join(experiment.adapter_path(adapter, plm)))?.id);
        }
        let mut targets = Vec::new();
        for target in &experiment.targets {
            let train = session.open_data(&folder.join(&target.train))?.id;
            let open = match plm {
                0 => Session::open_judging_data,
                // What is to be said of it has been said.
                _ => Session::open_data,
            };
            let test = target.test.as_ref().map(|test| open(&mut session, &folder.join(test))).transpose()?;
            targets.push((train, test.map(|card| card.id)));
        }
        let planned = session.ask(PlanExperiment { file: text.to_owned(), plm, adapters, targets });
        let card = planned.map_err(|error| match error {
            CliError::Engine(EngineError::Experiment(error)) => self.in_file(error.to_string()),
            other => other,
        })?;
        Ok(Laboratory { session, card })
    }

    /// Every beginning of a hash that `--only` gives must name one run.
    fn check_only(&self, laboratories: &[Laboratory]) -> Result<(), CliError> {
        let runs = || laboratories.iter().flat_map(|laboratory| &laboratory.card.runs);
        for wanted in &self.only {
            let count = runs().filter(|run| run.hash.starts_with(wanted.as_str())).count();
            if count != 1 {
                let line = format!("--only {wanted}: {count} runs have a hash that begins so; --list names them");
                return Err(self.in_file(line));
            }
        }
        Ok(())
    }

    fn is_wanted(&self, hash: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| hash.starts_with(wanted.as_str()))
    }

    fn list(&self, laboratories: &[Laboratory], there: &[Record]) -> Result<(), CliError> {
        let done = |run: &PlannedCard| there.iter().any(|record| record.hash == run.hash);
        let runs = laboratories.iter().flat_map(|laboratory| &laboratory.card.runs);
        let runs = runs.filter(|run| self.is_wanted(&run.hash));
        if self.json {
            let document = |run: &PlannedCard| {
                json!({
                    "hash": run.hash,
                    "plm": run.plm,
                    "target": run.target,
                    "method": run.method,
                    "k": run.k,
                    "seed": run.seed,
                    "tracks": run.tracks,
                    "work": run.work,
                    "done": done(run),
                })
            };
            return say_json(&Value::Array(runs.map(document).collect()));
        }
        for run in runs {
            let mark = if done(run) { "done" } else { "    " };
            say(&format!("{}  {mark}  {}", run.hash, described(run, laboratories.len() > 1)))?;
        }
        for Laboratory { card, .. } in laboratories {
            say(&format!("{}: {}", card.plm, card.in_a_pass().unwrap_or_default()))?;
        }
        Ok(())
    }

    fn output(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| {
            let stem = self.experiment.file_stem().map_or_else(|| "experiment".into(), |stem| stem.to_string_lossy());
            self.experiment.with_file_name(format!("{stem}-results"))
        })
    }

    fn in_file(&self, message: String) -> CliError {
        CliError::File { path: files::shown(&self.experiment), message }
    }
}

/// The runs that are wanted, how many are done, and how long the rest will take.
struct Grid<'a> {
    asked: &'a Run,
    /// Whether there are several PLMs.
    several: bool,
    store: Records,
    /// Records by hash.
    lines: BTreeMap<String, String>,
    runs: usize,
    done: usize,
    /// Of the runs that are not done.
    work_left: f64,
    /// Of those done since the beginning.
    work_done: f64,
    /// What is wrong with the runs that can't be done.
    failures: Vec<String>,
    began: Instant,
}

impl<'a> Grid<'a> {
    fn new(asked: &'a Run, store: Records, there: Vec<Record>, of: &[Laboratory]) -> Result<Self, CliError> {
        let mut lines = BTreeMap::new();
        for record in there {
            let line = record.to_line().map_err(EngineError::from)?.trim_end().to_owned();
            lines.insert(record.hash, line);
        }
        let runs = of.iter().flat_map(|laboratory| &laboratory.card.runs).filter(|run| asked.is_wanted(&run.hash));
        let (done, left): (Vec<_>, Vec<_>) = runs.partition(|run| lines.contains_key(&run.hash));
        Ok(Self {
            asked,
            several: of.len() > 1,
            store,
            runs: done.len() + left.len(),
            done: done.len(),
            work_left: left.iter().map(|run| run.work).sum(),
            work_done: 0.0,
            failures: Vec::new(),
            began: Instant::now(),
            lines,
        })
    }

    /// Every wanted run of a PLM, pass by pass. A run that can't be done is told of, and the others go on.
    fn each(&mut self, laboratory: &mut Laboratory) -> Result<(), CliError> {
        let Laboratory { session, card } = laboratory;
        let mut passes: VecDeque<Vec<String>> = card.passes.iter().cloned().collect();
        while let Some(pass) = passes.pop_front() {
            let is_left = |hash: &String| self.asked.is_wanted(hash) && !self.lines.contains_key(hash);
            let hashes: Vec<String> = pass.into_iter().filter(is_left).collect();
            let runs: Vec<&PlannedCard> = card.runs.iter().filter(|run| hashes.contains(&run.hash)).collect();
            let Some(first) = runs.first() else { continue };
            // What a choice looks at may have been made in another place, or before a stop.
            let looked_at = runs.iter().flat_map(|run| &run.after).filter_map(|hash| self.lines.get(hash)).cloned();
            let question = RunExperiment { hashes: hashes.clone(), records: looked_at.collect() };
            let result = pollster::block_on(session.engine.handle(question.into(), &mut session.watch));
            session.watch.finish();
            let ExperimentRuns { finished, failed } = match result {
                Ok(Outcome::RunExperiment(runs)) => runs,
                Ok(_) => return Err(CliError::Answer),
                Err(error) if error.stops_all() => return Err(self.failed(first, &error)),
                // By halves it shows which of them it is, or how many the device takes.
                Err(_) if hashes.len() > 1 => {
                    let (first, second) = hashes.split_at(hashes.len().div_ceil(2));
                    [second, first].iter().for_each(|half| passes.push_front(half.to_vec()));
                    continue;
                }
                Err(error) => {
                    ExperimentRuns { failed: vec![(first.hash.clone(), error.to_string())], ..Default::default() }
                }
            };
            let together = hashes.len();
            for (hash, reason) in failed {
                self.fail(&card.runs, &hash, &reason)?;
            }
            for run in finished {
                self.add(&card.runs, &run, together)?;
            }
        }
        Ok(())
    }

    /// Keeps the record of a run, `together` of which shared a pass, and says what it says.
    fn add(&mut self, runs: &[PlannedCard], finished: &FinishedRun, together: usize) -> Result<(), CliError> {
        self.store.add(&finished.line)?;
        let record = &finished.record;
        self.lines.insert(record.hash.clone(), finished.line.clone());
        self.done += 1;
        let Some(run) = runs.iter().find(|run| run.hash == record.hash) else { return Ok(()) };
        self.work_done += run.work;
        self.work_left -= run.work;
        let rate = record.learning_rate.map_or(String::new(), |rate| format!("  rate {rate}"));
        let together = if together > 1 { format!(" in a pass of {together}") } else { String::new() };
        let line = format!(
            "{:>3}/{}  {}  accuracy {:.4}  macro F1 {:.4}  dev {:.4}{rate}  {:.1} s{together}{}",
            self.done,
            self.runs,
            self.described(run),
            record.accuracy,
            record.macro_f1,
            record.dev_accuracy,
            record.seconds,
            self.left(),
        );
        self.tell(&line)
    }

    /// Says why a run can't be done.
    fn fail(&mut self, runs: &[PlannedCard], hash: &str, reason: &str) -> Result<(), CliError> {
        let Some(run) = runs.iter().find(|run| run.hash == hash) else { return Ok(()) };
        self.failures.push(format!("{}: {reason}", self.described(run)));
        self.work_left -= run.work;
        self.tell(&format!("     {}  failed: {reason}", self.described(run)))
    }

    fn tell(&self, line: &str) -> Result<(), CliError> {
        match say(line) {
            // Nobody to read the lines is no reason to stop the runs.
            Err(CliError::ClosedPipe) => Ok(()),
            other => other,
        }
    }

    /// # Errors
    /// When there are runs that can't be done.
    fn verdict(&self) -> Result<(), CliError> {
        match self.failures.as_slice() {
            [] => Ok(()),
            [only] => Err(self.asked.in_file(only.clone())),
            [first, ..] => {
                let (failed, all) = (self.failures.len(), self.runs);
                Err(self.asked.in_file(format!("{failed} of {all} runs can't be done; the first: {first}")))
            }
        }
    }

    fn described(&self, run: &PlannedCard) -> String {
        described(run, self.several)
    }

    /// The time left, by what was done and what it took; nothing where there is nothing to go by.
    fn left(&self) -> String {
        if self.work_done <= 0.0 || self.work_left <= 0.0 {
            return String::new();
        }
        let seconds = self.began.elapsed().as_secs_f64() * self.work_left / self.work_done;
        match seconds.round() as u64 {
            seconds @ 0..60 => format!("  {seconds} s left"),
            seconds @ 60..3600 => format!("  {} min left", seconds.div_ceil(60)),
            seconds => format!("  {} h {:02} min left", seconds / 3600, seconds % 3600 / 60),
        }
    }

    fn failed(&self, run: &PlannedCard, error: &EngineError) -> CliError {
        self.asked.in_file(match error {
            EngineError::Cancelled(_) => {
                format!("stopped with {} of {} runs done; --resume goes on from there", self.done, self.runs)
            }
            error => format!("{}: {error}", self.described(run)),
        })
    }
}

/// Whether `plm` may be an id of the Hugging Face hub, `owner/name` or `owner/name@revision`.
pub(super) fn is_hub_id(plm: &str) -> bool {
    let (id, revision) = plm.split_once('@').unwrap_or((plm, "main"));
    let is_part = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(known)
    };
    id.split_once('/').is_some_and(|(owner, name)| is_part(owner) && is_part(name)) && revision.split('/').all(is_part)
}

/// What a run is, with its PLM where there are `several`.
fn described(run: &PlannedCard, several: bool) -> String {
    let plm = if several { format!("{}  ", run.plm) } else { String::new() };
    format!("{plm}{}  k {}  seed {}  {}", run.target, run.k, run.seed, run.method)
}

#[cfg(test)]
mod tests {
    use super::is_hub_id;

    #[test]
    fn an_id_of_the_hub_is_an_owner_and_a_name() {
        for id in ["sentence-transformers/all-MiniLM-L6-v2", "some/model_1.5", "some/model@v1", "some/model@refs/pr/1"]
        {
            assert!(is_hub_id(id), "{id}");
        }
        for path in
            ["model", "a/b/c", "../model", "./model", "/model", "models/", "my models/one", "a\\b", "a/b@", "model@v1"]
        {
            assert!(!is_hub_id(path), "{path}");
        }
    }
}
