//! The laboratory as signals, and the flows that change it. Decisions are [`super::state::laboratory`]'s and
//! [`pool`](crate::client::pool)'s; this only holds and asks.

mod crew;
mod edit;
mod export;
mod keep;
mod member;
mod reader;
pub mod views;

use super::browser;
use super::lab::{Lab, Page};
use super::state::laboratory::link::{LABORATORY, Link};
use super::state::laboratory::score::{Evidence, Scoring};
use super::state::laboratory::table::{self, Filling, Table};
use super::state::laboratory::{Experiment, LiveRun, Status};
use super::state::sample::Sample;
use super::state::words;
use crate::client::pool::{self, Pool};
use crate::client::{Client, Event, Status as WorkerStatus};
use crate::protocol::*;
use crate::ui::effect::{effect, memo};
use futures_util::lock::Mutex;
use leptos::prelude::*;
use reader::Reader;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use vecmap::VecMap;

/// What the sample experiment is called.
pub(crate) const SAMPLE: &str = "sample";

/// The workers at an experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Crew {
    /// Name of the experiment.
    pub experiment: String,
    /// What each worker is doing, in a few words.
    pub members: Vec<String>,
    /// How many of them are at work.
    pub alive: usize,
    /// Seconds still to go, once there is something to reckon from.
    pub left: Option<f64>,
}

/// The state of the laboratory; copies share it.
#[derive(Clone, Copy)]
pub struct Laboratory {
    /// The rest of the page.
    pub lab: Lab,
    /// What stands in the address.
    pub link: RwSignal<Link>,
    /// All experiments, each with a name of its own.
    pub experiments: RwSignal<Vec<Experiment>>,
    /// Finished runs by hash, of every experiment.
    pub records: RwSignal<HashMap<String, Arc<FinishedRun>>>,
    /// Why runs have failed, by hash.
    pub failed: RwSignal<VecMap<String, String>>,
    /// Runs that are going on, by hash.
    pub live: RwSignal<VecMap<String, LiveRun>>,
    /// What the records of the experiment in sight say together.
    pub summary: RwSignal<SummaryCard>,
    /// The workers.
    pub crew: RwSignal<Crew>,
    /// Scores of adapters before any training.
    pub evidence: RwSignal<Vec<Evidence>>,
    /// The scores that are being computed.
    pub scoring: RwSignal<Option<Scoring>>,
    /// The experiment in sight.
    pub shown: Memo<Option<Experiment>>,
    /// Its tables.
    pub tables: Memo<Vec<Table>>,
    queue: RwSignal<VecDeque<String>>,
    driving: RwSignal<bool>,
    pool: StoredValue<Pool>,
    jobs: StoredValue<VecMap<usize, (Client, JobId)>, LocalStorage>,
    reader: StoredValue<Option<Reader>, LocalStorage>,
    clerk: StoredValue<Option<Client>, LocalStorage>,
    clerk_status: RwSignal<WorkerStatus>,
    keeping: StoredValue<Rc<Mutex<()>>, LocalStorage>,
    reader_turn: StoredValue<Rc<Mutex<()>>, LocalStorage>,
    /// Whether a summary is being made, and whether it is out of date already.
    summing: StoredValue<(bool, bool)>,
}

impl Laboratory {
    /// Reads the address; experiments come when [`Laboratory::enter`] is called.
    #[must_use]
    pub fn open(lab: Lab) -> Self {
        let hash = browser::address::hash();
        let link = if hash.starts_with(LABORATORY) { Link::read(&hash) } else { Link::default() };
        let link = RwSignal::new(link);
        let experiments = RwSignal::new(Vec::<Experiment>::new());
        let records = RwSignal::new(HashMap::<String, Arc<FinishedRun>>::new());
        let failed = RwSignal::new(VecMap::<String, String>::new());
        let live = RwSignal::new(VecMap::<String, LiveRun>::new());
        let summary = RwSignal::new(SummaryCard::default());
        let shown = memo(move || {
            let wanted = link.with(|link| link.experiment.clone());
            experiments.with(|all| {
                let named = wanted.and_then(|wanted| all.iter().find(|one| one.bundle.name == wanted));
                named.or(all.first()).cloned()
            })
        });
        let running = memo(move || live.with(|live| live.keys().cloned().collect::<Vec<_>>()));
        let tables = memo(move || {
            let tracks = link.with(|link| link.tracks.clone());
            let cards = shown.with(|shown| shown.as_ref().map(|shown| shown.cards.clone())).unwrap_or_default();
            let (records, failed, running, summary) = (records.read(), failed.read(), running.read(), summary.read());
            let filling = Filling {
                records: &records,
                failed: &failed,
                running: &running,
                summary: &summary,
                tracks: tracks.as_deref(),
            };
            table::tables(&cards, filling)
        });
        let laboratory = Self {
            lab,
            link,
            experiments,
            records,
            failed,
            live,
            summary,
            crew: RwSignal::new(Crew::default()),
            evidence: RwSignal::new(Vec::new()),
            scoring: RwSignal::new(None),
            shown,
            tables,
            queue: RwSignal::new(VecDeque::new()),
            driving: RwSignal::new(false),
            pool: StoredValue::new(Pool::default()),
            jobs: StoredValue::new_local(VecMap::new()),
            reader: StoredValue::new_local(None),
            clerk: StoredValue::new_local(None),
            clerk_status: RwSignal::new(WorkerStatus::Starting),
            keeping: StoredValue::new_local(Rc::default()),
            reader_turn: StoredValue::new_local(Rc::default()),
            summing: StoredValue::new((false, false)),
        };
        effect(move || {
            if lab.page.get() == Page::Laboratory {
                let device = lab.choices.with(|choices| choices.device);
                browser::address::replace(&Link { device, ..link.get() }.write());
            }
        });
        let entered = RwSignal::new(false);
        effect(move || {
            if lab.page.get() == Page::Laboratory && !entered.get_untracked() {
                entered.set(true);
                laboratory.enter();
            }
        });
        // A file that could not be read because the engine was gone is read when it is back.
        effect(move || {
            if laboratory.clerk_status.get() == WorkerStatus::Ready && entered.get_untracked() {
                laboratory.read_again();
            }
        });
        let name = memo(move || shown.with(|shown| shown.as_ref().map(|shown| shown.bundle.name.clone())));
        let planned = memo(move || {
            shown.with(|shown| shown.as_ref().map(|shown| shown.runs().map(|run| run.hash.clone()).collect::<Vec<_>>()))
        });
        effect(move || {
            name.track();
            planned.track();
            summary.set(SummaryCard::default());
            laboratory.sum_up();
        });
        laboratory
    }

    /// How many workers there are to be.
    #[must_use]
    pub fn workers(self) -> usize {
        let device = self.lab.device.with(|device| device.as_ref().map(|device| device.device));
        if device == Some(DeviceKind::WebGpu) {
            return 1;
        }
        let (cores, memory) = (browser::cores(), browser::memory());
        self.link.with(|link| link.workers).unwrap_or_else(|| pool::workers(cores, memory))
    }

    /// Folders of the models that are served with the page.
    fn served(self) -> Vec<String> {
        self.lab.sample.with_untracked(|sample| sample.as_ref().map(Sample::folders).unwrap_or_default())
    }

    /// Shows what another address says, where it is the laboratory's.
    pub fn follow(self, hash: &str) {
        if hash.starts_with(LABORATORY) {
            self.link.set(Link::read(hash));
        }
    }

    /// Asks the clerk: a worker that computes nothing, so that files are read and tables summed up while others train.
    async fn ask<A: Ask>(self, ask: A) -> Result<A::Answer, Failure> {
        let client = self.clerk.get_value().unwrap_or_else(|| {
            let status = self.clerk_status;
            let client = Client::new(DeviceChoice::Cpu, move |event| {
                if let Event::Status(now) = event {
                    status.set(now);
                }
            });
            self.clerk.set_value(Some(client.clone()));
            client
        });
        if matches!(self.clerk_status.get_untracked(), WorkerStatus::Failed { .. }) {
            client.restart(DeviceChoice::Cpu);
        }
        client.call(ask).await
    }

    /// Changes the experiment of that name.
    fn change(self, name: &str, change: impl FnOnce(&mut Experiment)) {
        self.experiments.update(|all| {
            if let Some(one) = all.iter_mut().find(|one| one.bundle.name == name) {
                change(one);
            }
        });
    }

    /// The experiment of that name as it is now.
    fn named(self, name: &str) -> Option<Experiment> {
        self.experiments.with_untracked(|all| all.iter().find(|one| one.bundle.name == name).cloned())
    }

    /// Adds an experiment, or puts it in the place of the one of its name, and shows it.
    fn add(self, experiment: Experiment) {
        let name = experiment.bundle.name.clone();
        // Its files may be others under the same names.
        self.evidence.update(|all| all.retain(|one| one.question.experiment != name));
        self.experiments.update(|all| match all.iter_mut().find(|one| one.bundle.name == name) {
            Some(one) => *one = experiment,
            None => all.push(experiment),
        });
        self.show(&name);
    }

    /// Shows the experiment of that name.
    pub fn show(self, name: &str) {
        self.link.update(|link| {
            if link.experiment.as_deref() != Some(name) {
                *link = Link { experiment: Some(name.to_owned()), workers: link.workers, ..Link::default() };
            }
        });
        self.lab.page.set(Page::Laboratory);
    }

    /// Opens a run, or closes the one that is open.
    pub fn open_run(self, hash: Option<String>) {
        self.link.update(|link| link.run = hash);
    }

    /// Lines of the records of an experiment.
    fn lines(self, experiment: &Experiment) -> Vec<String> {
        self.records.with_untracked(|records| {
            experiment.runs().filter_map(|run| Some(records.get(&run.hash)?.line.clone())).collect()
        })
    }

    /// Asks the engine what the records in sight say together; once more where they have changed meanwhile.
    fn sum_up(self) {
        let (busy, _) = self.summing.get_value();
        self.summing.set_value((true, busy));
        if busy {
            return;
        }
        leptos::task::spawn_local(async move {
            loop {
                let shown = self.shown.get_untracked();
                let records = shown.as_ref().map(|shown| self.lines(shown)).unwrap_or_default();
                let runs = |shown: &Option<Experiment>| {
                    shown.iter().flat_map(Experiment::runs).map(|run| run.hash.clone()).collect::<Vec<_>>()
                };
                let summary = match records.is_empty() {
                    true => Ok(SummaryCard::default()),
                    false => self.ask(SummarizeRecords { records }).await,
                };
                match summary {
                    // Of the runs that are in sight still.
                    Ok(card) if runs(&self.shown.get_untracked()) == runs(&shown) => self.summary.set(card),
                    Ok(_) => {}
                    Err(failure) => self.lab.problem("laboratory", failure.message),
                }
                let (_, again) = self.summing.get_value();
                self.summing.set_value((again, false));
                if !again {
                    return;
                }
            }
        });
    }

    /// What is going on, in one line; `None` where nothing is.
    #[must_use]
    pub fn words(self) -> Option<String> {
        if let Some(scoring) = self.scoring.get() {
            return Some(format!("Laboratory: scores for {} · {}", scoring.target, scoring.words()));
        }
        let crew = self.crew.get();
        let progress = self.experiments.with(|all| {
            let one = all.iter().find(|one| one.bundle.name == crew.experiment)?;
            Some(self.records.with(|records| one.progress(&|hash| records.contains_key(hash))))
        });
        let (done, all) = progress?;
        let left = crew.left.map_or_else(String::new, |left| format!(" · {}", words::time_left(left)));
        Some(format!("Laboratory: {} · {done} of {all} runs{left}", crew.experiment))
    }

    /// Whether the experiment in sight was changed since its runs were planned.
    #[must_use]
    pub fn is_stale(self) -> bool {
        self.shown.with(|shown| shown.as_ref().is_some_and(Experiment::is_stale))
    }

    /// How the experiment in sight stands.
    #[must_use]
    pub fn status(self) -> Status {
        self.shown.with(|shown| shown.as_ref().map(|shown| shown.status).unwrap_or_default())
    }
}
