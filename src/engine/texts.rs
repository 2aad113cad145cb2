//! What adapters see when texts run through the frozen model: the inputs x of every location, token by token.

use super::{Engine, EngineError, Observer};
use crate::model::params::read;
use crate::model::{AdapterForm, BottleneckAdapters, Recorder, RunParams, Sublayer};
use crate::protocol::{AdapterId, Phase, Texts};
use crate::tensors::adapter::{Location, Part};
use crate::text::{Batch, EncodedRow, Fill, Order, Shape, batch};
use crate::train::{LabelledInput, TrainError};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Rows a batch; texts are few.
const ROWS: usize = 16;

/// At most this many texts are read: two hundred are enough for alignment and distances, measured.
pub const MAX_TEXTS: usize = 256;

/// At most this many tokens are kept, evenly over the texts.
const MAX_TOKENS: usize = 2048;

/// At most so many bytes of what adapters saw are kept to be looked at again: of twenty adapters of a small model, of
/// five of a large one.
const MAX_BYTES: usize = 384 << 20;

/// One text or a pair.
type Text = (String, Option<String>);

/// What adapters saw in the texts that were asked about last.
#[derive(Debug, Default)]
pub(super) struct ObservedTexts {
    texts: Vec<Text>,
    by_adapter: BTreeMap<AdapterId, Rc<Observed>>,
}

/// What one adapter saw, in its own forward pass.
#[derive(Debug)]
pub(super) struct Observed {
    /// The tokens of each text.
    pub(super) tokens: Vec<Vec<String>>,
    pub(super) seen: Seen,
}

/// What went into the adapters of one forward pass.
#[derive(Debug)]
pub(super) struct Seen {
    /// Width of the hidden states.
    pub(super) hidden: usize,
    /// Row and token of every row of `inputs`.
    pub(super) places: Vec<(usize, usize)>,
    /// `[places, hidden]` by location.
    pub(super) inputs: BTreeMap<Location, Vec<f32>>,
}

/// Encoded texts to be run through the model.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) encoded: &'a [EncodedRow],
    /// Which of them.
    pub(super) rows: &'a [usize],
    /// Tokens, at most.
    pub(super) max_length: usize,
    pub(super) pad_id: u32,
}

impl ObservedTexts {
    /// The adapter is gone.
    pub(super) fn forget(&mut self, id: AdapterId) {
        self.by_adapter.remove(&id);
    }
}

impl Observed {
    fn bytes(&self) -> usize {
        self.seen.inputs.values().map(|values| size_of_val(values.as_slice())).sum()
    }
}

impl Engine {
    /// The texts that `texts` stands for.
    pub(super) fn resolve(&self, texts: &Texts, what: &'static str) -> Result<Vec<Text>, EngineError> {
        let resolved: Vec<Text> = match texts {
            Texts::None => Vec::new(),
            Texts::Lines(lines) => lines
                .iter()
                .map(|line| line.trim_end())
                .filter(|line| !line.trim().is_empty())
                .map(|line| match line.split_once('\t') {
                    Some((first, second)) => (first.to_owned(), Some(second.to_owned())),
                    None => (line.to_owned(), None),
                })
                .collect(),
            Texts::Episode(spec) => {
                let [support, dev, _] = self.data.rows(spec)?;
                let row = |&(id, row): &_| self.data.row(id, row).map(|row| (row.text1, row.text2));
                support.iter().chain(&dev).map(row).collect::<Result<_, _>>()?
            }
        };
        if resolved.is_empty() {
            return Err(EngineError::NoTexts(what));
        }
        Ok(evenly(resolved, MAX_TEXTS))
    }

    /// Runs the texts through the model with adapter `id` in it, dropout off; remembered until other texts are asked
    /// about.
    ///
    /// # Errors
    /// When what an adapter sees is no finite number, there are no texts, it is cancelled or the device fails.
    pub(super) async fn observe(
        &mut self,
        id: AdapterId,
        texts: &Texts,
        what: &'static str,
        observer: &mut dyn Observer,
    ) -> Result<Rc<Observed>, EngineError> {
        let resolved = self.resolve(texts, what)?;
        if self.texts.texts != resolved {
            self.texts = ObservedTexts { texts: resolved, by_adapter: BTreeMap::new() };
        }
        if let Some(observed) = self.texts.by_adapter.get(&id) {
            return Ok(observed.clone());
        }
        let observed = Rc::new(self.observe_now(id, observer).await?);
        let bytes: usize = self.texts.by_adapter.values().map(|kept| kept.bytes()).sum();
        if bytes + observed.bytes() > MAX_BYTES {
            self.texts.by_adapter.clear();
        }
        self.texts.by_adapter.insert(id, observed.clone());
        Ok(observed)
    }

    async fn observe_now(&self, id: AdapterId, observer: &mut dyn Observer) -> Result<Observed, EngineError> {
        let plm = self.plm()?;
        let tokenizer = &plm.tokenizer;
        let AdapterForm { non_linearity, scaling } = self.adapters.get(id)?.form()?;
        let params = RunParams::stack(&[self.adapter_params(id)?], &self.device.clone().inner())?;
        let adapters = BottleneckAdapters { params: &params, non_linearity, scaling };
        let mut encoded = Vec::new();
        let mut tokens = Vec::new();
        for (text1, text2) in &self.texts.texts {
            let encoding = tokenizer.encode(text1, text2.as_deref())?;
            tokens.push(tokenizer.tokens(text1, text2.as_deref())?.into_iter().map(|token| token.text).collect());
            encoded.push(EncodedRow { encoding, label: None });
        }
        let rows: Vec<usize> = (0..encoded.len()).collect();
        let (max_length, pad_id) = (tokenizer.max_length(), tokenizer.pad_id());
        let rows = Rows { encoded: &encoded, rows: &rows, max_length, pad_id };
        let sits = |location: Location| params.get(&location.param(Part::DownWeight)).is_some();
        let name = &self.adapters.get(id)?.file.name;
        Ok(Observed { tokens, seen: self.seen((name, &adapters), sits, rows, observer).await? })
    }

    /// What goes into the adapters called `name` where they sit, when `rows` run through the model with them in it;
    /// dropout off.
    ///
    /// # Errors
    /// When what they see is no finite number, it is cancelled or the device fails.
    pub(super) async fn seen(
        &self,
        (name, adapters): (&str, &impl Sublayer),
        sits: impl Fn(Location) -> bool,
        Rows { encoded, rows, max_length, pad_id }: Rows<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Seen, EngineError> {
        let plm = self.plm()?;
        let length = |row: usize| encoded.get(row).map_or(0, |row| row.encoding.len());
        let every = stride(rows.iter().map(|&row| length(row)).sum(), MAX_TOKENS);
        let hidden = plm.card.hidden;
        let shape = Shape { rows: ROWS, max_len: max_length, fill: Fill::Full };
        let plan = batch::plan(encoded, rows, shape, Order::ByLength).map_err(TrainError::from)?;
        let mut places = Vec::new();
        let mut inputs: BTreeMap<Location, Vec<f32>> = BTreeMap::new();
        let mut tokens = 0;
        for (done, sources) in plan.iter().enumerate() {
            observer.at(Phase::Features, done, plan.len()).await?;
            let batch = Batch::assemble(encoded, sources, shape, pad_id).map_err(TrainError::from)?;
            let len = batch.len;
            let batch = LabelledInput::stack(&[batch], pad_id);
            let recorder = Recorder::new(adapters);
            plm.encoder.forward_kept(&batch.input, &recorder).await?;
            let mut kept = Vec::new();
            for (place, &row) in sources.iter().enumerate() {
                for index in 0..length(row) {
                    if tokens % every == 0 {
                        kept.push(place * len + index);
                        places.push((row, index));
                    }
                    tokens += 1;
                }
            }
            for (location, tensor) in recorder.into_seen().into_iter().filter(|(location, _)| sits(*location)) {
                let values = read(tensor).await?;
                let rows = kept.iter().flat_map(|&row| &values[row * hidden..(row + 1) * hidden]);
                inputs.entry(location).or_default().extend(rows);
            }
        }
        for (location, values) in &inputs {
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                let (text, token) = places.get(index / hidden.max(1)).copied().unwrap_or_default();
                return Err(EngineError::NotFinite {
                    adapter: name.to_owned(),
                    value: values[index],
                    place: format!("at {location}, token {} of text {}", token + 1, text + 1),
                });
            }
        }
        Ok(Seen { hidden, places, inputs })
    }
}

/// Which of `all` tokens are kept so that there are at most `most`: the first of each so many. Texts are cut at a power
/// of two, and an even stride would meet the same few places in each of those that are cut; of 2 that is still half.
pub(super) fn stride(all: usize, most: usize) -> usize {
    let every = all.div_ceil(most).max(1);
    if every > 2 { every | 1 } else { every }
}

/// At most `most` of them, taken evenly: a set may be sorted by its labels.
pub(super) fn evenly<T>(texts: Vec<T>, most: usize) -> Vec<T> {
    let all = texts.len();
    let is_kept = |place: usize| all <= most || (place * most) / all != ((place + 1) * most) / all;
    texts.into_iter().enumerate().filter(|(place, _)| is_kept(*place)).map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_texts_cut_at_one_length_no_place_is_left_out() {
        const LENGTH: usize = 128;
        let places = |texts: usize, adapters: usize| {
            let kept: Vec<usize> = (0..texts * LENGTH).step_by(stride(texts * LENGTH, MAX_TOKENS)).collect();
            let every = stride(adapters * kept.len(), MAX_TOKENS);
            let places = kept.into_iter().step_by(every).map(|token| token % LENGTH);
            places.collect::<std::collections::BTreeSet<_>>().len()
        };
        for (texts, adapters) in [(64, 2), (64, 4), (64, 8), (256, 2), (256, 4), (256, 8)] {
            assert!(places(texts, adapters) >= LENGTH / 2, "{texts} texts, {adapters} adapters");
        }
        assert_eq!([0, 2048, 2049, 4096, 4097, 8192].map(|all| stride(all, 2048)), [1, 1, 2, 2, 3, 5]);
    }

    #[test]
    fn of_too_many_texts_some_of_every_part_are_kept() {
        assert_eq!(evenly(vec![1, 2, 3], 3), [1, 2, 3]);
        assert_eq!(evenly((0..10).collect(), 4), [2, 4, 7, 9]);
        let kept = evenly((0..1000).collect(), MAX_TEXTS);
        assert_eq!(kept.len(), MAX_TEXTS);
        assert_eq!(kept.iter().filter(|&&text| text < 500).count(), MAX_TEXTS / 2);
    }
}
