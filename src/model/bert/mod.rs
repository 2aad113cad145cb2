//! The BERT encoder (Devlin et al. 2019) with places for adapters, as `transformers` computes it
//! (`models/bert/modeling_bert.py`), frozen.
//!
//! The embedding table stays on the CPU: a batch needs a few hundred of its 30,000 rows, so they are gathered there
//! and only they travel to the device. Where a run trains the encoder itself, its weights take the place of the frozen
//! ones ([`Encoder::with_params`]), tables on the device among them.

mod config;
mod kept;
mod load;
mod trained;

pub use config::{BertConfig, HiddenAct};

use super::adapter::Sublayer;
use super::gelu::gelu;
use super::{LoadReport, ModelError};
use crate::tensors::TensorSet;
use crate::tensors::adapter::{Location, Site};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::{gelu_approximate, relu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use kept::Kept;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A batch of token sequences, padded to one length.
#[derive(Clone, Debug, Default)]
pub struct EncoderInput {
    /// Number of sequences.
    pub rows: usize,
    /// Tokens in each, padding included.
    pub len: usize,
    /// `rows · len` indices into the vocabulary.
    pub ids: Vec<u32>,
    /// `rows · len` segment numbers, 0 or 1.
    pub type_ids: Vec<u32>,
    /// `rows · len`; 1 = real, 0 = padding, which comes last.
    pub attention_mask: Vec<u32>,
}

/// The frozen encoder.
#[derive(Clone, Debug)]
pub struct Encoder {
    config: BertConfig,
    /// Of embeddings, in the order of [`TABLES`].
    tables: [Table; 3],
    /// Over the sum of embeddings.
    norm: LayerNorm,
    layers: Vec<Layer>,
    device: Device,
    /// What precedes the first adapter, by row; clones share it.
    kept: Option<Rc<RefCell<Kept>>>,
}

/// What the encoder came to before anything changes it.
struct Prefix {
    at: Location,
    /// What the sub-layer there gives and what went into it, added, `[rows, len, hidden]`.
    sum: Tensor<3>,
}

/// Which tokens are wanted of the last layer. Of the others it computes keys and values, a quarter of its work, and no
/// more: nothing reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    First,
}

/// The tables of embeddings, in the order in which their rows are summed.
const TABLES: [&str; 3] = [
    "embeddings.word_embeddings.weight",
    "embeddings.token_type_embeddings.weight",
    "embeddings.position_embeddings.weight",
];

/// A table of embeddings.
#[derive(Clone, Debug)]
enum Table {
    /// Frozen, on the CPU: `rows · hidden` values.
    Host(Arc<[f32]>),
    /// Of a run, on the device: `[rows, hidden]`.
    Device(Box<Tensor<2>>),
}

impl Table {
    fn rows(&self, hidden: usize) -> usize {
        match self {
            Table::Host(values) => values.len() / hidden.max(1),
            Table::Device(tensor) => tensor.dims()[0],
        }
    }
}

#[derive(Module, Debug)]
struct Layer {
    /// Query, key and value side by side, `[hidden, 3 · hidden]`: one launch instead of three.
    query_key_value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

/// What files call a layer's linear layers, those together whose weights stand side by side in one field.
const LINEARS: [&[&str]; 4] = [
    &["attention.self.query", "attention.self.key", "attention.self.value"],
    &["attention.output.dense"],
    &["intermediate.dense"],
    &["output.dense"],
];

/// What files call a layer's norms.
const NORMS: [&str; 2] = ["attention.output.LayerNorm", "output.LayerNorm"];

/// Full names of some of [`LINEARS`].
fn linear_names(layer: usize, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("encoder.layer.{layer}.{name}")).collect()
}

impl Encoder {
    /// Builds the encoder from the tensors of `model.safetensors` on `device`, without autodiff even where that has it:
    /// there softmax and norms are one kernel each, and what is trained brings autodiff along from where it joins. A
    /// prefix `bert.` of the names and heads on top are accepted.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` says.
    pub fn load(config: BertConfig, params: &TensorSet, device: &Device) -> Result<(Self, LoadReport), ModelError> {
        load::encoder(config, params, device)
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The device it stands on, without autodiff.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Hidden states of the last layer.
    ///
    /// # Shapes
    /// - output: `[rows, len, hidden]`
    ///
    /// # Errors
    /// When a token, a segment or the length is outside the tables.
    pub fn forward(&self, input: &EncoderInput, adapters: &impl Sublayer) -> Result<Tensor<3>, ModelError> {
        self.forward_from(None, input, adapters, Wanted::All)
    }

    /// From the place that `prefix` reaches, or from the start.
    fn forward_from(
        &self,
        prefix: Option<Prefix>,
        input: &EncoderInput,
        adapters: &impl Sublayer,
        wanted: Wanted,
    ) -> Result<Tensor<3>, ModelError> {
        let mask = self.attention_bias(input);
        let last = self.layers.len().saturating_sub(1);
        let (reached, mut hidden) = match prefix {
            Some(Prefix { at, sum }) => (Some(at), sum),
            None => (None, self.embed(input)?),
        };
        for (at, layer) in self.places().filter(|(at, _)| reached.is_none_or(|reached| *at >= reached)) {
            let wanted = if at.layer == last { wanted } else { Wanted::All };
            let sum = match reached == Some(at) {
                true => wanted.of(hidden),
                false => layer.sum(&self.config, at, hidden, &mask, adapters, wanted),
            };
            hidden = adapters.output(at, sum, layer.norm(at.site));
        }
        Ok(hidden)
    }

    /// Hidden states after the embeddings and after every layer, as `transformers` gives them with
    /// `output_hidden_states=True`: `layers + 1` tensors of `[rows, len, hidden]`.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn hidden_states(&self, input: &EncoderInput, adapters: &impl Sublayer) -> Result<Vec<Tensor<3>>, ModelError> {
        let mask = self.attention_bias(input);
        let mut hidden = self.embed(input)?;
        let mut states = vec![hidden.clone()];
        for (at, layer) in self.places() {
            let sum = layer.sum(&self.config, at, hidden, &mask, adapters, Wanted::All);
            hidden = adapters.output(at, sum, layer.norm(at.site));
            if at.site == Site::Output {
                states.push(hidden.clone());
            }
        }
        Ok(states)
    }

    /// The places where a sub-layer is closed, in order.
    fn places(&self) -> impl Iterator<Item = (Location, &Layer)> {
        let of_layer =
            |(index, layer)| [Site::Attention, Site::Output].map(|site| (Location { layer: index, site }, layer));
        self.layers.iter().enumerate().flat_map(of_layer)
    }

    /// Word, segment and position embeddings, summed (frozen ones on the CPU), then normalised on the device.
    fn embed(&self, input: &EncoderInput) -> Result<Tensor<3>, ModelError> {
        let (len, hidden) = (input.len, self.config.hidden_size);
        if len > self.config.max_position_embeddings {
            return Err(ModelError::TooLong { length: len, max: self.config.max_position_embeddings });
        }
        let tokens = input.rows * len;
        let positions: Vec<u32> = (0..tokens).map(|index| (index % len.max(1)) as u32).collect();
        let mut frozen = vec![0.0; tokens * hidden];
        let mut trained = Vec::new();
        let indices = [&input.ids, &input.type_ids, &positions];
        for ((table, name), ids) in self.tables.iter().zip(TABLES).zip(indices) {
            let rows = table.rows(hidden);
            if let Some(&row) = ids.iter().find(|&&id| id as usize >= rows) {
                return Err(ModelError::NoRow { table: name, row, rows });
            }
            match table {
                Table::Host(values) => {
                    for (sum, &id) in frozen.chunks_exact_mut(hidden).zip(ids) {
                        let row = &values[id as usize * hidden..][..hidden];
                        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                    }
                }
                Table::Device(table) => {
                    let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
                    let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [tokens]), &self.device);
                    trained.push(Tensor::clone(table).select(0, ids).reshape([input.rows, len, hidden]));
                }
            }
        }
        let frozen = Tensor::from_data(TensorData::new(frozen, [input.rows, len, hidden]), &self.device);
        Ok(self.norm.forward(trained.into_iter().fold(frozen, |sum, rows| sum + rows)))
    }

    /// What is added to attention scores: 0 for real tokens, a large negative number for padding.
    ///
    /// # Shapes
    /// - output: `[rows, 1, 1, len]`
    fn attention_bias(&self, input: &EncoderInput) -> Tensor<4> {
        let values: Vec<f32> = input.attention_mask.iter().map(|&real| if real == 1 { 0.0 } else { -1e9 }).collect();
        Tensor::from_data(TensorData::new(values, [input.rows, 1, 1, input.len]), &self.device)
    }
}

impl Wanted {
    /// Those of `hidden`, `[rows, len, hidden]`, where it may hold the first alone already.
    fn of(self, hidden: Tensor<3>) -> Tensor<3> {
        match self {
            Self::All => hidden,
            Self::First => hidden.narrow(1, 0, 1),
        }
    }
}

impl Layer {
    /// In the order of [`LINEARS`].
    fn linears(&self) -> [&Linear; 4] {
        [&self.query_key_value, &self.attention_output, &self.intermediate, &self.output]
    }

    fn linears_mut(&mut self) -> [&mut Linear; 4] {
        [&mut self.query_key_value, &mut self.attention_output, &mut self.intermediate, &mut self.output]
    }

    /// In the order of [`NORMS`].
    fn norms(&self) -> [&LayerNorm; 2] {
        [&self.attention_norm, &self.output_norm]
    }

    fn norms_mut(&mut self) -> [&mut LayerNorm; 2] {
        [&mut self.attention_norm, &mut self.output_norm]
    }

    /// That of the sub-layer at `site`.
    fn norm(&self, site: Site) -> &LayerNorm {
        match site {
            Site::Attention => &self.attention_norm,
            Site::Output => &self.output_norm,
        }
    }

    /// What the sub-layer at `at` gives and what went into it, added, of the tokens that are wanted.
    fn sum(
        &self,
        config: &BertConfig,
        at: Location,
        hidden: Tensor<3>,
        mask: &Tensor<4>,
        adapters: &impl Sublayer,
        wanted: Wanted,
    ) -> Tensor<3> {
        let (own, hidden) = match at.site {
            Site::Attention => {
                let added = adapters.projected(at.layer, &hidden);
                let own = self.attention(config.num_attention_heads, hidden.clone(), mask.clone(), added, wanted);
                (own, wanted.of(hidden))
            }
            Site::Output => {
                let hidden = wanted.of(hidden);
                (self.feed_forward(config, hidden.clone()), hidden)
            }
        };
        own + hidden
    }

    fn feed_forward(&self, config: &BertConfig, hidden: Tensor<3>) -> Tensor<3> {
        let inner = by_rows(&self.intermediate, hidden);
        let inner = match config.hidden_act {
            HiddenAct::Relu => relu(inner),
            HiddenAct::GeluNew => gelu_approximate(inner),
            HiddenAct::Gelu => gelu(inner),
        };
        by_rows(&self.output, inner)
    }

    /// Scaled dot-product attention over `heads` heads, with its output projection; `added` comes to query, key and
    /// value. The tokens that are wanted attend to all.
    fn attention(
        &self,
        heads: usize,
        hidden: Tensor<3>,
        mask: Tensor<4>,
        added: Option<Tensor<3>>,
        wanted: Wanted,
    ) -> Tensor<3> {
        let [rows, len, width] = hidden.dims();
        let head_width = width / heads;
        let projected = by_rows(&self.query_key_value, hidden);
        let projected = match added {
            Some(added) => projected + added,
            None => projected,
        };
        let split = projected.reshape([rows, len, 3 * heads, head_width]).permute([0, 2, 1, 3]);
        let [query, key, value] = [0, 1, 2].map(|part| split.clone().narrow(1, part * heads, heads));
        let (query, asking) = match wanted {
            Wanted::All => (query, len),
            Wanted::First => (query.narrow(2, 0, 1), 1),
        };
        let scores = query.matmul(key.swap_dims(2, 3)) / (head_width as f64).sqrt() + mask;
        let context = softmax(scores, 3).matmul(value);
        by_rows(&self.attention_output, context.permute([0, 2, 1, 3]).reshape([rows, asking, width]))
    }
}

/// `linear` of all tokens as one product of matrices, where burn may make one of each row: on the CPU the weights are
/// then laid out for the product once and not for every row.
///
/// # Shapes
/// - `x`: `[rows, len, input]`
/// - output: `[rows, len, output]`
fn by_rows(linear: &Linear, x: Tensor<3>) -> Tensor<3> {
    let [rows, len, input] = x.dims();
    let output = linear.weight.dims()[1];
    linear.forward(x.reshape([rows * len, input])).reshape([rows, len, output])
}
