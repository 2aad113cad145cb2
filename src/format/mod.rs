//! Bytes to tensors and back: safetensors, torch's zip pickle, AdapterHub's folders, zip archives.
//!
//! Nothing here opens a file or a connection: callers hand over names with bytes and get names with bytes. All input
//! is hostile until checked: sizes are capped, arithmetic is checked, a pickle is read through an allow-list and never
//! run, and every refusal is one [`FormatError`] that names the culprit. [`detect()`] is the door for whatever a person
//! drops; one bad file never costs the others.

pub mod adapterhub;
pub mod archive;
pub mod detect;
mod elements;
mod error;
#[cfg(test)]
mod fixtures;
pub mod safetensors;
pub mod torch;

pub use adapterhub::{
    ADAPTER_FILES, AdapterConfig, AdapterFile, AdapterForm, Architecture, Head, HeadConfig, PlmSignature,
    ReductionFactor, Weights, write_adapterhub,
};
pub use detect::{DataFile, Found, Ignored, PlmFile, detect};
pub use error::{FormatError, Problem};

use crate::tensors::TensorSet;
use sha2::{Digest, Sha256};

/// A path, with `/` between folders, and the file's bytes.
pub type NamedBytes = (String, Vec<u8>);

/// A file that something was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path as it was given, inside its archive if it came in one.
    pub path: String,
    /// SHA-256 of the bytes, in lower-case hexadecimal.
    pub sha256: String,
}

impl SourceFile {
    fn of(path: &str, bytes: &[u8]) -> Self {
        Self { path: path.to_owned(), sha256: sha256_hex(bytes) }
    }
}

/// SHA-256 of `bytes` in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses a set that holds NaN or an infinity.
///
/// # Errors
/// [`FormatError::NotFinite`] with the first such tensor and value.
pub fn check_finite(tensors: &TensorSet) -> Result<(), FormatError> {
    for (name, tensor) in tensors.iter() {
        if let Some(index) = tensor.first_not_finite() {
            let value = tensor.values()[index];
            return Err(FormatError::NotFinite { tensor: name.to_owned(), index, value: value.to_string() });
        }
    }
    Ok(())
}
