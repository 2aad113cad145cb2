//! An adapter as a folder that `adapters` in Python loads.
//!
//! `load_adapter(path)` opens the pickle only, `load_adapter(path, use_safetensors=True)` the other file, so both are
//! written unless asked otherwise.

use super::super::{FormatError, NamedBytes, safetensors, torch};
use super::fields;
use super::{
    ADAPTER_CONFIG, ADAPTER_PICKLE, ADAPTER_SAFETENSORS, AdapterFile, HEAD_CONFIG, HEAD_PICKLE, HEAD_SAFETENSORS,
};
use crate::tensors::TensorSet;
use crate::tensors::adapter::Location;
use serde_json::json;

/// Which files hold the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// The pickle and safetensors: every way of loading works.
    #[default]
    Both,
    /// The pickle only.
    Pickle,
    /// safetensors only, which Python loads when told to.
    Safetensors,
}

/// Whether torch's modules take `name` for an adapter: it is not empty, holds no dot and is no word of theirs.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('.') && !RESERVED.contains(&name)
}

/// The files of `adapter`'s folder, by name. A document that was read is written back unchanged but for the name.
///
/// # Errors
/// [`FormatError::Name`], [`FormatError::ModelType`], [`FormatError::UnknownTensor`], [`FormatError::Write`].
pub fn write_adapterhub(adapter: &AdapterFile, weights: Weights) -> Result<Vec<NamedBytes>, FormatError> {
    let name = &adapter.name;
    if !is_name(name) {
        return Err(FormatError::Name { name: name.clone() });
    }
    let family = adapter.plm.family()?;
    let tensors = adapter.params.iter().map(|(param, tensor)| {
        let (location, part) = Location::parse_param(param).ok_or_else(|| FormatError::UnknownTensor {
            tensor: param.to_owned(),
            owner: super::check::owner(&adapter.config.form),
        })?;
        Ok((family.key(location, part, name), tensor.clone()))
    });
    let tensors = tensors.collect::<Result<TensorSet, FormatError>>()?;

    let mut document = adapter.config.raw.clone();
    document.insert("name".to_owned(), json!(name));
    let mut files = vec![(ADAPTER_CONFIG.to_owned(), fields::print(&document)?)];
    add_weights(&mut files, weights, ADAPTER_PICKLE, ADAPTER_SAFETENSORS, &tensors)?;
    if let Some(head) = &adapter.head {
        files.push((HEAD_CONFIG.to_owned(), fields::print(&head.document(name, &adapter.plm))?));
        add_weights(&mut files, weights, HEAD_PICKLE, HEAD_SAFETENSORS, &head.state_dict(name))?;
    }
    Ok(files)
}

fn add_weights(
    files: &mut Vec<NamedBytes>,
    weights: Weights,
    pickle: &str,
    safe: &str,
    tensors: &TensorSet,
) -> Result<(), FormatError> {
    if weights != Weights::Safetensors {
        files.push((pickle.to_owned(), torch::write(pickle.trim_end_matches(".bin"), tensors)?));
    }
    if weights != Weights::Pickle {
        files.push((safe.to_owned(), safetensors::write(tensors)?));
    }
    Ok(())
}

/// Names that a `torch.nn.ModuleDict` refuses as keys, because it has attributes of these names (torch 2.15, `dir`).
#[rustfmt::skip]
const RESERVED: [&str; 60] = [
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "clear", "compile",
    "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer",
    "get_extra_state", "get_parameter", "get_submodule", "half", "ipu", "items", "keys", "load_state_dict", "modules",
    "mtia", "named_buffers", "named_children", "named_modules", "named_parameters", "parameters", "pop",
    "register_backward_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook",
    "register_full_backward_hook", "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook", "register_module", "register_parameter", "register_state_dict_post_hook",
    "register_state_dict_pre_hook", "requires_grad_", "set_extra_state", "set_submodule", "share_memory",
    "state_dict", "to", "to_empty", "train", "training", "type", "update", "values", "xpu", "zero_grad",
];
