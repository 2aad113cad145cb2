//! What the frozen encoder computes before the first adapter: the same for a row in every run, epoch and evaluation, so
//! it is computed once and kept.
//!
//! A row is computed without padding, among rows of its length only, so that what is kept does not depend on the batch
//! that asked first. It is kept on the CPU and travels to the device with a batch, as embeddings do.

use super::{Encoder, EncoderInput, Prefix, Wanted};
use crate::model::ModelError;
use crate::model::adapter::{NoAdapters, Sublayer};
use crate::model::params::read;
use crate::tensors::adapter::Location;
use burn::tensor::{Tensor, TensorData};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// Rows computed at once, at most: enough to keep a device busy, little memory.
const TOGETHER: usize = 16;

/// A row's tokens without padding, and the place up to which it is computed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    at: Location,
    ids: Vec<u32>,
    type_ids: Vec<u32>,
}

/// The sums at a place of some rows, `tokens · hidden` values each; the oldest give way where there is no room.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Values that could still be taken in.
    room: usize,
    sums: BTreeMap<Rc<Row>, Rc<[f32]>>,
    oldest_first: VecDeque<Rc<Row>>,
    /// Rows that were computed so far, those that gave way among them.
    #[cfg(test)]
    computed: usize,
}

impl Kept {
    fn add(&mut self, row: Rc<Row>, sum: Rc<[f32]>) {
        #[cfg(test)]
        {
            self.computed += 1;
        }
        while self.room < sum.len() {
            let Some(oldest) = self.oldest_first.pop_front() else { return };
            self.room += self.sums.remove(&oldest).map_or(0, |sum| sum.len());
        }
        self.room -= sum.len();
        self.oldest_first.push_back(row.clone());
        self.sums.insert(row, sum);
    }
}

impl Encoder {
    /// The same encoder, which from now on keeps what precedes the first adapter, in at most `bytes`.
    #[must_use]
    pub fn keeping(self, bytes: usize) -> Self {
        let kept = Kept { room: bytes / size_of::<f32>(), ..Kept::default() };
        Self { kept: Some(Rc::new(RefCell::new(kept))), ..self }
    }

    /// The same encoder, which keeps nothing: for rows that are seen once or are too many.
    #[must_use]
    pub fn without_keeping(&self) -> Self {
        Self { kept: None, ..self.clone() }
    }

    /// As [`Self::forward`], but for what is kept and for rounding. Padded positions hold other numbers, which real ones
    /// do not see.
    ///
    /// # Errors
    /// As [`Self::forward`], and when the device fails.
    pub async fn forward_kept(&self, input: &EncoderInput, adapters: &impl Sublayer) -> Result<Tensor<3>, ModelError> {
        self.continued(input, adapters, Wanted::All).await
    }

    /// Hidden states of the first tokens after the last layer, which are all that a head reads: as those of
    /// [`Self::forward_kept`], but for rounding, at three quarters of a layer less.
    ///
    /// # Shapes
    /// - output: `[rows, 1, hidden]`
    ///
    /// # Errors
    /// As [`Self::forward_kept`].
    pub async fn first_tokens(&self, input: &EncoderInput, adapters: &impl Sublayer) -> Result<Tensor<3>, ModelError> {
        self.continued(input, adapters, Wanted::First).await
    }

    /// From what is kept.
    async fn continued(
        &self,
        input: &EncoderInput,
        adapters: &impl Sublayer,
        wanted: Wanted,
    ) -> Result<Tensor<3>, ModelError> {
        let last = Location::output(self.layers.len().saturating_sub(1));
        let prefix = match (&self.kept, adapters.first(last)) {
            (Some(kept), Some(at)) => Some(self.prefix(kept, input, at).await?),
            _ => None,
        };
        self.forward_from(prefix, input, adapters, wanted)
    }

    /// How many rows were computed so far, and how many are kept.
    #[cfg(test)]
    pub(crate) fn kept_rows(&self) -> (usize, usize) {
        self.kept.as_ref().map_or((0, 0), |kept| (kept.borrow().computed, kept.borrow().sums.len()))
    }

    async fn prefix(&self, kept: &RefCell<Kept>, input: &EncoderInput, at: Location) -> Result<Prefix, ModelError> {
        let rows = rows(input, at);
        let mut sums: Vec<Option<Rc<[f32]>>> = rows.iter().map(|row| kept.borrow().sums.get(row).cloned()).collect();
        let missing = rows.iter().zip(&sums).filter(|(_, sum)| sum.is_none()).map(|(row, _)| row.clone());
        let new = self.sums(missing.collect()).await?;
        for (row, sum) in rows.iter().zip(&mut sums).filter(|(_, sum)| sum.is_none()) {
            *sum = new.get(row).cloned();
        }
        for (row, sum) in new {
            kept.borrow_mut().add(row, sum);
        }
        // Zeros where a row is padded.
        let hidden = self.config.hidden_size;
        let mut values = Vec::with_capacity(input.rows * input.len * hidden);
        for (place, sum) in sums.iter().enumerate() {
            values.extend_from_slice(sum.as_deref().unwrap_or_default());
            values.resize((place + 1) * input.len * hidden, 0.0);
        }
        let sum = Tensor::from_data(TensorData::new(values, [input.rows, input.len, hidden]), &self.device);
        Ok(Prefix { at, sum })
    }

    /// The sums of `rows`, all up to the same place.
    async fn sums(&self, mut rows: Vec<Rc<Row>>) -> Result<BTreeMap<Rc<Row>, Rc<[f32]>>, ModelError> {
        rows.sort_by(|a, b| (a.ids.len(), a).cmp(&(b.ids.len(), b)));
        rows.dedup();
        let hidden = self.config.hidden_size;
        let same_length = rows.chunk_by(|a, b| a.ids.len() == b.ids.len());
        let sum = |rows: &[Rc<Row>]| {
            self.sum(rows).map(|sum| {
                let [rows, len, hidden] = sum.dims();
                sum.reshape([rows * len, hidden])
            })
        };
        let tokens = same_length.flat_map(|rows| rows.chunks(TOGETHER)).map(sum).collect::<Result<Vec<_>, _>>()?;
        if tokens.is_empty() {
            return Ok(BTreeMap::new());
        }
        // Read back once.
        let values = read(Tensor::cat(tokens, 0)).await?;
        let mut rest = values.as_slice();
        let mut sums = BTreeMap::new();
        for row in rows {
            let (own, others) = rest.split_at((row.ids.len() * hidden).min(rest.len()));
            sums.insert(row, own.into());
            rest = others;
        }
        Ok(sums)
    }

    /// The sums of rows of one length, up to the same place: `[rows, len, hidden]`.
    fn sum(&self, rows: &[Rc<Row>]) -> Result<Tensor<3>, ModelError> {
        let len = rows.first().map_or(0, |row| row.ids.len());
        let input = EncoderInput {
            rows: rows.len(),
            len,
            ids: rows.iter().flat_map(|row| row.ids.iter().copied()).collect(),
            type_ids: rows.iter().flat_map(|row| row.type_ids.iter().copied()).collect(),
            attention_mask: vec![1; rows.len() * len],
        };
        let mask = self.attention_bias(&input);
        let reached = rows.first().map(|row| row.at);
        let mut hidden = self.embed(&input)?;
        for (at, layer) in self.places() {
            hidden = layer.sum(&self.config, at, hidden, &mask, &NoAdapters, Wanted::All);
            if reached == Some(at) {
                break;
            }
            hidden = NoAdapters.output(at, hidden, layer.norm(at.site));
        }
        Ok(hidden)
    }
}

/// The rows of a batch without their padding.
fn rows(input: &EncoderInput, at: Location) -> Vec<Rc<Row>> {
    let row = |row: usize| {
        let all = row * input.len..(row + 1) * input.len;
        let real = input.attention_mask[all.clone()].iter().filter(|&&real| real == 1).count();
        let own = all.start..all.start + real;
        Rc::new(Row { at, ids: input.ids[own.clone()].to_vec(), type_ids: input.type_ids[own].to_vec() })
    };
    (0..input.rows).map(row).collect()
}
