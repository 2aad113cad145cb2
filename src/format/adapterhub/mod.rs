//! AdapterHub's adapters: a folder with `adapter_config.json`, the weights as pickle, as safetensors or as both, and
//! the same for a prediction head. The layout is that of the `adapters` library 1.3.0 (loading.py, utils.py).

mod check;
pub mod config;
mod fields;
pub mod head;
mod names;
mod read;
mod reduction;
mod write;

pub use config::{AdapterConfig, AdapterForm, Architecture};
pub use head::{Head, HeadConfig};
pub use read::read;
pub use reduction::ReductionFactor;
pub use write::{Weights, is_name, write_adapterhub};

use super::{FormatError, Problem, SourceFile};
use crate::tensors::TensorSet;
use crate::tensors::adapter::{Location, Part};

use check::{check, expect_shape, owner};
use fields::Object;
use names::{FAMILIES, Family};
use serde_json::json;

/// The configuration; the peft library calls its own the same.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The weights as torch wrote them.
pub const ADAPTER_PICKLE: &str = "pytorch_adapter.bin";
/// The weights in safetensors.
pub const ADAPTER_SAFETENSORS: &str = "adapter.safetensors";
/// The head's configuration.
pub const HEAD_CONFIG: &str = "head_config.json";
/// The head's weights as torch wrote them.
pub const HEAD_PICKLE: &str = "pytorch_model_head.bin";
/// The head's weights in safetensors.
pub const HEAD_SAFETENSORS: &str = "model_head.safetensors";

/// All files of an adapter.
pub const ADAPTER_FILES: [&str; 6] =
    [ADAPTER_CONFIG, ADAPTER_SAFETENSORS, ADAPTER_PICKLE, HEAD_CONFIG, HEAD_SAFETENSORS, HEAD_PICKLE];

/// The weights of peft's adapters, beside a configuration of the same name as an adapter's.
pub(super) const PEFT_FILES: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

/// Files of an AdapterFusion layer.
pub(super) const FUSION_FILES: [&str; 3] =
    ["adapter_fusion_config.json", "pytorch_model_adapter_fusion.bin", "model_adapter_fusion.safetensors"];

/// The version of the library whose layout is written, with its name before it as the library does.
const VERSION: &str = "adapters.1.3.0";

/// Which PLM an adapter was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlmSignature {
    /// Hub id or path, where it is known.
    pub model_name: Option<String>,
    /// Family, as in the PLM's `config.json`.
    pub model_type: String,
    /// Python class; a head is loaded into the same class only.
    pub model_class: String,
    /// Width of the hidden states.
    pub hidden_size: usize,
}

impl PlmSignature {
    /// The signature that the library gives adapters of a BERT model with flexible heads.
    #[must_use]
    pub fn bert(model_name: Option<String>, hidden_size: usize) -> Self {
        let (model_type, model_class) = ("bert".to_owned(), "BertAdapterModel".to_owned());
        Self { model_name, model_type, model_class, hidden_size }
    }

    fn read(document: &Object) -> Result<Self, FormatError> {
        let model_type =
            fields::text(document, "model_type")?.ok_or(FormatError::MissingField { field: "model_type" })?;
        Ok(Self {
            model_name: fields::text(document, "model_name")?,
            model_type,
            model_class: fields::text(document, "model_class")?.unwrap_or_default(),
            hidden_size: fields::count(fields::required(document, "hidden_size")?, "hidden_size")?,
        })
    }

    /// The fields that both configuration files begin with.
    fn document(&self) -> Object {
        let fields = [
            ("hidden_size", json!(self.hidden_size)),
            ("model_class", json!(self.model_class)),
            ("model_name", json!(self.model_name)),
            ("model_type", json!(self.model_type)),
            ("version", json!(VERSION)),
        ];
        fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn family(&self) -> Result<&'static Family, FormatError> {
        Family::find(&self.model_type).ok_or_else(|| FormatError::ModelType {
            model_type: self.model_type.clone(),
            supported: FAMILIES.map(|family| family.model_type).join(", "),
        })
    }
}

/// A bottleneck adapter with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterFile {
    /// Its name, which files it is written to will bear inside.
    pub name: String,
    /// The folder it came from; empty for one that was made here.
    pub path: String,
    /// Kind and widths.
    pub config: AdapterConfig,
    /// The PLM it was made for.
    pub plm: PlmSignature,
    /// Version of the library that wrote it.
    pub version: Option<String>,
    /// `layer.{i}.{site}.{part}`, complete, of the right shapes and finite, in the order of data flow.
    pub params: TensorSet,
    /// Its prediction head, where there is one that can be used.
    pub head: Option<Head>,
    /// The files it was read from.
    pub files: Vec<SourceFile>,
    /// What is wrong with files that it does without.
    pub problems: Vec<Problem>,
}

impl AdapterFile {
    /// An adapter made here. Its widths are those of `params`.
    ///
    /// # Errors
    /// [`FormatError::ModelType`], [`FormatError::MissingTensor`], [`FormatError::UnknownTensor`],
    /// [`FormatError::Shape`], [`FormatError::NotFinite`], [`FormatError::MixedBottlenecks`]; [`FormatError::Shape`]
    /// too for a head of another width.
    pub fn new(
        name: impl Into<String>,
        plm: PlmSignature,
        form: AdapterForm,
        params: TensorSet,
        head: Option<Head>,
    ) -> Result<Self, FormatError> {
        let name = name.into();
        plm.family()?;
        let widths = params.iter().filter_map(|(name, tensor)| match Location::parse_param(name)? {
            (location, Part::DownWeight) => Some((location, tensor.shape().first().copied()?)),
            _ => None,
        });
        let reduction_factor = ReductionFactor::of(plm.hidden_size, &widths.collect())?;
        let placed = params.into_iter().map(|(name, tensor)| match Location::parse_param(&name) {
            Some(at) => Ok((at, (name, tensor))),
            None => Err(FormatError::UnknownTensor { tensor: name, owner: owner(&form) }),
        });
        let placed = placed.collect::<Result<_, _>>()?;
        let file_name = |location: Location, part| location.param(part);
        let (params, bottlenecks) = check(&form, &reduction_factor, plm.hidden_size, placed, file_name)?;
        if let Some(head) = &head {
            for (name, shape) in head.config.expected(plm.hidden_size) {
                if let Some(tensor) = head.params.get(name) {
                    expect_shape(name, tensor, &shape, &format!("hidden_size {}", plm.hidden_size))?;
                }
            }
        }
        let mut general = plm.document();
        general.insert("name".to_owned(), json!(name));
        let raw = config::document(&form, &reduction_factor, general);
        Ok(Self {
            config: AdapterConfig { form, reduction_factor, bottlenecks, raw },
            name,
            path: String::new(),
            plm,
            version: Some(VERSION.to_owned()),
            params,
            head,
            files: Vec::new(),
            problems: Vec::new(),
        })
    }

    /// Number of encoder layers it was made for.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.config.layers()
    }
}

#[cfg(test)]
mod tests;
