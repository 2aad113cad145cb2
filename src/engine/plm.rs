//! The pretrained language model.

use super::adapters::fits_plm;
use super::told::problem;
use super::{Engine, EngineError, Observer, fetched, one_line, texts};
use crate::format::{AdapterFile, SourceFile, safetensors, sha256_hex};
use crate::model::{BertConfig, Encoder, ModelError};
use crate::protocol::{OpenPlm, PLM_FILES, Phase, PlmCard, Token};
use crate::text::{DEFAULT_MAX_LENGTH, Tokenizer};

/// Encoder and tokenizer.
#[derive(Debug)]
pub struct Plm {
    /// What is said of it.
    pub card: PlmCard,
    /// Frozen.
    pub encoder: Encoder,
    /// Cutting at 128 tokens, or at the model's longest sequence where that is shorter.
    pub tokenizer: Tokenizer,
    /// Its three files: configuration, tokenizer, weights.
    pub files: Vec<SourceFile>,
    /// SHA-256 of theirs: weights, configuration, tokenizer.
    pub identity: String,
}

/// What the encoder may keep of rows that it has seen. One of 50 tokens 384 wide is 77 kB: this is the test of most
/// targets and the examples of their runs. A tab has several engines, and less memory.
const KEPT_BYTES: usize = if cfg!(target_arch = "wasm32") { 64 << 20 } else { 256 << 20 };

impl Plm {
    /// What the tokenizer makes of a text.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn tokens(&self, text1: &str, text2: Option<&str>) -> Result<Vec<Token>, EngineError> {
        let encoding = self.tokenizer.encode(text1, text2)?;
        let tokens = self.tokenizer.tokens(text1, text2)?;
        let token = |(token, &segment): (crate::text::Token, &u32)| Token { id: token.id, text: token.text, segment };
        Ok(tokens.into_iter().zip(&encoding.type_ids).map(token).collect())
    }

    /// The tokenizer, cutting at `max_length` or at the model's longest sequence, whichever is shorter.
    pub(super) fn tokenizer(&self, max_length: usize) -> Result<Tokenizer, EngineError> {
        Ok(self.tokenizer.clone().with_max_length(max_length.min(self.card.max_length))?)
    }
}

impl Engine {
    pub(super) async fn open_plm(
        &mut self,
        open: OpenPlm,
        observer: &mut dyn Observer,
    ) -> Result<PlmCard, EngineError> {
        let files = fetched(open.files)?;
        let find = |name: &'static str| {
            let ends = |path: &str| path == name || path.ends_with(&format!("/{name}"));
            files
                .iter()
                .find(|file| ends(&file.path))
                .map(|file| file.bytes.as_slice())
                .ok_or(EngineError::IncompletePlm { name: open.name.clone(), missing: name })
        };
        let [config, tokenizer, weights] = PLM_FILES.map(find);
        let (config, tokenizer, weights) = (config?, tokenizer?, weights?);
        let [of_config, of_tokenizer] = [config, tokenizer].map(sha256_hex);
        let in_plm = |error| EngineError::Plm { path: open.name.clone(), error };
        observer.at(Phase::Read, 0, 3).await?;
        let config = BertConfig::parse(config).map_err(in_plm)?;
        let max_length = DEFAULT_MAX_LENGTH.min(config.max_position_embeddings);
        let tokenizer = Tokenizer::from_bytes(tokenizer, max_length)?;
        observer.at(Phase::Read, 1, 3).await?;
        let sha256 = sha256_hex(weights);
        let identity = sha256_hex([&*sha256, &*of_config, &*of_tokenizer].concat().as_bytes());
        let sources = PLM_FILES.into_iter().zip([of_config, of_tokenizer, sha256.clone()]);
        let sources = sources.map(|(name, sha256)| SourceFile { path: name.to_owned(), sha256 }).collect();
        observer.at(Phase::Read, 2, 3).await?;
        let params = safetensors::read(weights)
            .map_err(|error| in_plm(ModelError::Weights { file: "model.safetensors", error: error.to_string() }))?;
        observer.at(Phase::Upload, 0, 1).await?;
        let (encoder, report) = Encoder::load(config, &params, &self.device).map_err(in_plm)?;
        let encoder = encoder.keeping(KEPT_BYTES);
        let config = encoder.config();
        // The tables are as long as the configuration says, or they would not have been loaded.
        tokenizer.check_vocabulary(config.vocab_size)?;
        let tokenizer = tokenizer.with_segments(config.type_vocab_size);
        let mut card = PlmCard {
            name: open.name.clone(),
            family: config.model_type.clone(),
            layers: config.num_hidden_layers,
            hidden: config.hidden_size,
            heads: config.num_attention_heads,
            intermediate: config.intermediate_size,
            vocabulary: config.vocab_size,
            max_length: config.max_position_embeddings,
            parameters: report.applied.iter().filter_map(|name| params.get(name)).map(|tensor| tensor.len()).sum(),
            sha256,
            unused: report.unused.iter().map(one_line).collect(),
            misfits: Vec::new(),
        };
        let misfit = |adapter: &AdapterFile| {
            let error = fits_plm(adapter, &card).err()?;
            // What was merged here has no path.
            let path = if adapter.path.is_empty() { &adapter.name } else { &adapter.path };
            Some(problem(path, error))
        };
        card.misfits = self.adapters.iter().filter_map(|(_, adapter)| misfit(&adapter.file)).collect();
        // What was computed with another model is stale.
        self.texts = texts::ObservedTexts::default();
        self.alignment = None;
        self.runs.clear();
        self.laboratory = None;
        self.plm = Some(Plm { card: card.clone(), encoder, tokenizer, files: sources, identity });
        Ok(card)
    }
}
