//! A Hugging Face `tokenizer.json`, read with the crate `tokenizers`, at a length that the caller chooses.
//!
//! The files of sentence-transformers models carry a truncation and a padding to a fixed 128 tokens; both are dropped.
//! Padding is a matter of the batch ([`super::batch`]), truncation is done here, pairs by *longest first*, so that
//! token ids are those of `transformers`' fast tokenizers called with `truncation=True, max_length=…`.
//!
//! The library can truncate too, but keeps all that it cut off, for a pair every combination of the pieces of both
//! texts: two texts of 10,000 tokens at length 16 would make millions of encodings. So the texts are encoded bare, cut,
//! and only then given their special tokens.

use tokenizers::{PostProcessor, PostProcessorWrapper, TruncationDirection};

/// Texts are cut here unless the caller says otherwise; a model with a shorter position table cuts sooner.
pub const DEFAULT_MAX_LENGTH: usize = 128;

/// A tokenizer that cuts at `max_length` tokens and never pads.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    /// Without post-processor, truncation and padding.
    inner: tokenizers::Tokenizer,
    post_processor: Option<PostProcessorWrapper>,
    max_length: usize,
    pad_id: u32,
    /// Rows of the model's table of segments.
    segments: usize,
}

/// What a text, or a pair of texts, is to an encoder: as many ids as type ids, special tokens included, no padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Row of the embedding table, by position.
    pub ids: Vec<u32>,
    /// Which text of a pair a token belongs to, as the model counts them (0 or 1; RoBERTa has only 0).
    pub type_ids: Vec<u32>,
    /// Whether tokens were cut off.
    pub truncated: bool,
}

impl Encoding {
    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// A token to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Row of the embedding table.
    pub id: u32,
    /// The token as the vocabulary spells it: `[CLS]`, `walk`, `##ing`.
    pub text: String,
    /// The part of the text that it stands for; none for a special token that was added.
    pub span: Option<Span>,
}

/// A part of one of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// 0 for the first text, 1 for the second.
    pub text: usize,
    /// First byte, at a character's start.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Why a tokenizer can't be read or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The bytes are not a tokenizer file.
    #[error("tokenizer.json can't be read: {0}")]
    Unreadable(String),
    /// No room for a token of each text beside the special tokens.
    #[error(
        "a length of {max_length} tokens is too short: a pair has {special} special tokens, so take {least} or more"
    )]
    TooShort {
        /// The length asked for.
        max_length: usize,
        /// How many special tokens a pair gets.
        special: usize,
        /// The smallest length that works.
        least: usize,
    },
    /// The tokenizer belongs to a model with a larger embedding table.
    #[error("the tokenizer gives id {id} to {token:?}, the model's embedding table has {rows} rows")]
    Vocabulary {
        /// The highest id.
        id: u32,
        /// The token that has it.
        token: String,
        /// Rows of the embedding table.
        rows: usize,
    },
    /// The tokenizer belongs to a model that tells more segments apart.
    #[error(
        "the tokenizer gives a row's texts segments up to {segment}, the model's table of segments has {rows} rows"
    )]
    Segments {
        /// The highest, from 0.
        segment: u32,
        /// Rows of the table of segments.
        rows: usize,
    },
    /// The library failed on a text.
    #[error("a text can't be tokenized: {0}")]
    Text(String),
}

impl Tokenizer {
    /// A tokenizer from the bytes of a `tokenizer.json`, cutting at `max_length` tokens, special tokens included.
    ///
    /// `max_length` must not be above the model's `max_position_embeddings` (less its `pad_token_id` + 1 in the RoBERTa
    /// family), which only the caller knows; [`DEFAULT_MAX_LENGTH`] is the length that sentence-transformers take.
    ///
    /// # Errors
    /// When the bytes are not a tokenizer, or `max_length` leaves no room beside the special tokens of a pair.
    pub fn from_bytes(bytes: &[u8], max_length: usize) -> Result<Self, TokenizerError> {
        let mut inner =
            tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| TokenizerError::Unreadable(e.to_string()))?;
        let pad_id = match inner.get_padding() {
            Some(padding) => padding.pad_id,
            None => ["[PAD]", "<pad>"].iter().find_map(|token| inner.token_to_id(token)).unwrap_or(0),
        };
        let post_processor = inner.get_post_processor().cloned();
        inner.with_post_processor(None::<PostProcessorWrapper>).with_padding(None);
        inner.with_truncation(None).map_err(|e| TokenizerError::Unreadable(e.to_string()))?;
        Self { inner, post_processor, max_length, pad_id, segments: usize::MAX }.with_max_length(max_length)
    }

    /// The same tokenizer, cutting at another length.
    ///
    /// # Errors
    /// When `max_length` leaves no room beside the special tokens of a pair.
    pub fn with_max_length(mut self, max_length: usize) -> Result<Self, TokenizerError> {
        let special = self.special_tokens(true);
        let least = special + 2;
        if max_length < least {
            return Err(TokenizerError::TooShort { max_length, special, least });
        }
        self.max_length = max_length;
        Ok(self)
    }

    /// The length, special tokens included, that texts are cut at.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// The id to pad batches with.
    #[must_use]
    pub fn pad_id(&self) -> u32 {
        self.pad_id
    }

    /// Number of tokens in the vocabulary, added ones included.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Whether every id that this tokenizer can give is a row of an embedding table of `rows` rows.
    ///
    /// # Errors
    /// When the highest id is beyond the table.
    pub fn check_vocabulary(&self, rows: usize) -> Result<(), TokenizerError> {
        let known = self.inner.get_vocab(true).into_iter().map(|(token, id)| (id, token));
        // A post-processor names its special tokens by ids of its own.
        let special = self.encode("", Some(""))?.ids.into_iter().map(|id| (id, self.spell(id)));
        let padding = std::iter::once((self.pad_id, self.spell(self.pad_id)));
        match known.chain(special).chain(padding).max() {
            Some((id, token)) if id as usize >= rows => Err(TokenizerError::Vocabulary { id, token, rows }),
            _ => Ok(()),
        }
    }

    /// The same tokenizer, for a model whose table of segments has `rows` rows: what needs more can't be encoded.
    #[must_use]
    pub fn with_segments(self, rows: usize) -> Self {
        Self { segments: rows, ..self }
    }

    /// The ids of a text, or of a pair of texts.
    ///
    /// # Errors
    /// When the library fails on it, as for an unknown word where the vocabulary has no unknown token, or the model has no
    /// row for a segment, as for the second text of a pair where it tells none apart.
    pub fn encode(&self, text1: &str, text2: Option<&str>) -> Result<Encoding, TokenizerError> {
        let first = self.inner.encode_fast(text1, false).map_err(text_error)?;
        let second = text2.map(|text| self.inner.encode_fast(text, false)).transpose().map_err(text_error)?;
        let (encoding, truncated) = self.assemble(first, second)?;
        if let Some(&segment) =
            encoding.get_type_ids().iter().max().filter(|&&segment| segment as usize >= self.segments)
        {
            return Err(TokenizerError::Segments { segment, rows: self.segments });
        }
        Ok(Encoding { ids: encoding.get_ids().to_vec(), type_ids: encoding.get_type_ids().to_vec(), truncated })
    }

    /// The tokens of a text, or of a pair of texts, with the part of the text that each stands for.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn tokens(&self, text1: &str, text2: Option<&str>) -> Result<Vec<Token>, TokenizerError> {
        let first = self.inner.encode(text1, false).map_err(text_error)?;
        let second = text2.map(|text| self.inner.encode(text, false)).transpose().map_err(text_error)?;
        let (encoding, _) = self.assemble(first, second)?;
        let places = encoding.get_sequence_ids().into_iter().zip(encoding.get_offsets());
        let tokens = encoding.get_ids().iter().zip(places).map(|(&id, (sequence, &(start, end)))| Token {
            id,
            text: self.spell(id),
            span: sequence.map(|text| Span { text, start, end }),
        });
        Ok(tokens.collect())
    }

    /// Cuts bare encodings to length and adds the special tokens; says whether anything was cut.
    fn assemble(
        &self,
        mut first: tokenizers::Encoding,
        mut second: Option<tokenizers::Encoding>,
    ) -> Result<(tokenizers::Encoding, bool), TokenizerError> {
        let room = self.max_length.saturating_sub(self.special_tokens(second.is_some()));
        let whole = (first.len(), second.as_ref().map_or(0, tokenizers::Encoding::len));
        let kept = match second {
            Some(_) => longest_first(whole, room),
            None => (whole.0.min(room), 0),
        };
        cut(&mut first, kept.0);
        if let Some(second) = &mut second {
            cut(second, kept.1);
        }
        let encoding = match &self.post_processor {
            Some(post_processor) => post_processor.process(first, second, true),
            None => {
                let bare = std::iter::once(first).chain(second).enumerate().map(|(i, mut encoding)| {
                    encoding.set_sequence_id(i);
                    encoding.set_type_ids(vec![u32::from(i > 0); encoding.len()]);
                    encoding
                });
                Ok(tokenizers::Encoding::merge(bare, false))
            }
        };
        Ok((encoding.map_err(text_error)?, kept != whole))
    }

    fn special_tokens(&self, pair: bool) -> usize {
        self.post_processor.as_ref().map_or(0, |post_processor| post_processor.added_tokens(pair))
    }

    fn spell(&self, id: u32) -> String {
        self.inner.id_to_token(id).unwrap_or_else(|| format!("#{id}"))
    }
}

/// How many tokens of two texts are kept so that both fit into `room`: the longer one gives way until they are equal,
/// the odd token goes to the longer one, or to the second when they are equally long (`tokenizers`, `LongestFirst`).
fn longest_first(lengths: (usize, usize), room: usize) -> (usize, usize) {
    if lengths.0 + lengths.1 <= room {
        return lengths;
    }
    let (short, long) = (lengths.0.min(lengths.1), lengths.0.max(lengths.1));
    let (short, long) = if 2 * short <= room { (short, (room - short).min(long)) } else { (room / 2, room - room / 2) };
    if lengths.0 > lengths.1 { (long, short) } else { (short, long) }
}

/// Keeps the first `length` tokens, and nothing of the rest.
fn cut(encoding: &mut tokenizers::Encoding, length: usize) {
    if encoding.len() > length {
        encoding.truncate(length, 0, TruncationDirection::Right);
        encoding.take_overflowing();
    }
}

fn text_error(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Text(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const WORDPIECE: &[u8] = include_bytes!("../../tests/fixtures/tokenizer/wordpiece/tokenizer.json");
    const BYTELEVEL: &[u8] = include_bytes!("../../tests/fixtures/tokenizer/bytelevel/tokenizer.json");
    const EXPECTED: &str = include_str!("../../tests/fixtures/tokenizer/expected.json");

    fn wordpiece(max_length: usize) -> Tokenizer {
        Tokenizer::from_bytes(WORDPIECE, max_length).unwrap()
    }

    /// Compares with what transformers made of every case; gives the number of cases and how many were cut.
    fn compare(file: &[u8], cases: &Value) -> (usize, usize) {
        let tokenizer = Tokenizer::from_bytes(file, DEFAULT_MAX_LENGTH).unwrap();
        let cases = cases.as_array().unwrap();
        for case in cases {
            let max_length = case["max_length"].as_u64().unwrap() as usize;
            let tokenizer = tokenizer.clone().with_max_length(max_length).unwrap();
            let (text1, text2) = (case["text1"].as_str().unwrap(), case["text2"].as_str());
            let encoding = tokenizer.encode(text1, text2).unwrap();
            assert_eq!(json!(encoding.ids), case["ids"], "{case}");
            assert_eq!(json!(encoding.type_ids), case["type_ids"], "{case}");
            assert_eq!(json!(encoding.truncated), case["truncated"], "{case}");

            let tokens = tokenizer.tokens(text1, text2).unwrap();
            let ids: Vec<_> = tokens.iter().map(|token| token.id).collect();
            let texts: Vec<_> = tokens.iter().map(|token| &token.text).collect();
            let span = |token: &Token| token.span.map(|span| [span.text, span.start, span.end]);
            let spans: Vec<_> = tokens.iter().map(span).collect();
            assert_eq!(ids, encoding.ids);
            assert_eq!(json!(texts), case["tokens"], "{case}");
            assert_eq!(json!(spans), case["spans"], "{case}");
        }
        (cases.len(), cases.iter().filter(|case| case["truncated"] == true).count())
    }

    #[test]
    fn tokens_are_those_of_transformers() {
        let expected: Value = serde_json::from_str(EXPECTED).unwrap();
        for (name, file) in [("wordpiece", WORDPIECE), ("bytelevel", BYTELEVEL)] {
            let (cases, cut) = compare(file, &expected[name]);
            assert!(cases > 140 && cut > 40 && cut < cases - 40, "{name}: {cut} of {cases} cases are cut");
        }
    }

    #[test]
    fn the_files_own_padding_and_truncation_are_dropped() {
        let file: Value = serde_json::from_slice(WORDPIECE).unwrap();
        assert_eq!(file["padding"]["strategy"], json!({ "Fixed": 128 }));
        assert_eq!(wordpiece(128).encode("Hello", None).unwrap().len(), 3);
        let long = "a ".repeat(600);
        assert_eq!(wordpiece(512).encode(&long, None).unwrap().len(), 512);
    }

    #[test]
    fn padding_and_vocabulary_are_the_files() {
        assert_eq!(wordpiece(128).pad_id(), 0);
        let bytelevel = Tokenizer::from_bytes(BYTELEVEL, 128).unwrap();
        assert_eq!(bytelevel.pad_id(), 1, "no padding in the file: the token <pad>");
        let size = wordpiece(128).vocab_size();
        assert!(wordpiece(128).check_vocabulary(size).is_ok());
        assert!(wordpiece(128).check_vocabulary(size - 1).is_err());
        let mut file: Value = serde_json::from_slice(WORDPIECE).unwrap();
        let one = wordpiece(128).with_segments(1);
        assert!(one.encode("Hello", None).is_ok() && bytelevel.with_segments(1).encode("a", Some("b")).is_ok());
        insta::assert_snapshot!(one.encode("Hello", Some("Hello")).unwrap_err(), @"the tokenizer gives a row's texts segments up to 1, the model's table of segments has 1 rows");
        file["post_processor"]["special_tokens"]["[SEP]"]["ids"] = json!([9999]);
        let odd = Tokenizer::from_bytes(file.to_string().as_bytes(), 128).unwrap();
        insta::assert_snapshot!(odd.check_vocabulary(size).unwrap_err(), @r##"the tokenizer gives id 9999 to "#9999", the model's embedding table has 410 rows"##);
    }

    #[test]
    fn a_pair_of_very_long_texts_costs_little() {
        // Left to the library, what is cut off here would be 10 million encodings.
        let long = "word ".repeat(20_000);
        let encoding = wordpiece(16).encode(&long, Some(&long)).unwrap();
        assert_eq!((encoding.len(), encoding.truncated), (16, true));
    }

    #[test]
    fn what_can_not_be_read_is_named() {
        insta::assert_snapshot!(Tokenizer::from_bytes(b"{}", 128).unwrap_err(), @"tokenizer.json can't be read: Model missing. at line 1 column 2");
        insta::assert_snapshot!(Tokenizer::from_bytes(b"\xff\x00", 128).unwrap_err(), @"tokenizer.json can't be read: expected value at line 1 column 1");
        insta::assert_snapshot!(Tokenizer::from_bytes(WORDPIECE, 4).unwrap_err(), @"a length of 4 tokens is too short: a pair has 3 special tokens, so take 5 or more");
        insta::assert_snapshot!(Tokenizer::from_bytes(BYTELEVEL, 0).unwrap_err(), @"a length of 0 tokens is too short: a pair has 4 special tokens, so take 6 or more");
        insta::assert_snapshot!(wordpiece(128).check_vocabulary(100).unwrap_err(), @r###"the tokenizer gives id 409 to "##ナ", the model's embedding table has 100 rows"###);
        let mut file: Value = serde_json::from_slice(WORDPIECE).unwrap();
        file["model"]["unk_token"] = json!("[NONE]");
        let odd = Tokenizer::from_bytes(file.to_string().as_bytes(), 128).unwrap();
        insta::assert_snapshot!(odd.encode("\u{12345}", None).unwrap_err(), @"a text can't be tokenized: WordPiece error: Missing [UNK] token from the vocabulary");
    }

    proptest! {
        #[test]
        fn any_text_fits_and_its_spans_are_its_own(
            text1 in "\\PC{0,60}|[a-z \\[\\]A-Z]{0,200}",
            text2 in prop::option::of(any::<String>()),
            max_length in 6usize..40,
        ) {
            for file in [WORDPIECE, BYTELEVEL] {
                let tokenizer = Tokenizer::from_bytes(file, max_length).unwrap();
                let encoding = tokenizer.encode(&text1, text2.as_deref()).unwrap();
                prop_assert!(encoding.len() <= max_length);
                prop_assert_eq!(encoding.ids.len(), encoding.type_ids.len());
                prop_assert!(!encoding.truncated || encoding.len() == max_length);
                for token in tokenizer.tokens(&text1, text2.as_deref()).unwrap() {
                    if let Some(Span { text, start, end }) = token.span {
                        let text = [Some(text1.as_str()), text2.as_deref()][text].unwrap();
                        prop_assert!(text.get(start..end).is_some(), "{start}..{end} of {text:?}");
                    }
                }
            }
        }

        #[test]
        fn longest_first_takes_from_the_longer(first in 0usize..50, second in 0usize..50, room in 0usize..60) {
            // One token at a time, as the rule is put in words.
            let (mut a, mut b) = (first, second);
            while a + b > room {
                if a > b || (a == b && second <= first && first != second) { a -= 1 } else { b -= 1 }
            }
            let kept = longest_first((first, second), room);
            prop_assert_eq!(kept.0 + kept.1, a + b);
            prop_assert!(kept.0.abs_diff(a) <= 1 && kept.1.abs_diff(b) <= 1);
            prop_assert!(kept.0 <= first && kept.1 <= second);
        }
    }
}
