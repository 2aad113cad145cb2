//! Text in: a tokenizer, data sets, k-shot episodes, and batches ready for an encoder.
//!
//! Bytes and strings come in, numbers go out; this room opens no file and knows nothing of burn.

pub mod batch;
pub mod dataset;
pub mod episode;
mod problem;
pub mod random;
mod table;
pub mod tokenizer;

pub use batch::{Batch, BatchError, EncodedRow, Fill, Order, Shape};
pub use dataset::{Column, Columns, Dataset, Example, class_ids};
pub use episode::{Episode, EpisodeError, judges};
pub use problem::{DataError, Problem};
pub use table::{DataFormat, MAX_BYTES, MAX_FIELD_BYTES, MAX_ROWS};
pub use tokenizer::{DEFAULT_MAX_LENGTH, Encoding, Span, Token, Tokenizer, TokenizerError};
