//! The sample that the page opens with: `samples/index.json`.
//!
//! URLs are relative to the page. The alignment beside it, an [`AlignmentReport`] as JSON, was computed with the
//! adapters numbered in the manifest's order from its smallest id upwards; [`Sample::with_handles`] puts the handles
//! of the loaded adapters in their place.

use crate::protocol::*;
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
    /// The command that loads the model.
    #[must_use]
    pub fn open_plm(&self) -> OpenPlm {
        OpenPlm { name: self.plm.name.clone(), files: self.plm.files.iter().map(SampleFile::source).collect() }
    }

    /// The command that loads adapters and task.
    #[must_use]
    pub fn open(&self) -> Open {
        let task = SampleFile { path: self.task.path.clone(), url: self.task.url.clone() };
        let files = self.adapters.iter().flat_map(|adapter| &adapter.files).chain([&task]).chain(&self.task.test);
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
        ids.sort_unstable();
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
            // Another adapter may have the same name; its weights tell.
            let same = |card: &&AdapterCard| {
                card.name == sample.name && sample.card.as_ref().is_none_or(|known| known.sha256 == card.sha256)
            };
            loaded.iter().find(same).map(|card| card.id)
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
        assert_eq!(sample.open_plm().files.len(), 1);
        let FileSource::Url { url, .. } = &sample.open().files[1] else { panic!() };
        assert_eq!(url, "samples/subj/train.tsv");
        assert_eq!(sample.task_name(), "train");
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
