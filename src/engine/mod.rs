//! The application without a browser: what is loaded, and [`Engine::handle`], which does what a command says.
//!
//! The engine speaks [`protocol`](crate::protocol) itself: the worker only carries messages, and the native command
//! asks for the same things in the same words. Long work is asynchronous and reports to an [`Observer`] between small
//! steps; what the observer awaits is its own affair (the worker lets the event loop turn, the command does nothing).
//! A cancelled or failed command leaves everything that was loaded as it was.

mod adapters;
mod alignment;
mod answers;
mod archives;
mod benchmark;
mod data;
mod device;
mod error;
mod export;
mod heads;
mod laboratory;
mod line;
mod merging;
mod observer;
mod plm;
mod recipe;
mod records;
mod report;
mod scoring;
mod sheet;
mod texts;
mod told;
mod training;
mod whole;

pub use crate::format::ADAPTER_FILES;
pub use crate::text::DEFAULT_MAX_LENGTH;
pub use adapters::{
    Adapters, LoadedAdapter, MergedInput, Origin, adapter_form, cleaned as adapter_name, head_activation,
    proposed_track,
};
pub use answers::{Answers, RowAnswer};
pub use data::{DataSets, is_data_file};
pub use device::{GpuDevice, NoGpu, OpenGpu, OpenedGpu, self_test};
pub use error::{EngineError, FormError};
pub use export::folder;
pub use observer::{Cancelled, Observer, Quiet, Ready};
pub use plm::Plm;
pub use records::export as export_records;
pub use report::comparison;
pub use texts::MAX_TEXTS;
pub use told::one_line;
pub use training::Runs;
pub use whole::{Diverged, WholeReport, WholeRun};

use crate::protocol::{Command, DeviceKind, DeviceReport, FileBytes, FileSource, Outcome};
use burn::tensor::Device;

/// Name and version, for reports and recipes.
pub const VERSION: &str = concat!("mera-lab ", env!("CARGO_PKG_VERSION"));

/// What computes, and its version, for recipes: with another one numbers may differ in their last digits.
const BURN: &str = "burn 0.22.1";

/// Everything that is loaded.
pub struct Engine {
    gpu: Box<dyn OpenGpu>,
    /// An autodiff device.
    device: Device,
    kind: DeviceKind,
    /// Longest tensor that the device binds, in bytes, where it says.
    max_binding_bytes: Option<u64>,
    plm: Option<Plm>,
    adapters: Adapters,
    data: DataSets,
    texts: texts::ObservedTexts,
    alignment: Option<alignment::Aligned>,
    runs: Runs,
    laboratory: Option<laboratory::Laboratory>,
}

impl Engine {
    /// An empty engine on the CPU; [`Start`](crate::protocol::Start) may move it to what `gpu` opens.
    #[must_use]
    pub fn new(gpu: impl OpenGpu + 'static) -> Self {
        Self {
            gpu: Box::new(gpu),
            device: Device::flex().autodiff(),
            kind: DeviceKind::Cpu,
            max_binding_bytes: None,
            plm: None,
            adapters: Adapters::default(),
            data: DataSets::default(),
            texts: texts::ObservedTexts::default(),
            alignment: None,
            runs: Runs::default(),
            laboratory: None,
        }
    }

    /// Does what `command` says.
    ///
    /// # Errors
    /// One line that names the culprit; nothing that was loaded before is lost.
    pub async fn handle(&mut self, command: Command, observer: &mut dyn Observer) -> Result<Outcome, EngineError> {
        Ok(match command {
            Command::Start(start) => Outcome::Start(self.start(start.device, observer).await?),
            Command::OpenPlm(open) => Outcome::OpenPlm(self.open_plm(open, observer).await?),
            Command::Tokenize(ask) => Outcome::Tokenize(self.plm()?.tokens(&ask.text1, ask.text2.as_deref())?),
            Command::Open(open) => Outcome::Open(self.open(open.files, observer).await?),
            Command::OpenData(open) => Outcome::OpenData(self.open_data(open)?),
            Command::EditAdapter(edit) => Outcome::EditAdapter(self.edit_adapter(edit)?),
            Command::RemoveAdapter(remove) => {
                self.texts.forget(remove.id);
                Outcome::RemoveAdapter(self.adapters.remove(remove.id)?)
            }
            Command::DrawEpisode(draw) => Outcome::DrawEpisode(self.draw_episode(&draw.0, observer).await?),
            Command::Align(align) => Outcome::Align(self.align(align, observer).await?),
            Command::ShowWeights(show) => Outcome::ShowWeights(self.show_weights(show, observer).await?),
            Command::ShowNeuron(show) => Outcome::ShowNeuron(self.show_neuron(show, observer).await?),
            Command::ShowSimilarity(show) => Outcome::ShowSimilarity(self.show_similarity(&show, observer).await?),
            Command::ShowLine(show) => Outcome::ShowLine(self.show_line(&show, observer).await?),
            Command::Merge(merge) => Outcome::Merge(self.merge(merge, observer).await?),
            Command::Train(train) => Outcome::Train(self.train(train, observer).await?),
            Command::Resume(resume) => Outcome::Resume(self.resume(resume, observer).await?),
            Command::ForgetRun(forget) => {
                self.runs.forget(forget.0);
                Outcome::ForgetRun(())
            }
            Command::Predict(predict) => Outcome::Predict(self.predict(&predict).await?),
            Command::Export(export) => Outcome::Export(self.export(&export)?),
            Command::ReadExperiment(read) => Outcome::ReadExperiment(sheet::read(&read.file)?),
            Command::WriteExperiment(write) => Outcome::WriteExperiment(sheet::write(&write.0)?),
            Command::PlanExperiment(plan) => Outcome::PlanExperiment(self.plan_experiment(plan, observer).await?),
            Command::RunExperiment(run) => Outcome::RunExperiment(self.run_experiment(run, observer).await?),
            Command::ShowTestRows(show) => Outcome::ShowTestRows(self.show_test_rows(&show)?),
            Command::ScoreAdapters(score) => Outcome::ScoreAdapters(self.score_adapters(&score, observer).await?),
            Command::SummarizeRecords(ask) => Outcome::SummarizeRecords(records::summary(&ask.records)?),
            Command::ExportRecords(export) => Outcome::ExportRecords(records::export(&export)?),
            Command::Bench(bench) => Outcome::Bench(self.bench(&bench, observer).await?),
            Command::Pack(pack) => Outcome::Pack(archives::pack(pack.name, pack.files)?),
            Command::Unpack(unpack) => Outcome::Unpack(archives::unpack(&unpack.0)?),
        })
    }

    /// The pretrained language model.
    ///
    /// # Errors
    /// When none is loaded.
    pub fn plm(&self) -> Result<&Plm, EngineError> {
        self.plm.as_ref().ok_or(EngineError::NoPlm)
    }

    /// The loaded and merged adapters.
    #[must_use]
    pub fn adapters(&self) -> &Adapters {
        &self.adapters
    }

    /// The loaded data sets.
    #[must_use]
    pub fn data(&self) -> &DataSets {
        &self.data
    }

    /// The runs of training.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    async fn start(
        &mut self,
        choice: crate::protocol::DeviceChoice,
        observer: &mut dyn Observer,
    ) -> Result<DeviceReport, EngineError> {
        let (device, mut report) = device::choose(choice, self.gpu.as_ref(), observer).await?;
        report.methods = merging::method_cards();
        report.compared = laboratory::cards::compared();
        report.engine = VERSION.to_owned();
        self.device = device;
        self.kind = report.device;
        self.max_binding_bytes = report.max_binding_bytes;
        Ok(report)
    }

    /// Most tokens that go through the encoder at once in training. A page on the CPU hears nothing while it computes, and
    /// this is what it computes in well under a second; what launches cost makes a GPU take steps whole.
    fn tokens_at_once(&self) -> usize {
        if self.kind == DeviceKind::Cpu { 512 } else { usize::MAX }
    }
}

/// The bytes of a file that whoever runs the engine has fetched.
fn fetched_file(source: FileSource) -> Result<FileBytes, EngineError> {
    match source {
        FileSource::Bytes(file) => Ok(file),
        FileSource::Url { url, .. } => Err(EngineError::NotFetched(url)),
        FileSource::Hub { id, .. } => Err(EngineError::NotFetched(id)),
    }
}

/// Those of several.
fn fetched(files: Vec<FileSource>) -> Result<Vec<FileBytes>, EngineError> {
    files.into_iter().map(fetched_file).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn recipes_name_the_burn_that_is_linked() {
        let [name, version] = [0, 1].map(|part| super::BURN.split(' ').nth(part).unwrap());
        let locked = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(include_str!("../../Cargo.lock").replace("\r\n", "\n").contains(&locked), "{locked}");
    }
}
