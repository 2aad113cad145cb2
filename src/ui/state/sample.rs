//! The sample that the page opens with: `samples/index.json`.
//!
//! URLs are relative to the page. The alignment beside it, an [`AlignmentReport`] as JSON, was computed with the
//! adapters numbered in the manifest's order from its smallest id upwards; [`Sample::with_handles`] puts the handles
//! of the loaded adapters in their place.

use crate::protocol::*;
use crate::viz::sort_by;
use serde::{Deserialize, Serialize};

/// What there is to open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The model.
    pub plm: SamplePlm,
    /// The adapters.
    pub adapters: Vec<SampleAdapter>,
    /// A few-shot task.
    pub task: SampleTask,
    /// URL of the alignment, relative to the manifest.
    pub alignment: String,
    /// Other models that are served, each with adapters for it.
    #[serde(default)]
    pub others: Vec<OtherPlm>,
}

/// A model beside the one that the page opens with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherPlm {
    /// The model.
    pub plm: SamplePlm,
    /// Adapters for it.
    pub adapters: Vec<SampleAdapter>,
}

/// A pretrained language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplePlm {
    /// Name to show.
    pub name: String,
    /// Where its files are.
    pub files: Vec<SampleFile>,
    /// What is known of it before it is loaded.
    #[serde(default)]
    pub card: Option<PlmCard>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleFile {
    /// The path it is to be known by.
    pub path: String,
    /// Relative to the page.
    pub url: String,
}

/// An adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleAdapter {
    /// Name, as the engine will find it.
    pub name: String,
    /// Family of tasks.
    pub track: String,
    /// Where its files are.
    pub files: Vec<SampleFile>,
    /// What is known of it before it is loaded.
    #[serde(default)]
    pub card: Option<AdapterCard>,
}

/// A few-shot task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleTask {
    /// The path it is to be known by.
    pub path: String,
    /// Relative to the page.
    pub url: String,
    /// Family of tasks.
    pub track: String,
    /// A file to judge on, where there is one of its own.
    #[serde(default)]
    pub test: Option<SampleFile>,
}

impl Sample {
    /// The names of the models that are served, first that of the sample.
    #[must_use]
    pub fn served(&self) -> Vec<String> {
        let others = self.others.iter().map(|other| &other.plm);
        [&self.plm].into_iter().chain(others).map(|plm| plm.name.clone()).collect()
    }

    /// The names of the folders in which those models lie, in the same order.
    #[must_use]
    pub fn folders(&self) -> Vec<String> {
        let others = self.others.iter().map(|other| &other.plm);
        let files = [&self.plm].into_iter().chain(others).filter_map(|plm| plm.files.first());
        files.filter_map(|file| file.url.rsplit('/').nth(1)).map(str::to_owned).collect()
    }

    /// The served model of this name; that of the sample where no other has it.
    #[must_use]
    pub fn plm_named(&self, name: &str) -> &SamplePlm {
        self.other(name).map_or(&self.plm, |other| &other.plm)
    }

    /// The adapters for the model of this name; those of the sample where no other model has it.
    #[must_use]
    pub fn adapters_for(&self, plm: Option<&str>) -> &[SampleAdapter] {
        plm.and_then(|name| self.other(name)).map_or(&self.adapters, |other| &other.adapters)
    }

    /// Whether an adapter is a sample for another model than the one of this name.
    #[must_use]
    pub fn is_for_another(&self, plm: &str, card: &AdapterCard) -> bool {
        let others = self.others.iter().flat_map(|other| &other.adapters);
        let ours = self.adapters_for(Some(plm));
        !ours.iter().any(|own| own.is(card)) && self.adapters.iter().chain(others).any(|sample| sample.is(card))
    }

    fn other(&self, name: &str) -> Option<&OtherPlm> {
        self.others.iter().find(|other| other.plm.name == name)
    }

    /// The command that loads these adapters, and the task where it is asked for.
    #[must_use]
    pub fn open(&self, adapters: &[SampleAdapter], task: bool) -> Open {
        let own = SampleFile { path: self.task.path.clone(), url: self.task.url.clone() };
        let task = [&own].into_iter().chain(&self.task.test).filter(|_| task);
        let files = adapters.iter().flat_map(|adapter| &adapter.files).chain(task);
        Open { files: files.map(SampleFile::source).collect() }
    }

    /// Name of the task's data set: its file's name without extension.
    #[must_use]
    pub fn task_name(&self) -> &str {
        stem(&self.task.path)
    }

    /// The handle that the precomputed alignment has for each adapter, in the manifest's order; `None` where the
    /// alignment is about other adapters than the manifest's.
    #[must_use]
    pub fn handles(&self, alignment: &AlignmentReport) -> Option<Vec<AdapterId>> {
        let mut ids: Vec<AdapterId> = alignment.asked.others.clone();
        ids.push(alignment.asked.reference);
        sort_by(&mut ids, AdapterId::cmp);
        ids.dedup();
        (ids.len() == self.adapters.len()).then_some(ids)
    }

    /// The precomputed alignment with the handles under which its adapters were loaded; `None` where one is missing.
    #[must_use]
    pub fn with_handles(&self, alignment: &AlignmentReport, loaded: &[AdapterCard]) -> Option<AlignmentReport> {
        let handles = self.handles(alignment)?;
        let now = |id: AdapterId| {
            let place = handles.iter().position(|&handle| handle == id)?;
            let sample = self.adapters.get(place)?;
            loaded.iter().find(|card| sample.is(card)).map(|card| card.id)
        };
        let mut report = alignment.clone();
        report.asked.reference = now(report.asked.reference)?;
        report.asked.others = report.asked.others.iter().map(|&id| now(id)).collect::<Option<_>>()?;
        for pair in &mut report.pairs {
            pair.other = now(pair.other)?;
        }
        Some(report)
    }

    /// Cards to show before the adapters are loaded, with the alignment's handles.
    #[must_use]
    pub fn cards(&self, alignment: Option<&AlignmentReport>) -> Vec<AdapterCard> {
        let handles = alignment.and_then(|alignment| self.handles(alignment));
        self.adapters
            .iter()
            .enumerate()
            .map(|(place, adapter)| {
                let id = handles.as_ref().map_or(AdapterId(place as u32), |handles| handles[place]);
                let named = AdapterCard {
                    id,
                    name: adapter.name.clone(),
                    track: adapter.track.clone(),
                    kind: String::new(),
                    origin: adapter.files.first().map(|file| file.url.clone()).unwrap_or_default(),
                    plm: self.plm.name.clone(),
                    bottleneck: vec![],
                    locations: vec![],
                    non_linearity: String::new(),
                    parameters: 0,
                    labels: vec![],
                    norms: vec![],
                    sha256: String::new(),
                    remarks: vec![],
                };
                adapter.card.clone().map_or(named, |card| AdapterCard { id, ..card })
            })
            .collect()
    }
}

impl SampleAdapter {
    /// Whether this is the adapter of that card. Another may have the same name: its weights tell.
    #[must_use]
    pub fn is(&self, card: &AdapterCard) -> bool {
        self.name == card.name && self.card.as_ref().is_none_or(|known| known.sha256 == card.sha256)
    }
}

impl SamplePlm {
    /// The command that loads it.
    #[must_use]
    pub fn open(&self) -> OpenPlm {
        OpenPlm { name: self.name.clone(), files: self.files.iter().map(SampleFile::source).collect() }
    }
}

impl SampleFile {
    fn source(&self) -> FileSource {
        FileSource::Url { path: self.path.clone(), url: self.url.clone() }
    }
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"{
        "plm": {"name": "tiny", "files": [{"path": "config.json", "url": "models/tiny/config.json"}]},
        "adapters": [
            {"name": "a", "track": "sentiment", "files": [{"path": "a/adapter_config.json", "url": "samples/a/adapter_config.json"}]},
            {"name": "b", "track": "nli", "files": []}
        ],
        "task": {"path": "subj/train.tsv", "url": "samples/subj/train.tsv", "track": "sentiment"},
        "alignment": "alignment.json"
    }"#;

    fn alignment(reference: u32, other: u32) -> AlignmentReport {
        AlignmentReport {
            asked: Align {
                reference: AdapterId(reference),
                others: vec![AdapterId(other)],
                by: AlignBy::Weights,
                solver: Solver::Exact,
                texts: Texts::None,
            },
            pairs: vec![PairAlignment { other: AdapterId(other), locations: vec![] }],
        }
    }

    #[test]
    fn the_manifest_names_what_to_open() {
        let sample: Sample = serde_json::from_str(INDEX).unwrap();
        assert_eq!(sample.plm.open().files.len(), 1);
        let FileSource::Url { url, .. } = &sample.open(&sample.adapters, true).files[1] else { panic!() };
        assert_eq!(url, "samples/subj/train.tsv");
        assert_eq!(sample.task_name(), "train");
    }

    #[test]
    fn a_second_model_brings_its_own_adapters() {
        let other = r#""others": [{"plm": {"name": "Half", "files": [{"path": "config.json", "url": "models/half/config.json"}]}, "adapters": [
            {"name": "c", "track": "nli", "files": [{"path": "c/adapter_config.json", "url": "samples/half/c/adapter_config.json"}]}]}],"#;
        let sample: Sample = serde_json::from_str(&INDEX.replacen('{', &format!("{{{other}"), 1)).unwrap();
        assert_eq!(sample.served(), ["tiny", "Half"]);
        assert_eq!(sample.folders(), ["tiny", "half"]);
        assert_eq!((sample.plm_named("tiny").name.as_str(), sample.plm_named("Half").name.as_str()), ("tiny", "Half"));
        assert_eq!(sample.adapters_for(Some("an own one")), sample.adapters);
        let [ours, theirs] = [&sample.adapters[0], &sample.others[0].adapters[0]].map(|adapter| {
            let named = sample.cards(None).swap_remove(0);
            AdapterCard { name: adapter.name.clone(), ..named }
        });
        assert!(sample.is_for_another("Half", &ours) && sample.is_for_another("tiny", &theirs));
        let own = AdapterCard { name: "own".into(), ..ours.clone() };
        assert!(!sample.is_for_another("tiny", &ours) && !sample.is_for_another("Half", &own));
        let open = sample.open(sample.adapters_for(Some("Half")), true);
        let urls = open.files.iter().map(|file| match file {
            FileSource::Url { url, .. } => url.as_str(),
            _ => panic!("{file:?}"),
        });
        assert_eq!(urls.collect::<Vec<_>>(), ["samples/half/c/adapter_config.json", "samples/subj/train.tsv"]);
    }

    #[test]
    fn the_precomputed_alignment_follows_the_loaded_handles() {
        let sample: Sample = serde_json::from_str(INDEX).unwrap();
        let stored = alignment(1, 0);
        let mut loaded = sample.cards(Some(&stored));
        assert_eq!(loaded.iter().map(|card| card.id.0).collect::<Vec<_>>(), [0, 1]);
        loaded[0].id = AdapterId(8);
        loaded[1].id = AdapterId(7);
        let now = sample.with_handles(&stored, &loaded).unwrap();
        assert_eq!((now.asked.reference, now.pairs[0].other), (AdapterId(7), AdapterId(8)));
        assert_eq!(sample.with_handles(&stored, &loaded[..1]), None);
        let mut known = sample.clone();
        known.adapters[0].card = Some(AdapterCard { sha256: "another".into(), ..loaded[0].clone() });
        assert_eq!(known.with_handles(&stored, &loaded), None, "the same name is not the same adapter");
    }
}
