//! The state of the page as signals, and what changes it. Decisions are [`super::state`]'s; this only holds.

mod learn;
mod load;
mod look;
mod make;
mod whole;
mod work;

pub use work::{Live, Plan, Stage};

use super::browser;
use super::state::activities::{Activities, Activity};
use super::state::origins::Origin;
use super::state::progress::Meter;
use super::state::recipe::{self, Held, Line};
use super::state::sample::Sample;
use super::state::{Choices, Step, address};
use crate::client::{Client, Event, Status};
use crate::protocol::*;
use crate::ui::effect::{effect, memo};
use leptos::prelude::*;

/// Where the manifest of the sample is, relative to the page.
const SAMPLE: &str = "samples/index.json";
/// Where the files beside the manifest are.
const SAMPLES: &str = "samples/";

/// The page in sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The recipe.
    Lab,
    /// Experiments.
    Laboratory,
    /// Device, storage.
    Device,
}

/// What the model was opened from, and the data files.
#[derive(Default)]
struct Sources {
    plm: Option<OpenPlm>,
    data: Vec<(DataId, FileSource)>,
}

impl Page {
    /// The page that an address leads to.
    #[must_use]
    pub fn of(hash: &str) -> Self {
        match hash.split('?').next().unwrap_or_default() {
            "#/device" => Page::Device,
            "#/laboratory" => Page::Laboratory,
            _ => Page::Lab,
        }
    }
}

/// One line to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Tells it from others.
    pub key: usize,
    /// Whether something could not be done.
    pub problem: bool,
    /// The file or thing it is about; may be empty.
    pub about: String,
    /// One line.
    pub message: String,
}

/// What the details panel shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    /// An adapter.
    Adapter(AdapterId),
    /// Neurons at one location: of which adapter, which.
    Neurons {
        /// Where.
        location: String,
        /// One or two.
        neurons: Vec<(AdapterId, usize)>,
    },
    /// A merge method, by id.
    Method(String),
    /// A row of the test set with its answer.
    Prediction(Box<TestPrediction>, Vec<String>),
}

/// The state of the page; copies share it.
#[derive(Clone, Copy)]
pub struct Lab {
    client: StoredValue<Client, LocalStorage>,
    /// The page in sight.
    pub page: RwSignal<Page>,
    /// How the worker is.
    pub status: RwSignal<Status>,
    /// How far its start is, once it is heard of.
    pub starting: RwSignal<Option<Meter>>,
    /// The device, once it is chosen and checked.
    pub device: RwSignal<Option<DeviceReport>>,
    /// The sample, once it is fetched.
    pub sample: RwSignal<Option<Sample>>,
    /// Its alignment.
    pub sample_alignment: RwSignal<Option<AlignmentReport>>,
    /// Whether anything of the person's, or the sample itself, has been loaded: then the sample is no longer shown.
    pub touched: RwSignal<bool>,
    /// What the person has chosen.
    pub choices: RwSignal<Choices>,
    /// The loaded model.
    pub plm: RwSignal<Option<PlmCard>>,
    /// The loaded adapters, without merges.
    pub loaded: RwSignal<Vec<AdapterCard>>,
    /// The data sets.
    pub data: RwSignal<Vec<DataCard>>,
    /// Data files whose columns the person has yet to tell.
    pub unmapped: RwSignal<Vec<UnmappedData>>,
    /// The last alignment computed here.
    pub computed: RwSignal<Option<AlignmentReport>>,
    /// How alike adapters are, and which those are.
    pub similarity: RwSignal<Option<(Vec<AdapterId>, Vec<Similarity>)>>,
    /// What lies between two adapters, as it was measured last.
    pub between: RwSignal<Option<(ShowLine, LineReport)>>,
    /// How fast the engine was when it was measured last.
    pub benchmark: RwSignal<Option<BenchReport>>,
    /// Seconds from the call of the page until it took clicks.
    pub interactive: RwSignal<Option<f64>>,
    /// Seconds from the call of the page until the engine was there.
    pub ready: RwSignal<Option<f64>>,
    /// The merges.
    pub merges: RwSignal<Vec<MergeReport>>,
    /// The episode that was drawn last.
    pub episode: RwSignal<Option<(EpisodeSpec, EpisodeCard)>>,
    /// Runs that have ended or are paused.
    pub runs: RwSignal<Vec<RunReport>>,
    /// What those start from; of removed adapters too.
    pub origins: RwSignal<Vec<Origin>>,
    /// The run that is going on.
    pub live: RwSignal<Option<Live>>,
    /// The long jobs that were asked for and have not ended.
    pub activities: RwSignal<Activities>,
    /// The one of them that the engine is at.
    pub activity: Memo<Option<Activity>>,
    /// The list of jobs that it is part of.
    pub plan: RwSignal<Option<Plan>>,
    /// Lines to tell.
    pub notices: RwSignal<Vec<Notice>>,
    /// What the details panel shows; the explanation of the step where `None`.
    pub detail: RwSignal<Option<Detail>>,
    /// Which of the alignment's locations is in sight.
    pub layer: RwSignal<usize>,
    /// Which of the alignment's pairs is in sight.
    pub pair: RwSignal<usize>,
    /// The run whose answers are in sight; the last one judged where `None`.
    pub run: RwSignal<Option<RunId>>,
    /// Whether *Run the example* leads the person from step to step.
    follow: RwSignal<bool>,
    stop: RwSignal<bool>,
    /// What the model was opened from, and the data files, for an experiment on the same.
    sources: StoredValue<Sources>,
    notice_key: RwSignal<usize>,
    /// The adapters in sight: the loaded, or the sample's before anything is loaded.
    pub adapters: Memo<Vec<AdapterCard>>,
    /// The alignment in sight.
    pub alignment: Memo<Option<AlignmentReport>>,
    /// Whether the adapters in sight are only the sample's names.
    pub is_sample: Signal<bool>,
    /// The merge methods; empty until the engine is there.
    pub methods: Memo<Vec<MethodCard>>,
    /// All methods that experiments compare; empty until the engine is there.
    pub compared: Memo<Vec<ComparedMethod>>,
}

impl Lab {
    /// Starts the worker, fetches the sample, reads the address.
    #[must_use]
    pub fn open() -> Self {
        let (choices, problems) = address::read(&browser::address::hash());
        let status = RwSignal::new(Status::Starting);
        let starting = RwSignal::new(None);
        let ready = RwSignal::new(None);
        let device = RwSignal::new(None);
        let told = RwSignal::new(Vec::<String>::new());
        let client = Client::new(choices.device, move |event| match event {
            Event::Status(now) => {
                if now == Status::Ready && ready.get_untracked().is_none() {
                    ready.set(Some(browser::now()));
                }
                status.set(now);
                starting.set(None);
            }
            Event::Progress(progress) => starting.update(|meter: &mut Option<Meter>| {
                let start = || Meter::new(&Start { device: DeviceChoice::default() }.into(), browser::now());
                meter.get_or_insert_with(start).hear(&progress);
            }),
            Event::Device(report) => device.set(Some(report)),
            Event::Notice(line) => told.update(|told| told.push(line)),
        });
        let sample = RwSignal::new(None::<Sample>);
        let sample_alignment = RwSignal::new(None::<AlignmentReport>);
        let touched = RwSignal::new(false);
        let loaded = RwSignal::new(Vec::<AdapterCard>::new());
        let computed = RwSignal::new(None::<AlignmentReport>);
        let is_sample = Signal::derive(move || !touched.get());
        let adapters = memo(move || {
            if touched.get() {
                return loaded.get();
            }
            let alignment = sample_alignment.get();
            sample.with(|sample| sample.as_ref().map_or_else(Vec::new, |sample| sample.cards(alignment.as_ref())))
        });
        let alignment = memo(move || {
            if let Some(report) = computed.get() {
                return Some(report);
            }
            let report = sample_alignment.get()?;
            if touched.get() {
                return sample.with(|sample| sample.as_ref()?.with_handles(&report, &loaded.get()));
            }
            Some(report)
        });
        let methods = memo(move || device.get().map(|device: DeviceReport| device.methods).unwrap_or_default());
        let compared = memo(move || device.get().map(|device| device.compared).unwrap_or_default());
        let activities = RwSignal::new(Activities::default());
        let lab = Self {
            client: StoredValue::new_local(client),
            page: RwSignal::new(Page::of(&browser::address::hash())),
            status,
            starting,
            device,
            sample,
            sample_alignment,
            touched,
            choices: RwSignal::new(choices),
            plm: RwSignal::new(None),
            loaded,
            data: RwSignal::new(vec![]),
            unmapped: RwSignal::new(vec![]),
            computed,
            similarity: RwSignal::new(None),
            between: RwSignal::new(None),
            benchmark: RwSignal::new(None),
            interactive: RwSignal::new(None),
            ready,
            merges: RwSignal::new(vec![]),
            episode: RwSignal::new(None),
            runs: RwSignal::new(vec![]),
            origins: RwSignal::new(vec![]),
            live: RwSignal::new(None),
            activities,
            activity: memo(move || activities.with(|activities| activities.current().cloned())),
            plan: RwSignal::new(None),
            notices: RwSignal::new(vec![]),
            detail: RwSignal::new(None),
            layer: RwSignal::new(0),
            pair: RwSignal::new(0),
            run: RwSignal::new(None),
            follow: RwSignal::new(false),
            stop: RwSignal::new(false),
            sources: StoredValue::new(Sources::default()),
            notice_key: RwSignal::new(0),
            adapters,
            alignment,
            is_sample,
            methods,
            compared,
        };
        if lab.page.get_untracked() == Page::Lab {
            problems.into_iter().for_each(|line| lab.problem("", line));
        }
        effect(move || {
            for line in told.get() {
                lab.inform("", line);
            }
            if !told.get_untracked().is_empty() {
                told.set(vec![]);
            }
        });
        effect(move || {
            match lab.page.get() {
                Page::Device => browser::address::replace("#/device"),
                Page::Lab => browser::address::replace(&lab.choices.with(address::write)),
                // It keeps its own.
                Page::Laboratory => {}
            }
        });
        leptos::task::spawn_local(async move {
            match browser::fetch_json::<Sample>(SAMPLE).await {
                Ok(sample) => {
                    let url = format!("{SAMPLES}{}", sample.alignment);
                    lab.sample.set(Some(sample));
                    match browser::fetch_json::<AlignmentReport>(&url).await {
                        Ok(report) => lab.take_sample_alignment(report),
                        Err(line) => lab.problem("sample", line),
                    }
                }
                Err(line) => lab.problem("sample", line),
            }
        });
        lab
    }

    /// The choices begin as the sample's alignment was made, unless a link says otherwise.
    fn take_sample_alignment(self, report: AlignmentReport) {
        if self
            .choices
            .with_untracked(|choices| choices.align == Choices::default().align && choices.reference.is_none())
        {
            let place = self.sample.with_untracked(|sample| {
                let sample = sample.as_ref()?;
                let place = sample.handles(&report)?.iter().position(|&id| id == report.asked.reference)?;
                (place > 0).then(|| sample.adapters.get(place).map(|adapter| adapter.name.clone())).flatten()
            });
            self.choices.update(|choices| {
                choices.reference = place;
                choices.align.by = report.asked.by;
                if let Solver::Sinkhorn { epsilon, iterations, tolerance } = report.asked.solver {
                    choices.align = super::state::choices::AlignChoices {
                        sinkhorn: true,
                        epsilon,
                        iterations,
                        tolerance,
                        ..choices.align.clone()
                    };
                }
            });
        }
        self.sample_alignment.set(Some(report));
    }

    /// The client.
    #[must_use]
    pub fn client(self) -> Client {
        self.client.get_value()
    }

    /// Takes over what another address says, where it is the Lab's; the engine stays where it runs.
    pub fn take_address(self, hash: &str) {
        if hash.is_empty() || Page::of(hash) != Page::Lab {
            return;
        }
        let (choices, problems) = address::read(hash);
        let other = self.choices.with_untracked(|now| now.model != choices.model);
        self.choices.update(|now| *now = Choices { device: now.device, ..choices });
        if other && self.plm.with_untracked(Option::is_some) {
            self.attempt("model", self.load_chosen_plm());
        }
        problems.into_iter().for_each(|line| self.problem("", line));
    }

    /// Goes to a step, by the person's own hand.
    pub fn go(self, step: Step) {
        self.follow.set(false);
        self.show(step);
    }

    fn show(self, step: Step) {
        self.page.set(Page::Lab);
        if self.choices.with_untracked(|choices| choices.step != step) {
            self.detail.set(None);
            self.choices.update(|choices| choices.step = step);
        }
    }

    /// Tells that something could not be done.
    pub fn problem(self, about: impl Into<String>, message: impl Into<String>) {
        self.tell(true, about.into(), message.into());
    }

    /// Tells something.
    pub fn inform(self, about: impl Into<String>, message: impl Into<String>) {
        self.tell(false, about.into(), message.into());
    }

    fn tell(self, problem: bool, about: String, message: String) {
        let key = self.notice_key.get_untracked();
        self.notice_key.set(key + 1);
        self.notices.update(|notices| {
            notices.retain(|notice| notice.about != about || notice.message != message);
            notices.push(Notice { key, problem, about, message });
        });
    }

    /// What a step says of itself.
    #[must_use]
    pub fn line(self, step: Step) -> Line {
        self.with_held(|held, choices| recipe::line(step, held, choices))
    }

    fn with_held<T>(self, read: impl FnOnce(&Held<'_>, &Choices) -> T) -> T {
        let sample = self.sample.get();
        let plm = self.plm.get();
        let (adapters, data, methods) = (self.adapters.get(), self.data.get(), self.methods.get());
        let alignment = self.alignment.get();
        let merges = self.merges.get();
        let episode = self.episode.get();
        let runs = self.runs.read();
        let held = Held {
            sample_plm: sample.as_ref().map(|sample| sample.plm.name.as_str()),
            sample_task: sample.as_ref().map(Sample::task_name),
            plm: plm.as_ref(),
            adapters: &adapters,
            adapters_are_sample: self.is_sample.get(),
            data: &data,
            methods: &methods,
            alignment: alignment.as_ref(),
            alignment_is_sample: self.computed.with(Option::is_none),
            merges: &merges,
            episode: episode.as_ref().map(|(spec, card)| (spec, card)),
            runs: &runs,
            running: self.activity.with(|activity| activity.as_ref().and_then(|activity| activity.step)),
        };
        self.choices.with(|choices| read(&held, choices))
    }

    /// The loaded model, or what the sample tells of its own before it is loaded, where no other is chosen.
    #[must_use]
    pub fn plm_in_sight(self) -> Option<PlmCard> {
        let sample = || self.sample.with(|sample| sample.as_ref().and_then(|sample| sample.plm.card.clone()));
        self.plm.get().or_else(|| sample().filter(|_| self.choices.with(|choices| choices.model.is_none())))
    }

    /// Place of an adapter among those in sight, which is its colour; `None` for a merge.
    #[must_use]
    pub fn place(self, id: AdapterId) -> Option<usize> {
        self.adapters.with(|cards| cards.iter().position(|card| card.id == id))
    }

    /// Name of an adapter, merges included.
    #[must_use]
    pub fn name(self, id: AdapterId) -> String {
        let loaded = self.adapters.with(|cards| cards.iter().find(|card| card.id == id).map(|card| card.name.clone()));
        loaded
            .or_else(|| {
                self.merges.with(|merges| {
                    merges.iter().find(|merge| merge.adapter.id == id).map(|merge| merge.adapter.name.clone())
                })
            })
            .unwrap_or_else(|| "a removed adapter".into())
    }

    /// The episode that is chosen; `None` without data.
    #[must_use]
    pub fn chosen_episode(self) -> Option<EpisodeSpec> {
        self.data.with(|data| self.choices.with(|choices| choices.episode(data)))
    }

    /// Name of a data set.
    #[must_use]
    pub fn data_name(self, id: DataId) -> Option<String> {
        self.data.with(|all| all.iter().find(|card| card.id == id).map(|card| card.name.clone()))
    }

    /// What follows the name of a run on a data set where there are several.
    #[must_use]
    pub fn on_data(self, id: DataId) -> String {
        let several = self.data.with(|all| all.len() > 1);
        self.data_name(id).filter(|_| several).map_or(String::new(), |name| format!(" · {name}"))
    }

    /// The run whose answers are in sight.
    #[must_use]
    pub fn shown_run(self) -> Option<RunReport> {
        let chosen = self.run.get();
        self.runs.with(|runs| {
            let judged = || runs.iter().filter(|run| run.test.is_some());
            judged().find(|run| Some(run.run) == chosen).or_else(|| judged().next_back()).cloned()
        })
    }

    /// Whether a long job is going on.
    #[must_use]
    pub fn busy(self) -> bool {
        self.activity.with(Option::is_some) || self.plan.with(|plan| plan.as_ref().is_some_and(|plan| !plan.ended))
    }
}
