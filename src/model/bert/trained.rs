//! The encoder as something to train: its weights read out, to start a run from, and a run's weights put in their place.

use super::{Encoder, LINEARS, NORMS, TABLES, Table, linear_names};
use crate::model::params::read;
use crate::model::{ModelError, RunParams};
use crate::tensors::{Tensor as Stored, TensorSet};
use burn::module::{Param, ParamId};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;

impl Encoder {
    /// All its weights under the names and in the layout of `model.safetensors`, without the prefix that a model with
    /// a head has.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn params(&self) -> Result<TensorSet, ModelError> {
        let hidden = self.config.hidden_size;
        let mut params = TensorSet::new();
        for (name, table) in TABLES.into_iter().zip(&self.tables) {
            let values = match table {
                Table::Host(values) => values.to_vec(),
                Table::Device(tensor) => read(Tensor::clone(tensor)).await?,
            };
            params.insert(name, stored([values.len() / hidden.max(1), hidden], values)?);
        }
        for (name, tensor) in self.params_without_tables().await? {
            params.insert(name, tensor);
        }
        Ok(params)
    }

    /// The same without the tables of embeddings.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn params_without_tables(&self) -> Result<TensorSet, ModelError> {
        let mut params = TensorSet::new();
        norm_params(&mut params, EMBEDDINGS_NORM, &self.norm).await?;
        for (index, layer) in self.layers.iter().enumerate() {
            for (names, linear) in LINEARS.into_iter().zip(layer.linears()) {
                linear_params(&mut params, &linear_names(index, names), linear).await?;
            }
            for (name, norm) in NORMS.into_iter().zip(layer.norms()) {
                norm_params(&mut params, &format!("encoder.layer.{index}.{name}"), norm).await?;
            }
        }
        Ok(params)
    }

    /// Numbers in its largest table of embeddings: no tensor that trains it is longer.
    #[must_use]
    pub fn largest_table(&self) -> usize {
        let hidden = self.config.hidden_size;
        self.tables.iter().map(|table| table.rows(hidden) * hidden).max().unwrap_or(0)
    }

    /// The same encoder with the weights in `params`, under the names that [`Self::params`] gives, in the place of its
    /// own: gradients flow to them. Tables of embeddings may be left out; then they stay frozen.
    ///
    /// # Errors
    /// When `params` are of several runs, or a tensor is missing or of another shape.
    pub fn with_params(&self, params: &RunParams) -> Result<Self, ModelError> {
        if params.runs() != 1 {
            return Err(ModelError::SeveralRuns { runs: params.runs() });
        }
        // What is kept is of the frozen weights.
        let mut encoder = self.without_keeping();
        let hidden = self.config.hidden_size;
        for (name, table) in TABLES.into_iter().zip(&mut encoder.tables) {
            if params.get(name).is_some() {
                let rows = table.rows(hidden);
                *table = Table::Device(Box::new(take(params, name, [1, rows, hidden])?.reshape([rows, hidden])));
            }
        }
        put_norm(params, EMBEDDINGS_NORM, &mut encoder.norm)?;
        for (index, layer) in encoder.layers.iter_mut().enumerate() {
            for (names, linear) in LINEARS.into_iter().zip(layer.linears_mut()) {
                put_linear(params, &linear_names(index, names), linear)?;
            }
            for (name, norm) in NORMS.into_iter().zip(layer.norms_mut()) {
                put_norm(params, &format!("encoder.layer.{index}.{name}"), norm)?;
            }
        }
        Ok(encoder)
    }
}

/// Name of the norm over the sum of embeddings.
pub(super) const EMBEDDINGS_NORM: &str = "embeddings.LayerNorm";

/// The tensor called `name` in the layout of [`RunParams`].
fn take(params: &RunParams, name: &str, expected: [usize; 3]) -> Result<Tensor<3>, ModelError> {
    let tensor = params.get(name).ok_or_else(|| ModelError::Missing { name: name.to_owned() })?;
    if tensor.dims() != expected {
        let (name, found, expected) = (name.to_owned(), tensor.dims()[1..].to_vec(), expected[1..].to_vec());
        return Err(ModelError::Shape { name, found, expected });
    }
    Ok(tensor.clone())
}

fn param<const D: usize>(tensor: Tensor<D>) -> Param<Tensor<D>> {
    // Not `from_tensor`, which would make a leaf of it: gradients are to flow to the run's own tensor.
    Param::initialized(ParamId::new(), tensor)
}

fn put_linear(params: &RunParams, names: &[String], own: &mut Linear) -> Result<(), ModelError> {
    let [input, columns] = own.weight.dims();
    let output = columns / names.len().max(1);
    let side_by_side = |part: &str, rows: usize| {
        let parts = names.iter().map(|name| take(params, &format!("{name}.{part}"), [1, rows, output]));
        parts.collect::<Result<Vec<_>, ModelError>>().map(|parts| Tensor::cat(parts, 2))
    };
    let weight = side_by_side("weight", input)?.reshape([input, columns]);
    let bias = side_by_side("bias", 1)?.reshape([columns]);
    *own = Linear { weight: param(weight), bias: Some(param(bias)) };
    Ok(())
}

fn put_norm(params: &RunParams, name: &str, own: &mut LayerNorm) -> Result<(), ModelError> {
    let [len] = own.gamma.dims();
    let vector = |part: &str| Ok::<_, ModelError>(take(params, &format!("{name}.{part}"), [1, 1, len])?.reshape([len]));
    own.gamma = param(vector("weight")?);
    own.beta = Some(param(vector("bias")?));
    Ok(())
}

/// The layers whose weights stand side by side in `linear`, apart, each transposed as files hold it.
async fn linear_params(params: &mut TensorSet, names: &[String], linear: &Linear) -> Result<(), ModelError> {
    let [input, columns] = linear.weight.dims();
    let output = columns / names.len().max(1);
    let weight = read(linear.weight.val()).await?;
    let bias = match &linear.bias {
        Some(bias) => read(bias.val()).await?,
        None => vec![0.0; columns],
    };
    for (part, name) in names.iter().enumerate() {
        let column = |column: usize| weight.iter().skip(column).step_by(columns).copied();
        let own = part * output..(part + 1) * output;
        params.insert(format!("{name}.weight"), stored([output, input], own.clone().flat_map(column).collect())?);
        params.insert(format!("{name}.bias"), stored([output], bias[own].to_vec())?);
    }
    Ok(())
}

async fn norm_params(params: &mut TensorSet, name: &str, norm: &LayerNorm) -> Result<(), ModelError> {
    let [len] = norm.gamma.dims();
    params.insert(format!("{name}.weight"), stored([len], read(norm.gamma.val()).await?)?);
    if let Some(beta) = &norm.beta {
        params.insert(format!("{name}.bias"), stored([len], read(beta.val()).await?)?);
    }
    Ok(())
}

fn stored<const D: usize>(shape: [usize; D], values: Vec<f32>) -> Result<Stored, ModelError> {
    Ok(Stored::new(shape, values)?)
}
