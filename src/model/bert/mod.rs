//! The BERT encoder (Devlin et al. 2019) with places for adapters, as `transformers` computes it
//! (`models/bert/modeling_bert.py`), frozen.
//!
//! The embedding table stays on the CPU: a batch needs a few hundred of its 30,000 rows, so they are gathered there
//! and only they travel to the device.

mod config;
mod load;

pub use config::BertConfig;

use super::adapter::Sublayer;
use super::{LoadReport, ModelError};
use crate::tensors::TensorSet;
use crate::tensors::adapter::{Location, Site};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::{gelu, gelu_approximate, relu, softmax};
use burn::tensor::{Device, Tensor, TensorData};

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
    /// `rows · len`; 1 = real, 0 = padding.
    pub attention_mask: Vec<u32>,
}

/// The frozen encoder.
#[derive(Clone, Debug)]
pub struct Encoder {
    config: BertConfig,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    device: Device,
}

/// Rows of the three embedding tables, on the CPU, and the norm over their sum, on the device.
#[derive(Clone, Debug)]
struct Embeddings {
    word: Vec<f32>,
    position: Vec<f32>,
    token_type: Vec<f32>,
    norm: LayerNorm,
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

impl Encoder {
    /// Builds the encoder from the tensors of `model.safetensors` on `device`, which may be an autodiff device: no
    /// gradient is kept for what stands here. A prefix `bert.` of the names and heads on top are accepted.
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

    /// The device it stands on.
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
    /// When a token or the length is outside the tables.
    pub fn forward(&self, input: &EncoderInput, adapters: &impl Sublayer) -> Result<Tensor<3>, ModelError> {
        let mask = self.attention_bias(input);
        let hidden = self.embed(input)?;
        Ok(self
            .layers
            .iter()
            .enumerate()
            .fold(hidden, |hidden, (index, layer)| layer.forward(&self.config, index, hidden, mask.clone(), adapters)))
    }

    /// Hidden states after the embeddings and after every layer, as `transformers` gives them with
    /// `output_hidden_states=True`: `layers + 1` tensors of `[rows, len, hidden]`.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn hidden_states(&self, input: &EncoderInput, adapters: &impl Sublayer) -> Result<Vec<Tensor<3>>, ModelError> {
        let mask = self.attention_bias(input);
        let mut states = vec![self.embed(input)?];
        for (index, layer) in self.layers.iter().enumerate() {
            let hidden = states[index].clone();
            states.push(layer.forward(&self.config, index, hidden, mask.clone(), adapters));
        }
        Ok(states)
    }

    /// Word, position and segment embeddings, summed on the CPU, then normalised on the device.
    fn embed(&self, input: &EncoderInput) -> Result<Tensor<3>, ModelError> {
        let hidden = self.config.hidden_size;
        if input.len > self.config.max_position_embeddings {
            return Err(ModelError::TooLong { length: input.len, max: self.config.max_position_embeddings });
        }
        let mut values = Vec::with_capacity(input.rows * input.len * hidden);
        for (index, (&id, &segment)) in input.ids.iter().zip(&input.type_ids).enumerate() {
            let position = index % input.len;
            let row = |table: &[f32], row: usize| table.get(row * hidden..(row + 1) * hidden).map(<[f32]>::to_vec);
            let word = self.embeddings.word.get(id as usize * hidden..(id as usize + 1) * hidden);
            let (Some(word), Some(segment), Some(position)) =
                (word, row(&self.embeddings.token_type, segment as usize), row(&self.embeddings.position, position))
            else {
                return Err(ModelError::Token { id, vocabulary: self.config.vocab_size });
            };
            values.extend(word.iter().zip(&segment).zip(&position).map(|((w, s), p)| w + s + p));
        }
        let summed = Tensor::from_data(TensorData::new(values, [input.rows, input.len, hidden]), &self.device);
        Ok(self.embeddings.norm.forward(summed))
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

impl Layer {
    fn forward(
        &self,
        config: &BertConfig,
        index: usize,
        hidden: Tensor<3>,
        mask: Tensor<4>,
        adapters: &impl Sublayer,
    ) -> Tensor<3> {
        let attended = self.attention(config.num_attention_heads, hidden.clone(), mask);
        let at = |site| Location { layer: index, site };
        let attended = adapters.output(at(Site::Attention), attended, hidden, &self.attention_norm);
        let inner = self.intermediate.forward(attended.clone());
        let inner = match config.hidden_act.as_str() {
            "relu" => relu(inner),
            "gelu_new" | "gelu_pytorch_tanh" => gelu_approximate(inner),
            _ => gelu(inner),
        };
        let fed_forward = self.output.forward(inner);
        adapters.output(at(Site::Output), fed_forward, attended, &self.output_norm)
    }

    /// Scaled dot-product attention over `heads` heads, with its output projection.
    fn attention(&self, heads: usize, hidden: Tensor<3>, mask: Tensor<4>) -> Tensor<3> {
        let [rows, len, width] = hidden.dims();
        let head_width = width / heads;
        let split =
            self.query_key_value.forward(hidden).reshape([rows, len, 3 * heads, head_width]).permute([0, 2, 1, 3]);
        let [query, key, value] = [0, 1, 2].map(|part| split.clone().narrow(1, part * heads, heads));
        let scores = query.matmul(key.swap_dims(2, 3)) / (head_width as f64).sqrt() + mask;
        let context = softmax(scores, 3).matmul(value);
        self.attention_output.forward(context.permute([0, 2, 1, 3]).reshape([rows, len, width]))
    }
}
