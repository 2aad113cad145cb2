//! From the tensors of `model.safetensors` to the encoder.

use super::trained::EMBEDDINGS_NORM;
use super::{BertConfig, Encoder, LINEARS, Layer, NORMS, TABLES, Table, linear_names};
use crate::model::{LoadReport, ModelError};
use crate::tensors::{Tensor as Stored, TensorSet};
use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeSet;

/// Takes tensors by name, checks their shape and values, and remembers which were taken.
struct Source<'a> {
    params: &'a TensorSet,
    prefix: &'static str,
    device: &'a Device,
    applied: BTreeSet<String>,
}

/// See [`Encoder::load`].
pub(super) fn encoder(
    config: BertConfig,
    params: &TensorSet,
    device: &Device,
) -> Result<(Encoder, LoadReport), ModelError> {
    // A model saved with a head on top has its encoder under `bert.`.
    let prefix = if params.get("bert.embeddings.word_embeddings.weight").is_some() { "bert." } else { "" };
    let device = device.clone().inner();
    let mut source = Source { params, prefix, device: &device, applied: BTreeSet::new() };
    let hidden = config.hidden_size;
    let mut table = |index: usize, rows| -> Result<Table, ModelError> {
        Ok(Table::Host(source.take(TABLES[index], &[rows, hidden])?.values().into()))
    };
    let tables =
        [table(0, config.vocab_size)?, table(1, config.type_vocab_size)?, table(2, config.max_position_embeddings)?];
    let norm = source.norm(EMBEDDINGS_NORM, &config)?;
    let layers = (0..config.num_hidden_layers).map(|index| source.layer(index, &config)).collect::<Result<_, _>>()?;
    let unused = params.names().filter(|name| !source.applied.contains(*name)).map(str::to_owned).collect();
    let report = LoadReport { applied: source.applied.into_iter().collect(), unused };
    Ok((Encoder { config, tables, norm, layers, device, kept: None }, report))
}

impl Source<'_> {
    fn take(&mut self, name: &str, expected: &[usize]) -> Result<&Stored, ModelError> {
        let name = format!("{}{name}", self.prefix);
        let tensor = self.params.get(&name).ok_or_else(|| ModelError::Missing { name: name.clone() })?;
        if tensor.shape() != expected {
            return Err(ModelError::Shape { name, found: tensor.shape().to_vec(), expected: expected.to_vec() });
        }
        if let Some(index) = tensor.first_not_finite() {
            return Err(ModelError::NotFinite { name, index, value: tensor.values()[index].to_string() });
        }
        self.applied.insert(name);
        Ok(tensor)
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Tensor<1>, ModelError> {
        let device = self.device.clone();
        let values = self.take(name, &[len])?.values().to_vec();
        Ok(Tensor::from_data(TensorData::new(values, [len]), &device))
    }

    fn norm(&mut self, name: &str, config: &BertConfig) -> Result<LayerNorm, ModelError> {
        let gamma = self.vector(&format!("{name}.weight"), config.hidden_size)?;
        let beta = self.vector(&format!("{name}.bias"), config.hidden_size)?;
        let mut norm = LayerNormConfig::new(config.hidden_size).with_epsilon(config.layer_norm_eps).init(self.device);
        norm.gamma = Param::from_tensor(gamma);
        norm.beta = Some(Param::from_tensor(beta));
        Ok(norm.no_grad())
    }

    /// Several linear layers of one input as one, side by side. Files hold `[output, input]`, burn wants
    /// `[input, output]`; the transposition is done here, once, so that the device holds it contiguously.
    fn linear(&mut self, names: &[String], input: usize, output: usize) -> Result<Linear, ModelError> {
        let device = self.device.clone();
        let columns = names.len() * output;
        let mut weight = vec![0.0; input * columns];
        let mut bias = Vec::with_capacity(columns);
        for (part, name) in names.iter().enumerate() {
            let stored = self.take(&format!("{name}.weight"), &[output, input])?;
            for (row, values) in stored.values().chunks_exact(input).enumerate() {
                for (column, value) in values.iter().enumerate() {
                    weight[column * columns + part * output + row] = *value;
                }
            }
            bias.extend_from_slice(self.take(&format!("{name}.bias"), &[output])?.values());
        }
        let weight = Tensor::from_data(TensorData::new(weight, [input, columns]), &device);
        let bias = Tensor::from_data(TensorData::new(bias, [columns]), &device);
        Ok(Linear { weight: Param::from_tensor(weight), bias: Some(Param::from_tensor(bias)) }.no_grad())
    }

    fn layer(&mut self, index: usize, config: &BertConfig) -> Result<Layer, ModelError> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let [query_key_value, attention_output, intermediate, output] = LINEARS.map(|names| linear_names(index, names));
        let [attention_norm, output_norm] = NORMS.map(|name| format!("encoder.layer.{index}.{name}"));
        Ok(Layer {
            query_key_value: self.linear(&query_key_value, hidden, hidden)?,
            attention_output: self.linear(&attention_output, hidden, hidden)?,
            attention_norm: self.norm(&attention_norm, config)?,
            intermediate: self.linear(&intermediate, hidden, wide)?,
            output: self.linear(&output, wide, hidden)?,
            output_norm: self.norm(&output_norm, config)?,
        })
    }
}
