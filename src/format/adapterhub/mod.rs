//! AdapterHub's adapters: a folder with `adapter_config.json`, the weights as pickle, as safetensors or as both, and
//! the same for a prediction head. The layout is that of the `adapters` library 1.3.0 (loading.py, utils.py).

pub mod config;
mod fields;
pub mod head;
mod names;
mod write;

pub use config::{AdapterConfig, AdapterForm, Architecture, ReductionFactor};
pub use head::{Head, HeadConfig};
pub use write::{Weights, write_adapterhub};

use super::detect::join;
use super::{FormatError, Problem, SourceFile, safetensors, torch};
use crate::tensors::adapter::{Location, Part};
use crate::tensors::{Tensor, TensorSet};

use fields::Object;
use names::{FAMILIES, Family};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

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

/// Files that belong to an adapter; the last two are peft's.
pub(super) const FILES: [&str; 8] = [
    ADAPTER_CONFIG,
    ADAPTER_SAFETENSORS,
    ADAPTER_PICKLE,
    HEAD_CONFIG,
    HEAD_SAFETENSORS,
    HEAD_PICKLE,
    "adapter_model.safetensors",
    "adapter_model.bin",
];

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
            Some((location, part)) => Ok(((location, part), tensor)),
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

/// Reads an adapter from the files of `folder`, by their names without it.
///
/// # Errors
/// The file to blame and what is wrong with it. A head that can not be read is no error but one of the adapter's
/// [`problems`](AdapterFile::problems).
pub fn read(folder: &str, files: &[(&str, &[u8])]) -> Result<AdapterFile, Problem> {
    let folder = Folder { path: folder, files };
    let blame = |error| Problem::new(join(folder.path, ADAPTER_CONFIG), error);
    let Some(bytes) = folder.file(ADAPTER_CONFIG) else {
        let first = files.first().map_or("", |(name, _)| name);
        return Err(Problem::new(join(folder.path, first), FormatError::MissingFile { file: ADAPTER_CONFIG }));
    };
    let raw = fields::parse(bytes).map_err(blame)?;
    let (form, reduction_factor) = config::parse(&raw).map_err(blame)?;
    let plm = PlmSignature::read(&raw).map_err(blame)?;
    let family = plm.family().map_err(blame)?;
    let configured = fields::text(&raw, "name").map_err(blame)?;
    let version = fields::text(&raw, "version").map_err(blame)?;

    let convert = |tensors: TensorSet| {
        let (inner, placed) = place(family, &form, tensors, configured.as_deref().unwrap_or_default())?;
        let file_name = |location, part| family.key(location, part, &inner);
        let (params, bottlenecks) = check(&form, &reduction_factor, plm.hidden_size, placed, file_name)?;
        Ok(Weighed { params, rest: (inner, bottlenecks) })
    };
    let missing = "adapter.safetensors or pytorch_adapter.bin";
    let loaded = folder
        .weights(ADAPTER_SAFETENSORS, ADAPTER_PICKLE, convert)
        .ok_or_else(|| blame(FormatError::MissingFile { file: missing }))??;
    let (inner, bottlenecks) = loaded.value.rest;
    let mut adapter = AdapterFile {
        name: configured.unwrap_or(inner),
        path: folder.path.to_owned(),
        config: AdapterConfig { form, reduction_factor, bottlenecks, raw },
        plm,
        version,
        params: loaded.value.params,
        head: None,
        files: vec![folder.source(ADAPTER_CONFIG)],
        problems: loaded.problems,
    };
    adapter.files.extend(loaded.sources);
    read_head(&folder, &mut adapter);
    Ok(adapter)
}

/// Reads the head beside an adapter, if there is one.
fn read_head(folder: &Folder<'_>, adapter: &mut AdapterFile) {
    let problem = |name: &str, error| Problem::new(join(folder.path, name), error);
    let Some(bytes) = folder.file(HEAD_CONFIG) else {
        // The library loads such weights blindly; without labels and layers they mean nothing.
        for name in [HEAD_SAFETENSORS, HEAD_PICKLE] {
            if folder.file(name).is_some() {
                adapter.problems.push(problem(name, FormatError::MissingFile { file: HEAD_CONFIG }));
            }
        }
        return;
    };
    let reader = fields::parse(bytes)
        .and_then(|document| head::HeadReader::new(document, &adapter.name, adapter.plm.hidden_size))
        .map_err(|error| problem(HEAD_CONFIG, error));
    let loaded = reader.and_then(|reader| {
        let convert = |tensors| Ok(Weighed { params: reader.params(tensors)?, rest: () });
        let missing = FormatError::MissingFile { file: "model_head.safetensors or pytorch_model_head.bin" };
        let loaded = folder.weights(HEAD_SAFETENSORS, HEAD_PICKLE, convert);
        let loaded = loaded.ok_or_else(|| problem(HEAD_CONFIG, missing))??;
        Ok((reader, loaded))
    });
    match loaded {
        Ok((reader, loaded)) => {
            adapter.head = Some(reader.finish(loaded.value.params));
            adapter.files.push(folder.source(HEAD_CONFIG));
            adapter.files.extend(loaded.sources);
            adapter.problems.extend(loaded.problems);
        }
        Err(problem) => adapter.problems.push(problem),
    }
}

/// Tensors under our names, and what else was learnt on the way.
struct Weighed<T> {
    params: TensorSet,
    rest: T,
}

struct Loaded<T> {
    value: Weighed<T>,
    sources: Vec<SourceFile>,
    problems: Vec<Problem>,
}

/// The files of one adapter.
struct Folder<'a> {
    path: &'a str,
    files: &'a [(&'a str, &'a [u8])],
}

impl Folder<'_> {
    fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
    }

    fn source(&self, name: &str) -> SourceFile {
        SourceFile::of(&join(self.path, name), self.file(name).unwrap_or_default())
    }

    /// Weights from safetensors, from the pickle, or from both, which must agree; `None` where neither is there.
    ///
    /// Of two files of which one can not be used, the other is, and the problem is told.
    fn weights<T>(
        &self,
        safe: &'static str,
        pickle: &'static str,
        convert: impl Fn(TensorSet) -> Result<Weighed<T>, FormatError>,
    ) -> Option<Result<Loaded<T>, Problem>> {
        let load = |name: &str, read: fn(&[u8]) -> Result<TensorSet, FormatError>| {
            let read = read(self.file(name)?).and_then(&convert);
            Some(read.map_err(|error| Problem::new(join(self.path, name), error)))
        };
        let loaded = |value, names: &[&str], problems| {
            Ok(Loaded { value, sources: names.iter().map(|name| self.source(name)).collect(), problems })
        };
        Some(match (load(safe, safetensors::read), load(pickle, torch::read)) {
            (None, None) => return None,
            (Some(Ok(value)), None) => loaded(value, &[safe], vec![]),
            (None, Some(Ok(value))) => loaded(value, &[pickle], vec![]),
            (Some(Ok(value)), Some(Err(problem))) => loaded(value, &[safe], vec![problem]),
            (Some(Err(problem)), Some(Ok(value))) => loaded(value, &[pickle], vec![problem]),
            (Some(Ok(value)), Some(Ok(other))) => match first_difference(&value.params, &other.params) {
                None => loaded(value, &[safe, pickle], vec![]),
                Some(tensor) => {
                    let error = FormatError::Disagree { first: safe, second: pickle, tensor };
                    loaded(value, &[safe], vec![Problem::new(join(self.path, pickle), error)])
                }
            },
            (Some(Err(problem)), _) | (None, Some(Err(problem))) => Err(problem),
        })
    }
}

/// Our name of the first tensor that is not the same in both.
fn first_difference(first: &TensorSet, second: &TensorSet) -> Option<String> {
    let same = |a: &Tensor, b: &Tensor| a.shape() == b.shape() && a.values() == b.values();
    let differs = first.iter().find(|(name, tensor)| !second.get(name).is_some_and(|other| same(tensor, other)));
    differs
        .map(|(name, _)| name.to_owned())
        .or_else(|| second.names().find(|name| first.get(name).is_none()).map(str::to_owned))
}

type Placed = BTreeMap<(Location, Part), Tensor>;

/// The adapter's name inside the file, and its tensors by place.
fn place(
    family: &Family,
    form: &AdapterForm,
    tensors: TensorSet,
    configured: &str,
) -> Result<(String, Placed), FormatError> {
    let inner = own_name(tensors.names().filter_map(|key| Some(family.parse(key)?.2)), configured)?;
    let mut placed = Placed::new();
    for (key, tensor) in tensors {
        let parsed = family.parse(&key).filter(|(_, _, name)| *name == inner);
        match parsed.map(|(location, part, _)| (location, part)) {
            Some(at) => placed.insert(at, tensor),
            None => return Err(FormatError::UnknownTensor { tensor: key, owner: owner(form) }),
        };
    }
    Ok((inner, placed))
}

/// The one name of a file's tensors: the configured one where it occurs, else the only one.
fn own_name<'a>(names: impl Iterator<Item = &'a str>, configured: &str) -> Result<String, FormatError> {
    let names: BTreeSet<&str> = names.collect();
    match (names.contains(configured), names.len()) {
        (true, _) | (false, 0) => Ok(configured.to_owned()),
        (false, 1) => Ok(names.into_iter().collect()),
        (false, _) => {
            let names: Vec<&str> = names.into_iter().take(10).collect();
            Err(FormatError::SeveralNames { names: names.join(", "), expected: configured.to_owned() })
        }
    }
}

fn owner(form: &AdapterForm) -> String {
    format!("a {} adapter", form.architecture.name())
}

/// Exactly the tensors that the form asks for, of the right shapes, finite, in the order of data flow; and the width
/// at each place.
fn check(
    form: &AdapterForm,
    factor: &ReductionFactor,
    hidden_size: usize,
    mut placed: Placed,
    file_name: impl Fn(Location, Part) -> String,
) -> Result<(TensorSet, BTreeMap<Location, usize>), FormatError> {
    let sites = form.architecture.sites();
    let foreign = |location: &Location| !sites.contains(&location.site) || form.leave_out.contains(&location.layer);
    if let Some(((location, part), _)) = placed.iter().find(|((location, _), _)| foreign(location)) {
        return Err(FormatError::UnknownTensor { tensor: file_name(*location, *part), owner: owner(form) });
    }
    let last = placed.keys().map(|(location, _)| location.layer).max().unwrap_or(0);
    let mut params = TensorSet::new();
    let mut bottlenecks = BTreeMap::new();
    for layer in (0..=last).filter(|layer| !form.leave_out.contains(layer)) {
        let bottleneck = factor.bottleneck(hidden_size, layer);
        let bottleneck = bottleneck.ok_or(FormatError::MissingField { field: "config.reduction_factor.default" })?;
        let reason = format!("hidden_size {hidden_size}, bottleneck {bottleneck} by reduction_factor");
        for &site in sites {
            let location = Location { layer, site };
            for part in Part::ALL {
                let name = file_name(location, part);
                let Some(tensor) = placed.remove(&(location, part)) else {
                    return Err(FormatError::MissingTensor { tensor: name });
                };
                let shape = match part {
                    Part::DownWeight => vec![bottleneck, hidden_size],
                    Part::DownBias => vec![bottleneck],
                    Part::UpWeight => vec![hidden_size, bottleneck],
                    Part::UpBias => vec![hidden_size],
                };
                expect_shape(&name, &tensor, &shape, &reason)?;
                params.insert(location.param(part), tensor);
            }
            bottlenecks.insert(location, bottleneck);
        }
    }
    Ok((params, bottlenecks))
}

/// A tensor of this shape, finite.
fn expect_shape(name: &str, tensor: &Tensor, shape: &[usize], reason: &str) -> Result<(), FormatError> {
    if tensor.shape() != shape {
        let (found, expected) = (tensor.shape().to_vec(), shape.to_vec());
        return Err(FormatError::Shape { tensor: name.to_owned(), found, expected, reason: reason.to_owned() });
    }
    match tensor.first_not_finite() {
        None => Ok(()),
        Some(index) => {
            let value = tensor.values()[index].to_string();
            Err(FormatError::NotFinite { tensor: name.to_owned(), index, value })
        }
    }
}

#[cfg(test)]
mod tests;
