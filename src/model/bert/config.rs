//! `config.json` of a BERT encoder, with Hugging Face's field names.

use crate::model::ModelError;
use serde::Deserialize;

/// The fields that determine the computation; others are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BertConfig {
    /// Rows of the word embedding table.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads; a divisor of `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward block.
    pub intermediate_size: usize,
    /// Non-linearity of the feed-forward block.
    #[serde(default)]
    pub hidden_act: HiddenAct,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Segments.
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    /// Added to variances, so that none is 0 or below.
    #[serde(default = "epsilon")]
    pub layer_norm_eps: f64,
    /// `bert`.
    #[serde(default)]
    pub model_type: String,
    /// `absolute`.
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
}

/// Non-linearity of the feed-forward block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum HiddenAct {
    /// With the exact error function.
    #[default]
    Gelu,
    /// Approximated by tanh.
    GeluNew,
    /// `max(x, 0)`.
    Relu,
}

impl TryFrom<String> for HiddenAct {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Ok(match name.as_str() {
            "gelu" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Self::GeluNew,
            "relu" => Self::Relu,
            _ => return Err(format!("hidden_act is {name}; supported is gelu, gelu_new or relu")),
        })
    }
}

fn two() -> usize {
    2
}
fn epsilon() -> f64 {
    1e-12
}
fn absolute() -> String {
    "absolute".into()
}

/// No table or matrix of a config may be wider or longer than this: a file may claim anything.
const LARGEST: usize = 1 << 20;

impl BertConfig {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    /// When it is no JSON of this shape, of another family, or asks for what this implementation lacks.
    pub fn parse(json: &[u8]) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct Family {
            #[serde(default)]
            model_type: String,
        }
        let config_error = |error: serde_json::Error| ModelError::Config(error.to_string());
        let Family { model_type } = serde_json::from_slice(json).map_err(config_error)?;
        if model_type != "bert" {
            return Err(ModelError::Family { found: model_type });
        }
        let config: Self = serde_json::from_slice(json).map_err(config_error)?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ModelError> {
        let setting = |field, found: &dyn ToString, supported: &str| ModelError::Setting {
            field,
            found: found.to_string(),
            supported: supported.to_owned(),
        };
        if self.position_embedding_type != "absolute" {
            return Err(setting("position_embedding_type", &self.position_embedding_type, "absolute"));
        }
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ] {
            if value == 0 || value > LARGEST {
                return Err(setting(field, &value, "from 1 to 1048576"));
            }
        }
        // Of a negative one, or of NaN, the root is no number.
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps <= 1.0) {
            return Err(setting("layer_norm_eps", &self.layer_norm_eps, "above 0 and at most 1"));
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let divisor = format!("a divisor of hidden_size, which is {}", self.hidden_size);
            return Err(setting("num_attention_heads", &self.num_attention_heads, &divisor));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = r#"{"model_type":"bert","vocab_size":10,"hidden_size":8,"num_hidden_layers":1,
        "num_attention_heads":2,"intermediate_size":16,"max_position_embeddings":12}"#;

    #[test]
    fn reads_what_the_hub_has() {
        let config = BertConfig::parse(TINY.as_bytes()).unwrap();
        assert_eq!((config.hidden_size, config.type_vocab_size, config.layer_norm_eps), (8, 2, 1e-12));
    }

    #[test]
    fn says_what_it_lacks() {
        let error = |from: &str, to: &str| BertConfig::parse(TINY.replace(from, to).as_bytes()).unwrap_err();
        insta::assert_snapshot!(error("bert", "roberta"), @r#"config.json: model_type is "roberta"; supported is "bert""#);
        insta::assert_snapshot!(error("attention_heads\":2", "attention_heads\":3"), @"config.json: num_attention_heads is 3; supported is a divisor of hidden_size, which is 8");
        insta::assert_snapshot!(error("\"vocab_size\":10,", ""), @"config.json: missing field `vocab_size` at line 2 column 84");
        let act = error("model_type", "hidden_act\":\"swish\",\"model_type").to_string();
        assert!(act.starts_with("config.json: hidden_act is swish; supported is gelu, gelu_new or relu"), "{act}");
        let epsilon = |eps: &str| error("model_type", &format!("layer_norm_eps\":{eps},\"model_type"));
        insta::assert_snapshot!(epsilon("-1.0"), @"config.json: layer_norm_eps is -1; supported is above 0 and at most 1");
        insta::assert_snapshot!(epsilon("0"), @"config.json: layer_norm_eps is 0; supported is above 0 and at most 1");
        insta::assert_snapshot!(error(":10", ":99999999"), @"config.json: vocab_size is 99999999; supported is from 1 to 1048576");
    }
}
