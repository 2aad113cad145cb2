//! The pretrained language model and its tokenizer.

use super::{FileSource, Problem};
use serde::{Deserialize, Serialize};

/// The files of a model, as the Hub names them: configuration, tokenizer, weights.
pub const PLM_FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// Load a pretrained language model from its [`PLM_FILES`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenPlm {
    /// Name to show.
    pub name: String,
    /// The three files, wherever they are.
    pub files: Vec<FileSource>,
}

/// The loaded model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlmCard {
    /// Name to show.
    pub name: String,
    /// `model_type` of its config, for example `bert`.
    pub family: String,
    /// Encoder layers.
    pub layers: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Attention heads a layer.
    pub heads: usize,
    /// Width of the feed-forward block.
    pub intermediate: usize,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Longest sequence in tokens.
    pub max_length: usize,
    /// Parameters, embeddings included.
    pub parameters: usize,
    /// Of `model.safetensors`, in hexadecimal.
    pub sha256: String,
    /// Tensors of the file that the model has no place for.
    pub unused: Vec<String>,
    /// Adapters that were loaded before it and do not fit it; they stay loaded, for the model that they are for.
    #[serde(default)]
    pub misfits: Vec<Problem>,
}

impl PlmCard {
    /// Neurons a location of a new adapter, unless told otherwise: a sixteenth of the width, as AdapterHub's `seq_bn` has.
    #[must_use]
    pub fn bottleneck(&self) -> usize {
        (self.hidden / 16).max(1)
    }
}

/// Look at what the tokenizer makes of a text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tokenize {
    /// First text.
    pub text1: String,
    /// Second text of a pair.
    pub text2: Option<String>,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Index in the vocabulary.
    pub id: u32,
    /// As the vocabulary has it, for example `##ing`.
    pub text: String,
    /// Which text of a pair, 0 or 1.
    pub segment: u32,
}
