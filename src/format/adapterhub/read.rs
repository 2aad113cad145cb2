//! A folder's files to an [`AdapterFile`].

use super::super::detect::join;
use super::super::{FormatError, Problem, SourceFile, safetensors, torch};
use super::check::{Placed, check, owner};
use super::names::Family;
use super::{
    ADAPTER_CONFIG, ADAPTER_PICKLE, ADAPTER_SAFETENSORS, AdapterConfig, AdapterFile, AdapterForm, HEAD_CONFIG,
    HEAD_PICKLE, HEAD_SAFETENSORS, PlmSignature, config, fields, head,
};
use crate::tensors::{Tensor, TensorSet};
use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

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
        let Some((location, part, _)) = parsed else {
            return Err(FormatError::UnknownTensor { tensor: key, owner: owner(form) });
        };
        match placed.entry((location, part)) {
            Entry::Vacant(place) => {
                place.insert((key, tensor));
            }
            // With and without the model's root, or by an older name and the one of today.
            Entry::Occupied(place) => {
                return Err(FormatError::SamePlace { first: place.get().0.clone(), second: key });
            }
        }
    }
    Ok((inner, placed))
}

/// The one name of a file's tensors: the configured one where it occurs, else the only one.
pub(super) fn own_name<'a>(names: impl Iterator<Item = &'a str>, configured: &str) -> Result<String, FormatError> {
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
