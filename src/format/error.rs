//! Everything that can be wrong with bytes, one variant a reason.
//!
//! The message names the culprit inside the file; which file it was stands in [`Problem`].

use crate::tensors::head::MAX_LABELS;
use std::fmt;

/// Why bytes could not be read, or a thing not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    // ---- safetensors
    /// The header is longer than any real one.
    #[error("the safetensors header claims {found} bytes, at most {limit} are read")]
    HeaderTooLarge {
        /// Bytes claimed.
        found: u64,
        /// Bytes allowed.
        limit: usize,
    },
    /// The header runs past the end.
    #[error("the file is cut short: its safetensors header claims {header} bytes, the file has {file}")]
    HeaderCut {
        /// Bytes claimed.
        header: u64,
        /// Length of the file.
        file: usize,
    },
    /// The header is no description of tensors.
    #[error("the safetensors header is wrong: {reason}")]
    Header {
        /// What the parser found.
        reason: String,
    },
    /// Tensors and file length disagree.
    #[error("the safetensors header describes {described} bytes of tensors, the file holds {found}")]
    DataLength {
        /// Bytes that the header describes.
        described: usize,
        /// Bytes after the header.
        found: usize,
    },
    /// An element type that has no use here.
    #[error("tensor {tensor} is stored as {element}, which is not read (f16, bf16, f32, f64, integers and bool are)")]
    Element {
        /// The tensor.
        tensor: String,
        /// Its element type.
        element: String,
    },

    // ---- torch
    /// Neither a zip nor a legacy torch file.
    #[error("this is not a file that torch.save wrote (it is no zip archive)")]
    NotTorch,
    /// Torch's format before 1.6.
    #[error("this file is in torch's old format (before 1.6, no zip): torch.load and torch.save in Python renew it")]
    LegacyTorch,
    /// An archive that lacks a part.
    #[error("the torch archive lacks its record {record}")]
    MissingRecord {
        /// Name of the part.
        record: String,
    },
    /// Written on a big-endian machine.
    #[error("the torch archive says byteorder {found:?}, only little is read")]
    ByteOrder {
        /// What the record says.
        found: String,
    },
    /// A pickle that names something outside the allow-list.
    #[error("the pickle asks for {callable}, which weights never need; nothing was run")]
    Callable {
        /// Module and name.
        callable: String,
    },
    /// A pickle that is damaged, or no state dict.
    #[error("the pickle is wrong at byte {position}: {reason}")]
    Pickle {
        /// Offset in `data.pkl`.
        position: usize,
        /// What was found there.
        reason: String,
    },
    /// A tensor that reaches outside its storage.
    #[error("tensor {tensor} reaches to element {needed} of a storage that holds {available}")]
    OutOfStorage {
        /// The tensor.
        tensor: String,
        /// Elements needed; `None` where the count itself overflows.
        needed: Count,
        /// Elements there.
        available: usize,
    },
    /// Views that blow a small file up.
    #[error("the tensors take {needed} bytes in memory, more than {limit} for a file of its size")]
    Expands {
        /// Bytes needed.
        needed: Count,
        /// Bytes allowed.
        limit: usize,
    },

    // ---- zip
    /// A damaged archive.
    #[error("the zip archive is damaged: {reason}")]
    Zip {
        /// What the reader found.
        reason: String,
    },
    /// Too many files in an archive.
    #[error("the zip archive holds {found} entries, at most {limit} are unpacked")]
    TooManyEntries {
        /// Entries.
        found: usize,
        /// Entries allowed.
        limit: usize,
    },
    /// One file too large.
    #[error("{entry} in the zip archive unpacks to more than {limit} bytes")]
    EntryTooLarge {
        /// The entry.
        entry: String,
        /// Bytes allowed.
        limit: usize,
    },
    /// All files together too large.
    #[error("the zip archive unpacks to more than {limit} bytes")]
    ArchiveTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// A zip bomb.
    #[error("{entry} in the zip archive unpacks to more than {limit} times its size")]
    Ratio {
        /// The entry.
        entry: String,
        /// Times allowed.
        limit: usize,
    },
    /// A path that leaves its folder.
    #[error("{entry:?} in the zip archive points outside of it")]
    Traversal {
        /// The entry.
        entry: String,
    },
    /// An archive in an archive in an archive.
    #[error("a zip archive inside a zip archive is not opened")]
    NestedZip,

    // ---- configurations
    /// Not JSON.
    #[error("this is not valid JSON: {reason}")]
    Json {
        /// What the parser found.
        reason: String,
    },
    /// A field is absent.
    #[error("the field {field} is missing")]
    MissingField {
        /// Path of the field.
        field: &'static str,
    },
    /// A field holds something else than it should.
    #[error("the field {field} is {found}, expected {expected}")]
    Field {
        /// Path of the field.
        field: String,
        /// What it should be.
        expected: &'static str,
        /// What it is, as JSON.
        found: String,
    },
    /// PEFT's configuration under the same name.
    #[error("this is an adapter of the peft library (peft_type {peft_type}); supported are {supported}")]
    Peft {
        /// Its kind.
        peft_type: String,
        /// What is read.
        supported: &'static str,
    },
    /// A kind of adapter that is not read.
    #[error("this adapter is {kind}; supported are {supported}")]
    Kind {
        /// The kind.
        kind: String,
        /// What is read.
        supported: &'static str,
    },
    /// A family of PLM whose names are not known.
    #[error("this adapter is for a PLM of type {model_type}; supported are {supported}")]
    ModelType {
        /// The family.
        model_type: String,
        /// Families read.
        supported: String,
    },
    /// Adapter fusion, which holds no adapter.
    #[error("this is an AdapterFusion layer, which is not read; the adapters it fuses are")]
    Fusion,

    // ---- tensors of an adapter or head
    /// A tensor that the configuration has no place for.
    #[error("tensor {tensor} has no place in {owner}")]
    UnknownTensor {
        /// The tensor.
        tensor: String,
        /// The adapter's or head's kind.
        owner: String,
    },
    /// Two tensors of one place.
    #[error("tensors {first} and {second} are the same part of the adapter")]
    SamePlace {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// Two adapters in one file.
    #[error("the file holds tensors of several adapters: {names}; the configuration names {expected}")]
    SeveralNames {
        /// Names found.
        names: String,
        /// The name in the configuration.
        expected: String,
    },
    /// A tensor is absent.
    #[error("tensor {tensor} is missing")]
    MissingTensor {
        /// The tensor.
        tensor: String,
    },
    /// A shape is wrong.
    #[error("tensor {tensor} has shape {found:?}, expected {expected:?} ({reason})")]
    Shape {
        /// The tensor.
        tensor: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that follows from the configuration.
        expected: Vec<usize>,
        /// What it follows from.
        reason: String,
    },
    /// NaN or an infinity.
    #[error("tensor {tensor} holds {value} at element {index}")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// Row-major index.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// The same weights in two files that differ.
    #[error("{first} and {second} differ in tensor {tensor}; {first} is used")]
    Disagree {
        /// The file used.
        first: &'static str,
        /// The other file.
        second: &'static str,
        /// First tensor that differs.
        tensor: String,
    },

    // ---- heads
    /// A head that is no flexible classification head.
    #[error("this head is {kind}; supported are classification heads of one or two layers")]
    HeadKind {
        /// The kind.
        kind: String,
    },
    /// A head without labels, or with more than [`MAX_LABELS`].
    #[error("this head has {found} labels; supported are 1 to {MAX_LABELS}")]
    LabelCount {
        /// How many.
        found: usize,
    },
    /// Labels that are no numbering from 0.
    #[error("label2id numbers its labels {found}, expected each of 0 to {last} once")]
    Labels {
        /// Numbers found.
        found: String,
        /// Number of labels less one.
        last: usize,
    },

    // ---- folders
    /// A file of a group is absent.
    #[error("{file} is missing beside it")]
    MissingFile {
        /// The file's name, or names to choose from.
        file: &'static str,
    },
    /// Two files of one name in one folder.
    #[error("there are {count} files of this name; keep each adapter in a folder of its own")]
    Duplicate {
        /// How many.
        count: usize,
    },

    // ---- writing
    /// A name that torch's modules refuse.
    #[error("{name:?} can not name an adapter: it must not be empty, hold a dot or be a word of torch's modules")]
    Name {
        /// The name.
        name: String,
    },
    /// Bottlenecks that no reduction factor expresses.
    #[error(
        "layer {layer} has a bottleneck of {attention} after attention and {output} after the feed-forward block; the format has one for both"
    )]
    MixedBottlenecks {
        /// The layer.
        layer: usize,
        /// Bottleneck after attention.
        attention: usize,
        /// Bottleneck after the feed-forward block.
        output: usize,
    },
    /// A writer gave up.
    #[error("could not be written: {reason}")]
    Write {
        /// What the writer said.
        reason: String,
    },
}

/// A count that may have overflowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(
    /// The count; `None` where it overflows.
    pub Option<usize>,
);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(count) => count.fmt(f),
            None => f.write_str("more than can be counted"),
        }
    }
}

/// A file and what is wrong with it; displayed as one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {error}")]
pub struct Problem {
    /// Path of the file or folder.
    pub path: String,
    /// What is wrong.
    #[source]
    pub error: FormatError,
}

impl Problem {
    /// A problem of the file at `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, error: FormatError) -> Self {
        Self { path: path.into(), error }
    }

    /// The line without the path.
    #[must_use]
    pub fn message(&self) -> String {
        self.error.to_string()
    }
}
