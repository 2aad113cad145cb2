//! The adapters that are loaded or were made here.

use super::told::problem;
use super::{Engine, EngineError, FormError, Observer, fetched, is_data_file, one_line};
use crate::format::{self, AdapterFile, Architecture, Ignored};
use crate::model::{AdapterForm, HeadActivation, NonLinearity};
use crate::protocol::{
    AdapterCard, AdapterId, EditAdapter, FileBytes, FileSource, MergeSpec, Opened, Phase, PlmCard, Problem,
};
use crate::tensors::TensorSet;
use crate::tensors::adapter::{Location, Part};
use crate::train::{Architecture as RunArchitecture, Body};
use indexmap::IndexMap;

/// Where an adapter is from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Read from files.
    File,
    /// Merged here from the named inputs.
    Merged {
        /// How.
        spec: Box<MergeSpec>,
        /// The model that was loaded then, as recipes name it; null where there was none.
        plm: serde_json::Value,
        /// The inputs, in order.
        inputs: Vec<MergedInput>,
        /// Where its head is from, or why it has none; nothing where no input has one.
        head: Option<String>,
    },
}

/// One of the adapters that a merge was made from, as it was then: it may be renamed or removed.
#[derive(Clone, Debug, PartialEq)]
pub struct MergedInput {
    /// Its name.
    pub name: String,
    /// What determines it: its files, or how it was made.
    pub recipe: serde_json::Value,
}

/// An adapter and what is known of it.
#[derive(Clone, Debug)]
pub struct LoadedAdapter {
    /// As a file.
    pub file: AdapterFile,
    /// Family of tasks.
    pub track: String,
    /// Where it is from.
    pub origin: Origin,
}

/// All of them, in the order of their handles.
#[derive(Clone, Debug, Default)]
pub struct Adapters {
    loaded: IndexMap<AdapterId, LoadedAdapter>,
    next: u32,
}

impl LoadedAdapter {
    /// SHA-256 of the file its weights came from; empty for one made here.
    #[must_use]
    pub fn sha256(&self) -> &str {
        let weights =
            |file: &&format::SourceFile| file.path.ends_with(".bin") || file.path.ends_with("adapter.safetensors");
        self.file.files.iter().find(weights).map_or("", |file| &file.sha256)
    }

    /// How it computes.
    ///
    /// # Errors
    /// When it is of a kind that the model does not compute.
    pub fn form(&self) -> Result<AdapterForm, EngineError> {
        adapter_form(&self.file).map_err(|error| EngineError::Form { adapter: self.file.name.clone(), error })
    }

    /// What the model needs to know to run it and its head.
    ///
    /// # Errors
    /// When it or its head is of a kind that the model does not compute.
    pub fn architecture(&self) -> Result<RunArchitecture, EngineError> {
        let head_activation = head_activation(&self.file)
            .map_err(|error| EngineError::Form { adapter: self.file.name.clone(), error })?;
        Ok(RunArchitecture { body: Body::Adapter(self.form()?), head_activation })
    }

    fn card(&self, id: AdapterId) -> AdapterCard {
        let params = &self.file.params;
        let bottlenecks = &self.file.config.bottlenecks;
        let root_mean_square = |name: String| {
            let values = params.get(&name).map(|tensor| tensor.values()).unwrap_or_default();
            let sum: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
            (sum / values.len().max(1) as f64).sqrt() as f32
        };
        let of_head = match &self.origin {
            Origin::Merged { head, .. } => head.clone(),
            Origin::File => None,
        };
        AdapterCard {
            id,
            name: self.file.name.clone(),
            track: self.track.clone(),
            kind: self.file.config.form.architecture.name().to_owned(),
            origin: match &self.origin {
                Origin::File => one_line(&self.file.path),
                Origin::Merged { spec, inputs, .. } => {
                    let names: Vec<_> = inputs.iter().map(|input| input.name.as_str()).collect();
                    format!("{} of {}", spec.method, names.join(", "))
                }
            },
            plm: one_line(self.file.plm.model_name.as_deref().unwrap_or_default()),
            bottleneck: bottlenecks.values().copied().collect(),
            locations: bottlenecks.keys().map(Location::to_string).collect(),
            non_linearity: one_line(&self.file.config.form.non_linearity),
            parameters: params.parameters(),
            labels: self.file.head.as_ref().map(|head| head.config.labels.clone()).unwrap_or_default(),
            norms: bottlenecks
                .keys()
                .map(|at| [Part::DownWeight, Part::UpWeight].map(|part| root_mean_square(at.param(part))))
                .collect(),
            sha256: self.sha256().to_owned(),
            remarks: (self.file.problems.iter().map(one_line))
                .chain(adapter_form(&self.file).err().map(one_line))
                .chain(of_head.map(one_line))
                .collect(),
        }
    }
}

/// How the adapter in a file computes.
///
/// # Errors
/// When it is of a kind that the model does not compute.
pub fn adapter_form(file: &AdapterFile) -> Result<AdapterForm, FormError> {
    let form = &file.config.form;
    if form.architecture != Architecture::SeqBn {
        let [found, supported] = [form.architecture, Architecture::SeqBn].map(|kind| kind.name().to_owned());
        return Err(FormError { what: "architecture", found, supported });
    }
    let non_linearity = NonLinearity::from_name(&form.non_linearity).ok_or_else(|| FormError {
        what: "non-linearity",
        found: form.non_linearity.clone(),
        supported: NonLinearity::names().join(", "),
    })?;
    Ok(AdapterForm { non_linearity, scaling: f64::from(form.scaling) })
}

/// What stands between the layers of the head in a file; the default where it has no head, or one of a single layer.
///
/// # Errors
/// When the head is of a kind that the model does not compute.
pub fn head_activation(file: &AdapterFile) -> Result<HeadActivation, FormError> {
    let Some(head) = file.head.as_ref().map(|head| &head.config) else { return Ok(HeadActivation::default()) };
    let refused = |what, found: &str, supported: &str| {
        Err(FormError { what, found: found.to_owned(), supported: supported.to_owned() })
    };
    if head.use_pooler {
        return refused("head's use_pooler", "true", "false");
    }
    if !head.bias {
        return refused("head's bias", "false", "true");
    }
    if head.layers == 1 {
        return Ok(HeadActivation::default());
    }
    let name = head.activation.as_deref().unwrap_or("null");
    HeadActivation::from_name(name)
        .map_or_else(|| refused("head's activation_function", name, &HeadActivation::names().join(", ")), Ok)
}

impl Adapters {
    /// The adapter `id`.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, id: AdapterId) -> Result<&LoadedAdapter, EngineError> {
        self.loaded.get(&id).ok_or(EngineError::NoAdapter(id))
    }

    /// Every adapter with its handle.
    pub fn iter(&self) -> impl Iterator<Item = (AdapterId, &LoadedAdapter)> {
        self.loaded.iter().map(|(&id, adapter)| (id, adapter))
    }

    /// Takes an adapter in; a name that is taken gets a number.
    pub fn add(&mut self, mut file: AdapterFile, track: String, origin: Origin) -> AdapterCard {
        file.name = free_name(&cleaned(&file.name), |name| self.iter().any(|(_, adapter)| adapter.file.name == name));
        let id = AdapterId(self.next);
        self.next += 1;
        let adapter = LoadedAdapter { file, track, origin };
        let card = adapter.card(id);
        self.loaded.insert(id, adapter);
        card
    }

    /// What is said of the adapter `id`.
    ///
    /// # Errors
    /// When there is none.
    pub fn card(&self, id: AdapterId) -> Result<AdapterCard, EngineError> {
        Ok(self.get(id)?.card(id))
    }

    /// Renames an adapter or puts it on a track.
    ///
    /// # Errors
    /// When there is none, or the name is taken or can't be one.
    pub fn edit(&mut self, edit: EditAdapter) -> Result<AdapterCard, EngineError> {
        self.get(edit.id)?;
        if let Some(name) = &edit.name {
            if *name != cleaned(name) {
                return Err(EngineError::BadName(name.clone()));
            }
            if self.iter().any(|(id, adapter)| id != edit.id && adapter.file.name == *name) {
                return Err(EngineError::NameTaken(name.clone()));
            }
        }
        let adapter = self.loaded.get_mut(&edit.id).ok_or(EngineError::NoAdapter(edit.id))?;
        if let Some(name) = edit.name {
            adapter.file.name = name;
        }
        if let Some(track) = edit.track {
            adapter.track = track;
        }
        Ok(adapter.card(edit.id))
    }

    /// Forgets an adapter.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove(&mut self, id: AdapterId) -> Result<(), EngineError> {
        self.loaded.shift_remove(&id).map(|_| ()).ok_or(EngineError::NoAdapter(id))
    }
}

/// Characters of a name, as an experiment takes it.
const LONGEST_NAME: usize = 64;

/// `name`, with a number where it is `taken`; that is no reason for it to become too long.
pub(super) fn free_name(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| {
        let suffix = format!("_{number}");
        name.chars().take(LONGEST_NAME - suffix.len()).chain(suffix.chars()).collect()
    });
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// A name that files, paths and torch's modules can bear.
#[must_use]
pub fn cleaned(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    // One underscore for all that stands together and can't be borne, none at an end.
    let parts = name.split(|c| !allowed(c)).filter(|part| !part.is_empty());
    let name: String = parts.collect::<Vec<_>>().join("_").chars().take(LONGEST_NAME).collect();
    match name.as_str() {
        "" => "adapter".to_owned(),
        name if format::adapterhub::is_name(name) => name.to_owned(),
        reserved => format!("{reserved}_adapter"),
    }
}

/// Tasks by the names they usually go by, as AdapterHub groups them.
const TRACKS: [(&str, &[&str]); 5] = [
    ("NLI", &["mnli", "multinli", "snli", "nli", "rte", "qnli", "cb", "scitail", "sick", "anli", "wnli"]),
    ("paraphrase", &["mrpc", "qqp", "paws", "stsb", "sts", "paraphrase"]),
    ("sentiment", &["sst2", "sst", "mr", "cr", "imdb", "yelp", "rotten", "sentiment", "polarity", "mpqa"]),
    ("topic", &["agnews", "trec", "news", "topic"]),
    ("acceptability", &["cola"]),
];

/// The track that a task's name suggests; empty where it suggests none.
#[must_use]
pub fn proposed_track(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase().replace("sst-2", "sst2").replace("sts-b", "stsb").replace("ag_news", "agnews");
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let track = TRACKS.iter().find(|(_, tasks)| words.iter().any(|word| tasks.contains(word)));
    track.map_or("", |(track, _)| track)
}

impl Engine {
    pub(super) async fn open(
        &mut self,
        files: Vec<FileSource>,
        observer: &mut dyn Observer,
    ) -> Result<Opened, EngineError> {
        let files: Vec<_> = fetched(files)?.into_iter().map(|file| (file.path, file.bytes)).collect();
        observer.at(Phase::Read, 0, files.len()).await?;
        let found = format::detect(files, is_data_file);
        let mut opened = Opened::default();
        opened.problems.extend(found.problems.iter().map(|found| problem(&found.path, &found.error)));
        for plm in found.plms {
            let message = "this is a language model: drop its config.json, tokenizer.json and model.safetensors together and unpacked";
            opened.problems.push(problem(&plm.path, message));
        }
        for adapter in found.adapters {
            let path = adapter.path.clone();
            match self.fits(&adapter) {
                Ok(()) => {
                    let track = proposed_track(&adapter.name).to_owned();
                    let card = self.adapters.add(adapter, track, Origin::File);
                    opened.adapters.push(self.beside_others(card));
                }
                Err(error) => opened.problems.push(problem(&path, error)),
            }
        }
        for file in found.data {
            self.data.open(FileBytes { path: file.path, bytes: file.bytes }, &mut opened);
        }
        if opened == Opened::default() {
            opened.problems.extend(of_no_use(&found.ignored));
        }
        Ok(opened)
    }

    /// Whether an adapter can stand in the loaded PLM; without one, anything can.
    pub(super) fn fits(&self, adapter: &AdapterFile) -> Result<(), EngineError> {
        self.plm.as_ref().map_or(Ok(()), |plm| fits_plm(adapter, &plm.card))
    }

    /// Renames an adapter or puts it on a track.
    pub(super) fn edit_adapter(&mut self, edit: EditAdapter) -> Result<AdapterCard, EngineError> {
        let card = self.adapters.edit(edit)?;
        Ok(self.beside_others(card))
    }

    /// The card with a remark where its adapter was trained with another PLM, by its name, than the one that is loaded;
    /// where none is, than an adapter that was there before it.
    fn beside_others(&self, mut card: AdapterCard) -> AdapterCard {
        let is_other = |name: &str| !name.is_empty() && !short_name(&card.plm).eq_ignore_ascii_case(short_name(name));
        let remark = match &self.plm {
            _ if card.plm.is_empty() => None,
            Some(plm) => is_other(&plm.card.name)
                .then(|| format!("trained with {}; the model here is called {}", card.plm, plm.card.name)),
            None => {
                let before =
                    self.adapters.iter().take_while(|(id, _)| *id != card.id).map(|(_, adapter)| &adapter.file);
                let mut named = before.filter_map(|file| Some((&file.name, file.plm.model_name.as_deref()?)));
                named.find(|(_, plm)| is_other(plm)).map(|(name, plm)| {
                    format!(
                        "adapter {} was trained with {}, {name} with {plm}; adapters that are aligned or merged are of one \
                         model",
                        card.name, card.plm
                    )
                })
            }
        };
        card.remarks.extend(remark.map(one_line));
        card
    }

    /// The parameters of adapter `id`, for the loaded PLM.
    pub(super) fn adapter_params(&self, id: AdapterId) -> Result<&TensorSet, EngineError> {
        let adapter = self.adapters.get(id)?;
        self.fits(&adapter.file)?;
        Ok(&adapter.file.params)
    }
}

/// One line on files of which none was of use; nothing where there are none.
fn of_no_use(ignored: &[Ignored]) -> Option<Problem> {
    // What a system leaves in folders comes first, and is the least likely to have been meant.
    let named = ignored.last()?;
    let others = match ignored.len() - 1 {
        0 => String::new(),
        1 => ", and so is 1 other file".to_owned(),
        others => format!(", and so are {others} other files"),
    };
    Some(problem(&named.path, format!("of no use here: {}{others}", named.reason)))
}

/// Whether an adapter can stand in `plm`.
pub(super) fn fits_plm(adapter: &AdapterFile, plm: &PlmCard) -> Result<(), EngineError> {
    if adapter.plm.model_type != plm.family {
        return Err(EngineError::OtherFamily {
            adapter: adapter.name.clone(),
            adapter_family: adapter.plm.model_type.clone(),
            plm: plm.name.clone(),
            family: plm.family.clone(),
        });
    }
    let layers = adapter.layers();
    if adapter.plm.hidden_size == plm.hidden && layers == plm.layers {
        return Ok(());
    }
    Err(EngineError::OtherPlm {
        adapter: adapter.name.clone(),
        adapter_width: adapter.plm.hidden_size,
        adapter_layers: layers,
        plm: plm.name.clone(),
        width: plm.hidden,
        layers: plm.layers,
    })
}

/// The last part of a Hub id or a path.
fn short_name(name: &str) -> &str {
    name.trim_end_matches('/').rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_follow_from_names() {
        let tracks = ["sst-2", "distilbert_mnli", "paws", "my-own", "AG_NEWS", "smart"].map(proposed_track);
        assert_eq!(tracks, ["sentiment", "NLI", "paraphrase", "", "topic", ""]);
    }

    #[test]
    fn a_number_makes_no_name_too_long() {
        let long = "n".repeat(64);
        assert_eq!(free_name(&long, |_| false), long);
        let second = format!("{}_2", "n".repeat(62));
        assert_eq!(free_name(&long, |name| name == long), second);
        let tenth = |name: &str| !name.ends_with("_10");
        assert_eq!(free_name(&long, tenth), format!("{}_10", "n".repeat(61)));
        assert_eq!(free_name("nli", |name| name == "nli"), "nli_2");
    }

    #[test]
    fn names_fit_files() {
        assert_eq!(cleaned("nli/multi.v2"), "nli_multi_v2");
        assert_eq!(cleaned("MerA (of a + b)"), "MerA_of_a_b");
        assert_eq!(cleaned("__a__b_"), "__a__b_");
        assert_eq!(cleaned(""), "adapter");
        assert_eq!(["train", "half", "type"].map(cleaned), ["train_adapter", "half_adapter", "type_adapter"]);
    }
}
