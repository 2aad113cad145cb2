//! The native command, whose numbers the page must show too; and reading what both write.

use crate::path_from_environment;
use anyhow::{Context, Result, ensure};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;

/// Runs `mera` and returns its standard output.
///
/// # Errors
/// When it fails; the error holds what it said.
pub fn mera(arguments: &[OsString]) -> Result<String> {
    let output = Command::new(path_from_environment("MERA")?).args(arguments).output().context("mera did not start")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "mera {arguments:?} failed: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs `mera … --json`.
///
/// # Errors
/// When it fails, or prints something else than one JSON document.
pub fn mera_json(arguments: &[OsString]) -> Result<Value> {
    let mut all = arguments.to_vec();
    all.push("--json".into());
    let text = mera(&all)?;
    serde_json::from_str(&text).with_context(|| format!("mera {all:?} did not print JSON: {text}"))
}

/// The accuracies in a file of records by hash.
///
/// # Errors
/// When a line is no record.
pub fn accuracies_of(records: &Path) -> Result<BTreeMap<String, f64>> {
    let record = |line: &str| {
        let record: Value = serde_json::from_str(line)?;
        let hash = record["hash"].as_str().context("a record without a hash")?.to_owned();
        Ok((hash, record["accuracy"].as_f64().context("a record without an accuracy")?))
    };
    std::fs::read_to_string(records)?.lines().map(record).collect()
}

/// The files in a zip by name.
///
/// # Errors
/// When it is not a zip.
pub fn unzip(path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(std::fs::read(path)?))?;
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        if entry.is_file() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            files.insert(entry.name()?.into_owned(), bytes);
        }
    }
    Ok(files)
}

/// Writes a folder's files into a zip.
///
/// # Errors
/// When something can't be read or written.
pub fn zip_folder(folder: &Path, into: &Path) -> Result<()> {
    let mut archive = zip::ZipWriter::new(File::create(into)?);
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let inside = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        archive.start_file(inside, zip::write::SimpleFileOptions::default())?;
        std::io::copy(&mut File::open(&path)?, &mut archive)?;
    }
    archive.finish()?;
    Ok(())
}

/// Shape and values of a tensor.
pub type Array = (Vec<usize>, Vec<f32>);

/// The tensors of a safetensors file by name.
///
/// # Errors
/// When it is not one, or a tensor is not f32.
pub fn tensors(bytes: &[u8]) -> Result<BTreeMap<String, Array>> {
    let file = SafeTensors::deserialize(bytes)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        ensure!(view.dtype() == safetensors::Dtype::F32, "{name} is {:?}, not F32", view.dtype());
        let values = view.data().chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        tensors.insert(name, (view.shape().to_vec(), values.collect()));
    }
    Ok(tensors)
}

/// The largest difference between two files' tensors, which must have the same names and shapes.
///
/// # Errors
/// When names or shapes differ; names the tensor and both sides.
pub fn largest_difference(left: &[u8], right: &[u8]) -> Result<f32> {
    let (left, right) = (tensors(left)?, tensors(right)?);
    let names = |side: &BTreeMap<String, Array>| side.keys().cloned().collect::<Vec<_>>();
    ensure!(!left.is_empty() && names(&left) == names(&right), "names differ: {:?} {:?}", names(&left), names(&right));
    let mut largest = 0_f32;
    for (name, (shape, values)) in &left {
        let (other_shape, others) = &right[name];
        ensure!(shape == other_shape, "{name} is {shape:?} on one side and {other_shape:?} on the other");
        for (value, other) in values.iter().zip(others) {
            ensure!(value.is_finite() && other.is_finite(), "{name} holds {value} and {other}");
            largest = largest.max((value - other).abs());
        }
    }
    Ok(largest)
}
