//! Data sets and the episodes drawn from them.

use super::adapters::free_name;
use super::told::problem;
use super::{Engine, EngineError, Observer, fetched_file, one_line, proposed_track};
use crate::protocol::{DataCard, DataId, EpisodeCard, EpisodeSpec, FileBytes, OpenData, Opened, Row, UnmappedData};
use crate::text::{
    Column, Columns, DataError, DataFormat, Dataset, EncodedRow, Episode, Problem as DataProblem, class_ids, judges,
};
use crate::train::RunData;
use indexmap::IndexMap;
use std::rc::Rc;

/// Whether a file called `name` is a data set by its ending; one that is named as a data set may have any.
#[must_use]
pub fn is_data_file(name: &str) -> bool {
    DataFormat::by_name(name).is_some()
}

/// The loaded data sets.
#[derive(Clone, Debug, Default)]
pub struct DataSets {
    loaded: IndexMap<DataId, LoadedData>,
}

#[derive(Clone, Debug)]
struct LoadedData {
    dataset: Dataset,
    /// No other has it.
    name: String,
    /// Of the file.
    sha256: String,
}

/// An episode, ready to be learned.
pub(super) struct PreparedEpisode {
    /// Rows in the order support, dev, test, encoded.
    pub(super) run_data: Rc<RunData>,
    /// Numbers of the test rows among them.
    pub(super) test: Vec<usize>,
    /// The rows themselves, in the same order.
    pub(super) rows: Vec<Row>,
    /// The labels in order.
    pub(super) labels: Vec<String>,
}

impl PreparedEpisode {
    /// The rows of support and dev with their labels: what may be looked at before the test.
    pub(super) fn seen(&self) -> (Vec<usize>, Vec<usize>) {
        let data = &self.run_data;
        let rows = data.support.iter().chain(&data.dev);
        rows.filter_map(|&row| Some((row, data.encoded.get(row)?.label? as usize))).unzip()
    }
}

impl DataSets {
    /// Takes a data set in; a name that is taken gets a number.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn add(&mut self, path: &str, bytes: &[u8]) -> Result<DataCard, DataError> {
        Ok(self.keep(path, bytes, Dataset::read(path, bytes, &Columns::default())?))
    }

    /// Takes a data set in to learn from. One whose labels or texts are not where they are looked for is among the
    /// problems, and with its columns among the unmapped.
    pub(super) fn open(&mut self, file: FileBytes, opened: &mut Opened) {
        let read = Dataset::read(&file.path, &file.bytes, &Columns::default());
        let wrong = match read {
            Ok(dataset) if dataset.labels.is_empty() => DataProblem::Unlabelled { columns: dataset.columns },
            Ok(dataset) => return opened.data.push(self.keep(&file.path, &file.bytes, dataset)),
            Err(error) => error.problem,
        };
        opened.problems.push(problem(&file.path, &wrong));
        if matches!(wrong, DataProblem::Unlabelled { .. } | DataProblem::NoColumn { .. })
            && let Ok((columns, example)) = Dataset::preview(&file.path, &file.bytes)
        {
            opened.unmapped.push(UnmappedData { file, columns, example });
        }
    }

    fn keep(&mut self, path: &str, bytes: &[u8], dataset: Dataset) -> DataCard {
        let id = DataId(self.loaded.len() as u32);
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let name = free_name(&one_line(stem), |name| self.loaded.values().any(|data| data.name == name));
        let card = DataCard {
            id,
            name: name.clone(),
            path: path.to_owned(),
            rows: dataset.rows.len(),
            labels: dataset.labels.iter().cloned().zip(dataset.counts()).collect(),
            pairs: dataset.is_pair(),
            track: proposed_track(path).to_owned(),
        };
        self.loaded.insert(id, LoadedData { dataset, name, sha256: crate::format::sha256_hex(bytes) });
        card
    }

    /// The data set `id`.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, id: DataId) -> Result<&Dataset, EngineError> {
        self.loaded.get(&id).map(|data| &data.dataset).ok_or(EngineError::NoData(id))
    }

    /// The data set `id`, which judges what is learned from `dataset`: the same labels, texts of the same kind.
    /// Rows without a label judge nothing; there must be others.
    pub(super) fn get_like(&self, id: DataId, dataset: &Dataset) -> Result<&Dataset, EngineError> {
        let test = self.get(id)?;
        test.check_any_label()?;
        test.label_ids_among(&dataset.labels)?;
        if test.is_pair() != dataset.is_pair() {
            let kind = |pair| if pair { "pairs of texts" } else { "single texts" };
            let error = format!("it has {}, {} has {}", kind(test.is_pair()), dataset.name, kind(dataset.is_pair()));
            return Err(EngineError::Labels { test: test.name.clone(), error });
        }
        Ok(test)
    }

    /// SHA-256 of its file.
    pub(super) fn sha256(&self, id: DataId) -> &str {
        self.loaded.get(&id).map_or("", |data| &data.sha256)
    }

    /// Which rows an episode takes: support, dev, test, each with its data set.
    pub(super) fn rows(&self, spec: &EpisodeSpec) -> Result<[Vec<(DataId, usize)>; 3], EngineError> {
        let dataset = self.get(spec.data)?;
        dataset.check_labels()?;
        let episode = Episode::draw(dataset, spec.k, spec.seed)?;
        let (judging, rows) = match spec.test {
            None => (spec.data, episode.rest),
            Some(id) => (id, (0..self.get_like(id, dataset)?.rows.len()).collect()),
        };
        let test = judges(rows, spec.test_rows, spec.seed);
        let of = |id: DataId, rows: Vec<usize>| rows.into_iter().map(|row| (id, row)).collect();
        Ok([of(spec.data, episode.support), of(spec.data, episode.dev), of(judging, test)])
    }

    pub(super) fn row(&self, id: DataId, row: usize) -> Result<Row, EngineError> {
        let example = self.get(id)?.rows.get(row).ok_or(EngineError::NoData(id))?;
        Ok(Row {
            row,
            label: example.label.clone().unwrap_or_default(),
            text1: example.text1.clone(),
            text2: example.text2.clone(),
        })
    }
}

impl Engine {
    /// Takes a data set in that does not come from a file dropped.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn add_data(&mut self, path: &str, bytes: &[u8]) -> Result<DataCard, EngineError> {
        Ok(self.data.add(path, bytes)?)
    }

    pub(super) fn open_data(&mut self, open: OpenData) -> Result<DataCard, EngineError> {
        let FileBytes { path, bytes } = fetched_file(open.file)?;
        let Some(columns) = open.columns else { return self.add_data(&path, &bytes) };
        let columns = Columns {
            label: Column::Named(columns.label),
            text1: columns.text1,
            text2: columns.text2.map_or(Column::Unused, Column::Named),
        };
        let dataset = Dataset::read(&path, &bytes, &columns)?;
        dataset.check_labels()?;
        Ok(self.data.keep(&path, &bytes, dataset))
    }

    pub(super) async fn draw_episode(
        &self,
        spec: &EpisodeSpec,
        observer: &mut dyn Observer,
    ) -> Result<EpisodeCard, EngineError> {
        let parts = self.data.rows(spec)?;
        let labels = self.data.get(spec.data)?.labels.clone();
        let tokenizer = self.plm.as_ref().map(|plm| plm.tokenizer(spec.max_length)).transpose()?;
        let mut truncated = 0;
        let mut drawn: [Vec<Row>; 3] = Default::default();
        let total = parts.iter().map(Vec::len).sum();
        let mut done = 0;
        for (part, drawn) in parts.iter().zip(&mut drawn) {
            for &(id, row) in part {
                observer.between_rows(done, total).await?;
                done += 1;
                let row = self.data.row(id, row)?;
                if let Some(tokenizer) = &tokenizer {
                    truncated += usize::from(tokenizer.encode(&row.text1, row.text2.as_deref())?.truncated);
                }
                drawn.push(row);
            }
        }
        let [support, dev, test] = drawn;
        let counts = labels.iter().map(|label| test.iter().filter(|row| row.label == *label).count());
        let (most, labelled) = counts.fold((0, 0), |(most, sum), count| (most.max(count), sum + count));
        Ok(EpisodeCard {
            support,
            dev: dev.len(),
            test: test.len(),
            majority: most as f32 / labelled.max(1) as f32,
            truncated,
            labels,
        })
    }

    pub(super) async fn prepare_episode(
        &self,
        spec: &EpisodeSpec,
        observer: &mut dyn Observer,
    ) -> Result<PreparedEpisode, EngineError> {
        let plm = self.plm()?;
        let tokenizer = plm.tokenizer(spec.max_length)?;
        let labels = self.data.get(spec.data)?.labels.clone();
        let ids = class_ids(&labels);
        let parts = self.data.rows(spec)?;
        let mut encoded = Vec::new();
        let mut rows = Vec::new();
        let mut numbers: [Vec<usize>; 3] = Default::default();
        let total = parts.iter().map(Vec::len).sum();
        for (part, numbers) in parts.iter().zip(&mut numbers) {
            for &(id, row) in part {
                observer.between_rows(encoded.len(), total).await?;
                let row = self.data.row(id, row)?;
                let encoding = tokenizer.encode(&row.text1, row.text2.as_deref())?;
                let label = ids.get(row.label.as_str()).copied();
                numbers.push(encoded.len());
                encoded.push(EncodedRow { encoding, label });
                rows.push(row);
            }
        }
        let [support, dev, test] = numbers;
        let run_data = RunData {
            encoded,
            support,
            dev,
            classes: labels.len(),
            pad_id: tokenizer.pad_id(),
            max_length: tokenizer.max_length(),
        };
        Ok(PreparedEpisode { run_data: Rc::new(run_data), test, rows, labels })
    }
}
