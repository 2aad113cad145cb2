//! Flexible classification heads: `head_config.json` and the tensors `heads.{name}.{module}.{weight|bias}`.
//!
//! The head is a sequence: dropout, dense, non-linearity, dropout, dense. Its modules are numbered, so the dense ones
//! are 1 and 4, or 1 alone in a head of one layer, or 1 and 3 where there is no non-linearity (`adapters` 1.3.0,
//! heads/base.py, `PredictionHead.build`).

use super::super::FormatError;
use super::PlmSignature;
use super::check::expect_shape;
use super::fields::{self, Object};
use crate::tensors::head::MAX_LABELS;
pub use crate::tensors::head::{DENSE_BIAS, DENSE_WEIGHT, OUT_BIAS, OUT_WEIGHT};
use crate::tensors::{Tensor, TensorSet};
use serde_json::{Value, json};

/// What a head computes, apart from its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadConfig {
    /// Outputs, 1 to [`MAX_LABELS`]; 1 is regression.
    pub num_labels: usize,
    /// 1, or 2 with a hidden layer as wide as the PLM.
    pub layers: usize,
    /// Non-linearity after the hidden layer, as transformers names it.
    pub activation: Option<String>,
    /// Names of the outputs, in order.
    pub labels: Vec<String>,
    /// The input is the PLM's pooler output instead of the first token's last hidden state.
    pub use_pooler: bool,
    /// The last layer has a bias.
    pub bias: bool,
    /// Dropout before each layer; `None` takes the PLM's own.
    pub dropout_prob: Option<f32>,
}

impl HeadConfig {
    /// The library's default head: two layers, tanh, on the first token.
    #[must_use]
    pub fn new(labels: Vec<String>) -> Self {
        Self {
            num_labels: labels.len(),
            layers: 2,
            activation: Some("tanh".to_owned()),
            labels,
            use_pooler: false,
            bias: true,
            dropout_prob: None,
        }
    }

    /// Module numbers in the file, each with our names of its weight and bias.
    fn modules(&self) -> Vec<(usize, &'static str, &'static str)> {
        const DENSE: (&str, &str) = (DENSE_WEIGHT, DENSE_BIAS);
        const OUT: (&str, &str) = (OUT_WEIGHT, OUT_BIAS);
        let out = if self.activation.is_some() { 4 } else { 3 };
        match self.layers {
            1 => vec![(1, OUT.0, OUT.1)],
            _ => vec![(1, DENSE.0, DENSE.1), (out, OUT.0, OUT.1)],
        }
    }

    /// Names and shapes of all tensors, for a PLM of this width.
    #[must_use]
    pub fn expected(&self, hidden_size: usize) -> Vec<(&'static str, Vec<usize>)> {
        let mut expected = Vec::new();
        if self.layers > 1 {
            expected.extend([(DENSE_WEIGHT, vec![hidden_size, hidden_size]), (DENSE_BIAS, vec![hidden_size])]);
        }
        expected.push((OUT_WEIGHT, vec![self.num_labels, hidden_size]));
        if self.bias {
            expected.push((OUT_BIAS, vec![self.num_labels]));
        }
        expected
    }
}

/// A classification head.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// What it computes.
    pub config: HeadConfig,
    /// [`DENSE_WEIGHT`] and its companions.
    pub params: TensorSet,
    /// The document it was read from, written back unchanged.
    raw: Option<Object>,
}

impl Head {
    /// A head made here.
    ///
    /// # Errors
    /// [`FormatError::HeadKind`], [`FormatError::LabelCount`], [`FormatError::Labels`], [`FormatError::MissingTensor`],
    /// [`FormatError::UnknownTensor`], [`FormatError::Shape`], [`FormatError::NotFinite`].
    pub fn new(config: HeadConfig, hidden_size: usize, params: TensorSet) -> Result<Self, FormatError> {
        if !(1..=2).contains(&config.layers) {
            return Err(FormatError::HeadKind { kind: format!("of {} layers", config.layers) });
        }
        check_label_count(config.num_labels)?;
        if config.labels.len() != config.num_labels {
            let found = format!("{} of {}", config.labels.len(), config.num_labels);
            return Err(FormatError::Labels { found, last: config.num_labels.saturating_sub(1) });
        }
        let params = check(&config, hidden_size, params, |name| name.to_owned())?;
        Ok(Self { config, params, raw: None })
    }

    /// `head_config.json`, with the adapter's name.
    pub(super) fn document(&self, name: &str, plm: &PlmSignature) -> Object {
        let mut document = self.raw.clone().unwrap_or_else(|| {
            let config = &self.config;
            let label2id: Object = config.labels.iter().enumerate().map(|(id, l)| (l.clone(), json!(id))).collect();
            let mut document = plm.document();
            let settings = json!({
                "activation_function": config.activation, "bias": config.bias, "dropout_prob": config.dropout_prob,
                "head_type": "classification", "label2id": label2id, "layers": config.layers,
                "num_labels": config.num_labels, "use_pooler": config.use_pooler,
            });
            document.insert("config".to_owned(), settings);
            document.insert("name".to_owned(), Value::Null);
            document.sort_keys();
            document
        });
        document.insert("name".to_owned(), json!(name));
        document
    }

    /// The tensors under the names that the library expects.
    pub(super) fn state_dict(&self, name: &str) -> TensorSet {
        let mut tensors = TensorSet::new();
        for (module, weight, bias) in self.config.modules() {
            for (ours, part) in [(weight, "weight"), (bias, "bias")] {
                if let Some(tensor) = self.params.get(ours) {
                    tensors.insert(key(name, module, part), tensor.clone());
                }
            }
        }
        tensors
    }
}

/// `head_config.json` and the names by which its tensors are found.
pub(super) struct HeadReader {
    config: HeadConfig,
    name: String,
    hidden_size: usize,
    raw: Object,
}

impl HeadReader {
    /// Reads the configuration of the head of an adapter for a PLM of width `hidden_size`.
    pub(super) fn new(document: Object, adapter: &str, hidden_size: usize) -> Result<Self, FormatError> {
        let kind = |kind: String| Err(FormatError::HeadKind { kind });
        let settings = match fields::present(&document, "config") {
            Some(Value::Object(settings)) => settings,
            Some(other) => return Err(fields::wrong("config", "an object", other)),
            None => {
                let class = fields::text(&document, "model_class")?.unwrap_or_else(|| "an unnamed model".to_owned());
                return kind(format!("the fixed head of {class}"));
            }
        };
        match fields::text(settings, "config.head_type")?.as_deref() {
            Some("classification") => {}
            other => return kind(format!("of type {}", other.unwrap_or("unknown"))),
        }
        let number = |field, default| fields::present(settings, field).map_or(Ok(default), |v| fields::count(v, field));
        let num_labels = number("config.num_labels", 2)?;
        check_label_count(num_labels)?;
        let layers = number("config.layers", 2)?;
        if !(1..=2).contains(&layers) {
            return kind(format!("of {layers} layers"));
        }
        let dropout_prob = fields::present(settings, "config.dropout_prob")
            .map(|v| v.as_f64().map(|p| p as f32).ok_or_else(|| fields::wrong("config.dropout_prob", "a number", v)))
            .transpose()?;
        let config = HeadConfig {
            num_labels,
            layers,
            activation: fields::text(settings, "config.activation_function")?,
            labels: labels(settings, num_labels)?,
            use_pooler: fields::boolean(settings, "config.use_pooler", false)?,
            bias: fields::boolean(settings, "config.bias", true)?,
            dropout_prob,
        };
        let name = fields::text(&document, "name")?.unwrap_or_else(|| adapter.to_owned());
        Ok(Self { config, name, hidden_size, raw: document })
    }

    /// Our tensors from those of a file.
    pub(super) fn params(&self, tensors: TensorSet) -> Result<TensorSet, FormatError> {
        // The library saves every head whose name begins with the one asked for, so others may lie beside it.
        let name = own_name(&tensors, &self.name)?;
        let modules = self.config.modules();
        let mut params = TensorSet::new();
        for (key, tensor) in tensors {
            let (owner, module, part) = split(&key)
                .ok_or_else(|| FormatError::UnknownTensor { tensor: key.clone(), owner: OWNER.to_owned() })?;
            if owner != name {
                continue;
            }
            let ours = modules.iter().find(|(number, ..)| number.to_string() == module).and_then(
                |(_, weight, bias)| match part {
                    "weight" => Some(*weight),
                    "bias" if *bias != OUT_BIAS || self.config.bias => Some(*bias),
                    _ => None,
                },
            );
            let ours =
                ours.ok_or_else(|| FormatError::UnknownTensor { tensor: key.clone(), owner: OWNER.to_owned() })?;
            params.insert(ours, tensor);
        }
        check(&self.config, self.hidden_size, params, |ours| {
            let found = modules.iter().find_map(|&(module, weight, bias)| {
                let part = [(weight, "weight"), (bias, "bias")].into_iter().find(|(known, _)| *known == ours)?.1;
                Some(key(&name, module, part))
            });
            found.unwrap_or_else(|| ours.to_owned())
        })
    }

    pub(super) fn finish(self, params: TensorSet) -> Head {
        Head { config: self.config, params, raw: Some(self.raw) }
    }
}

/// What an unknown tensor has no place in.
const OWNER: &str = "a classification head as its configuration describes it";

fn key(name: &str, module: usize, part: &str) -> String {
    format!("heads.{name}.{module}.{part}")
}

/// Head, module and part of a tensor.
fn split(key: &str) -> Option<(&str, &str, &str)> {
    let (rest, part) = key.strip_prefix("heads.")?.rsplit_once('.')?;
    let (name, module) = rest.rsplit_once('.')?;
    Some((name, module, part))
}

/// The name of the head in a file: the configuration's where it occurs, else the only one.
fn own_name(tensors: &TensorSet, configured: &str) -> Result<String, FormatError> {
    super::read::own_name(tensors.names().filter_map(|key| Some(split(key)?.0)), configured)
}

/// Exactly the tensors that the configuration asks for, finite, in a fixed order.
fn check(
    config: &HeadConfig,
    hidden_size: usize,
    mut params: TensorSet,
    file_name: impl Fn(&str) -> String,
) -> Result<TensorSet, FormatError> {
    let reason = format!("{} labels, hidden_size {hidden_size}", config.num_labels);
    let mut checked = TensorSet::new();
    for (name, shape) in config.expected(hidden_size) {
        let missing = || FormatError::MissingTensor { tensor: file_name(name) };
        let tensor: Tensor = params.remove(name).ok_or_else(missing)?;
        expect_shape(&file_name(name), &tensor, &shape, &reason)?;
        checked.insert(name, tensor);
    }
    if let Some(name) = params.names().next() {
        return Err(FormatError::UnknownTensor { tensor: file_name(name), owner: OWNER.to_owned() });
    }
    Ok(checked)
}

fn check_label_count(found: usize) -> Result<(), FormatError> {
    if (1..=MAX_LABELS).contains(&found) { Ok(()) } else { Err(FormatError::LabelCount { found }) }
}

/// The labels in the order of their numbers; `LABEL_0`, … where the file names none.
fn labels(settings: &Object, num_labels: usize) -> Result<Vec<String>, FormatError> {
    const FIELD: &str = "config.label2id";
    let Some(value) = fields::present(settings, FIELD) else {
        return Ok((0..num_labels).map(|id| format!("LABEL_{id}")).collect());
    };
    let object = value.as_object().ok_or_else(|| fields::wrong(FIELD, "an object of numbers", value))?;
    let mut numbered = object
        .iter()
        .map(|(label, id)| {
            // Python makes an int of each, so a numeric text is one too.
            let id =
                id.as_str().and_then(|text| text.trim().parse().ok()).map_or_else(|| fields::count(id, FIELD), Ok)?;
            Ok((id, label.clone()))
        })
        .collect::<Result<Vec<(usize, String)>, FormatError>>()?;
    numbered.sort();
    if numbered.len() != num_labels || numbered.iter().enumerate().any(|(expected, (id, _))| *id != expected) {
        let found: Vec<String> = numbered.iter().map(|(id, _)| id.to_string()).take(20).collect();
        return Err(FormatError::Labels { found: found.join(", "), last: num_labels.saturating_sub(1) });
    }
    Ok(numbered.into_iter().map(|(_, label)| label).collect())
}
