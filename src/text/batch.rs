//! Batches in length buckets: which rows go together, and the rectangle of ids that an encoder takes.
//!
//! Every shape that a GPU sees costs it buffers and kernels of its own, so lengths are rounded up to a few buckets, and
//! the number of rows can be held fixed by filling up the last batch. [`plan`] says which rows go together, for a whole
//! epoch and from the seed alone; [`Batch::assemble`] makes one of those batches when its turn comes.

use rand::seq::SliceRandom;

use super::random::{Purpose, generator};
use super::tokenizer::Encoding;

/// The lengths, in tokens, that batches are rounded up to; beyond them, multiples of the last.
pub const BUCKETS: [usize; 12] = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];

/// Batches that [`Order::Grouped`] sorts by length at a time.
const POOL: usize = 50;

/// A row ready to be put into a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedRow {
    /// Its ids.
    pub encoding: Encoding,
    /// Its class id; none where it has no label.
    pub label: Option<u32>,
}

/// In which order rows come, and so which share a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they stand.
    AsGiven,
    /// Short ones first: the least padding, for prediction.
    ByLength,
    /// At random: for training on few examples, where a batch should be a fair sample.
    Shuffled {
        /// Seed of the run.
        seed: u64,
        /// Epoch, from 0.
        epoch: u32,
    },
    /// At random, but with neighbours of like length, for training on many: rows are shuffled, sorted by length within
    /// pools of 50 batches, and the batches shuffled (`group_by_length` of `transformers`).
    Grouped {
        /// Seed of the run.
        seed: u64,
        /// Epoch, from 0.
        epoch: u32,
    },
}

/// What to do where there are fewer rows than a batch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A batch with fewer rows.
    Short,
    /// Copies of the batch's first row, with weight 0: one shape fewer.
    Full,
}

/// The shape that batches are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows a batch.
    pub rows: usize,
    /// The most tokens a row may have: the length that the tokenizer cuts at.
    pub max_len: usize,
    /// What a batch with fewer rows becomes.
    pub fill: Fill,
}

/// A rectangle of token ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Token ids, `[rows, len]` in row-major order.
    pub ids: Vec<u32>,
    /// Which text of a pair, `[rows, len]`.
    pub type_ids: Vec<u32>,
    /// 1 for a token, 0 for padding, `[rows, len]`.
    pub attention_mask: Vec<u32>,
    /// Number of rows, filled ones included.
    pub rows: usize,
    /// Number of positions.
    pub len: usize,
    /// Class ids, `[rows]`; 0 where a row has no label.
    pub labels: Vec<u32>,
    /// 1 for a row with a label, 0 for one without and for one that only fills up, `[rows]`.
    pub weight: Vec<f32>,
    /// The number, in the data set, of each row that is not there to fill up; they come first.
    pub sources: Vec<usize>,
}

/// Why batches can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Batches of no rows.
    #[error("a batch must have 1 row or more")]
    NoRows,
    /// A row that is not there.
    #[error("row {row} is asked for, there are {rows}")]
    NoSuchRow {
        /// The row asked for, from 0.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// More rows than the shape has.
    #[error("{found} rows do not fit into a batch of {rows}")]
    TooMany {
        /// The rows given.
        found: usize,
        /// The rows of the shape.
        rows: usize,
    },
    /// A row that was cut at another length, or not at all.
    #[error("row {row} has {len} tokens, the limit is {max_len}")]
    TooLong {
        /// The row, from 0.
        row: usize,
        /// Its length.
        len: usize,
        /// The limit.
        max_len: usize,
    },
}

/// The bucket that `len` tokens fall into, at most `max_len`.
#[must_use]
pub fn bucket(len: usize, max_len: usize) -> usize {
    let last = BUCKETS[BUCKETS.len() - 1];
    let bucket = BUCKETS.into_iter().find(|&bucket| len <= bucket);
    bucket.unwrap_or_else(|| len.div_ceil(last).saturating_mul(last)).min(max_len)
}

/// Which of `rows` (numbers into `encoded`) go together: every one in exactly one batch of at most `shape.rows`.
///
/// # Errors
/// When a number is out of range, or `shape.rows` is 0.
pub fn plan(encoded: &[EncodedRow], rows: &[usize], shape: Shape, order: Order) -> Result<Vec<Vec<usize>>, BatchError> {
    if shape.rows == 0 {
        return Err(BatchError::NoRows);
    }
    let mut sized = Vec::with_capacity(rows.len());
    for &row in rows {
        let encoding = &get(encoded, row)?.encoding;
        sized.push((bucket(encoding.len(), shape.max_len), row));
    }
    let mut random = match order {
        Order::Shuffled { seed, epoch } | Order::Grouped { seed, epoch } => {
            Some(generator(seed, Purpose::Shuffle, epoch))
        }
        Order::AsGiven | Order::ByLength => None,
    };
    if let Some(random) = &mut random {
        sized.shuffle(random);
    }
    // Stable sorts: within a bucket the order stays, as given or random.
    match order {
        Order::AsGiven | Order::Shuffled { .. } => {}
        Order::ByLength => sized.sort_by_key(|&(len, _)| len),
        Order::Grouped { .. } => {
            let pools = sized.chunks_mut(shape.rows.saturating_mul(POOL));
            pools.for_each(|pool| pool.sort_by_key(|&(len, _)| len));
        }
    }
    let mut batches: Vec<Vec<usize>> =
        sized.chunks(shape.rows).map(|batch| batch.iter().map(|&(_, row)| row).collect()).collect();
    if let (Order::Grouped { .. }, Some(random)) = (order, &mut random) {
        batches.shuffle(random);
    }
    Ok(batches)
}

impl Batch {
    /// The batch of `sources` (numbers into `encoded`), padded with `pad_id` to the bucket of its longest row.
    ///
    /// # Errors
    /// When there are no rows, more than `shape.rows`, one out of range, or one longer than `shape.max_len`.
    pub fn assemble(encoded: &[EncodedRow], sources: &[usize], shape: Shape, pad_id: u32) -> Result<Self, BatchError> {
        let mut chosen = Vec::with_capacity(shape.rows.min(encoded.len()));
        for &row in sources {
            let one = get(encoded, row)?;
            if one.encoding.len() > shape.max_len {
                return Err(BatchError::TooLong { row, len: one.encoding.len(), max_len: shape.max_len });
            }
            chosen.push(one);
        }
        let Some(&first) = chosen.first() else { return Err(BatchError::NoRows) };
        if chosen.len() > shape.rows {
            return Err(BatchError::TooMany { found: chosen.len(), rows: shape.rows });
        }
        if shape.fill == Fill::Full {
            chosen.resize(shape.rows, first);
        }

        let longest = chosen.iter().map(|row| row.encoding.len()).max().unwrap_or(0);
        let (rows, len) = (chosen.len(), bucket(longest, shape.max_len));
        let padded = |values: fn(&Encoding) -> &[u32], padding: u32| -> Vec<u32> {
            let row = |row: &&EncodedRow| {
                values(&row.encoding).to_vec().into_iter().chain(std::iter::repeat(padding)).take(len)
            };
            chosen.iter().flat_map(row).collect()
        };
        // Where a tokenizer makes nothing of a text, not even special tokens, a padding token stands in: attention over
        // nothing is not a number.
        let mask = |row: &&EncodedRow| {
            let real = row.encoding.len().max(1);
            (0..len).map(move |i| u32::from(i < real))
        };
        let weight = |(i, row): (usize, &&EncodedRow)| if i < sources.len() && row.label.is_some() { 1.0 } else { 0.0 };
        Ok(Self {
            ids: padded(|encoding| &encoding.ids, pad_id),
            type_ids: padded(|encoding| &encoding.type_ids, 0),
            attention_mask: chosen.iter().flat_map(mask).collect(),
            rows,
            len,
            labels: chosen.iter().map(|row| row.label.unwrap_or(0)).collect(),
            weight: chosen.iter().enumerate().map(weight).collect(),
            sources: sources.to_vec(),
        })
    }
}

fn get(encoded: &[EncodedRow], row: usize) -> Result<&EncodedRow, BatchError> {
    encoded.get(row).ok_or(BatchError::NoSuchRow { row, rows: encoded.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(len: usize, label: Option<u32>) -> EncodedRow {
        let ids = (0..len as u32).map(|i| 100 + i).collect();
        EncodedRow { encoding: Encoding { ids, type_ids: vec![1; len], truncated: false }, label }
    }

    const SHAPE: Shape = Shape { rows: 4, max_len: 128, fill: Fill::Short };

    #[test]
    fn lengths_round_up_to_a_bucket_within_the_limit() {
        let bucketed = [0, 1, 8, 9, 33, 128, 129, 512, 513, 1025].map(|len| bucket(len, usize::MAX));
        assert_eq!(bucketed, [8, 8, 8, 16, 48, 128, 192, 512, 1024, 1536]);
        assert_eq!(bucket(90, 100), 96);
        assert_eq!(bucket(97, 100), 100, "a bucket never goes beyond what the model has positions for");
        assert_eq!(bucket(3, 6), 6);
    }

    #[test]
    fn a_batch_is_padded_and_filled_up() {
        let encoded = [row(3, Some(2)), row(9, Some(1)), row(2, None)];
        let shape = Shape { fill: Fill::Full, ..SHAPE };
        let batch = Batch::assemble(&encoded, &[0, 2], shape, 7).unwrap();
        assert_eq!((batch.rows, batch.len), (4, 8));
        assert_eq!(batch.ids[..8], [100, 101, 102, 7, 7, 7, 7, 7]);
        assert_eq!(batch.ids[8..16], [100, 101, 7, 7, 7, 7, 7, 7]);
        assert_eq!(batch.ids[16..24], batch.ids[..8], "filled up with the first row");
        assert_eq!(batch.type_ids[..8], [1, 1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(batch.attention_mask[8..16], [1, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(batch.labels, [2, 0, 2, 2]);
        assert_eq!(batch.weight, [1.0, 0.0, 0.0, 0.0], "neither the unlabelled row nor a filled one counts");
        assert_eq!(batch.sources, [0, 2]);

        let short = Batch::assemble(&encoded, &[1], SHAPE, 7).unwrap();
        assert_eq!((short.rows, short.len, short.weight), (1, 16, vec![1.0]));
    }

    #[test]
    fn a_row_of_no_tokens_attends_to_one() {
        let batch = Batch::assemble(&[row(0, None)], &[0], SHAPE, 0).unwrap();
        assert_eq!(batch.attention_mask, [1, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn orders_are_what_they_say() {
        let encoded: Vec<_> = (0..40).map(|i| row(1 + (i * 37) % 60, Some(0))).collect();
        let rows: Vec<usize> = (0..40).collect();
        let planned = |order| plan(&encoded, &rows, SHAPE, order).unwrap();
        let lengths = |batches: &[Vec<usize>]| -> Vec<usize> {
            batches.concat().into_iter().map(|row| bucket(encoded[row].encoding.len(), 128)).collect()
        };
        assert_eq!(planned(Order::AsGiven).concat(), rows);
        assert!(lengths(&planned(Order::ByLength)).is_sorted());

        let shuffled = |seed, epoch| planned(Order::Shuffled { seed, epoch });
        assert_ne!(shuffled(1, 0), shuffled(1, 1), "another order every epoch");
        assert_ne!(shuffled(1, 0), shuffled(2, 0), "and for every seed");
        // Pinned: recipes and records rest on this order, so a generator that changed its mind must be noticed.
        assert_eq!(shuffled(13, 0)[0], [37, 7, 10, 34]);

        let grouped = planned(Order::Grouped { seed: 1, epoch: 0 });
        assert!(!lengths(&grouped).is_sorted(), "batches come in random order");
        let spread = |batches: &[Vec<usize>]| -> usize {
            let padding = |batch: &Vec<usize>| {
                let lens: Vec<_> = batch.iter().map(|&row| bucket(encoded[row].encoding.len(), 128)).collect();
                lens.iter().max().unwrap() - lens.iter().min().unwrap()
            };
            batches.iter().map(padding).sum()
        };
        assert!(spread(&grouped) < spread(&shuffled(1, 0)) / 3, "but rows of a batch are of like length");
    }

    #[test]
    fn what_can_not_be_is_named() {
        let encoded = [row(3, None), row(129, None)];
        let error = |sources: &[usize], shape| Batch::assemble(&encoded, sources, shape, 0).unwrap_err();
        insta::assert_snapshot!(error(&[2], SHAPE), @"row 2 is asked for, there are 2");
        insta::assert_snapshot!(error(&[1], SHAPE), @"row 1 has 129 tokens, the limit is 128");
        insta::assert_snapshot!(error(&[0, 0, 0], Shape { rows: 2, ..SHAPE }), @"3 rows do not fit into a batch of 2");
        insta::assert_snapshot!(error(&[], SHAPE), @"a batch must have 1 row or more");
        insta::assert_snapshot!(plan(&encoded, &[0], Shape { rows: 0, ..SHAPE }, Order::AsGiven).unwrap_err(), @"a batch must have 1 row or more");
        insta::assert_snapshot!(plan(&encoded, &[5], SHAPE, Order::AsGiven).unwrap_err(), @"row 5 is asked for, there are 2");
    }

    fn any_order() -> impl Strategy<Value = Order> {
        (0..4, any::<u64>(), 0u32..5).prop_map(|(which, seed, epoch)| match which {
            0 => Order::AsGiven,
            1 => Order::ByLength,
            2 => Order::Shuffled { seed, epoch },
            _ => Order::Grouped { seed, epoch },
        })
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_batch_and_whole(
            lengths in prop::collection::vec(0usize..=140, 1..300),
            batch_rows in 1usize..20,
            full in any::<bool>(),
            order in any_order(),
        ) {
            let encoded: Vec<_> = lengths.iter().map(|&len| row(len, Some(len as u32 % 3))).collect();
            let rows: Vec<usize> = (0..encoded.len()).step_by(2).collect();
            let shape = Shape { rows: batch_rows, max_len: 140, fill: if full { Fill::Full } else { Fill::Short } };
            let batches = plan(&encoded, &rows, shape, order).unwrap();
            prop_assert_eq!(&batches, &plan(&encoded, &rows, shape, order).unwrap(), "the same again");
            prop_assert_eq!(batches.len(), rows.len().div_ceil(batch_rows));

            let mut seen: Vec<usize> = Vec::new();
            for sources in &batches {
                let batch = Batch::assemble(&encoded, sources, shape, 9).unwrap();
                seen.extend(&batch.sources);
                prop_assert_eq!(batch.rows, if full { batch_rows } else { sources.len() });
                prop_assert!(BUCKETS.contains(&batch.len) || batch.len == 140);
                prop_assert_eq!(batch.ids.len(), batch.rows * batch.len);
                prop_assert_eq!(batch.type_ids.len(), batch.rows * batch.len);
                prop_assert_eq!(batch.attention_mask.len(), batch.rows * batch.len);
                prop_assert_eq!(batch.weight.iter().sum::<f32>(), sources.len() as f32);
                for (i, &source) in sources.iter().enumerate() {
                    let encoding = &encoded[source].encoding;
                    let at = i * batch.len..(i + 1) * batch.len;
                    let (ids, mask) = (&batch.ids[at.clone()], &batch.attention_mask[at]);
                    prop_assert_eq!(&ids[..encoding.len()], &encoding.ids[..]);
                    prop_assert!(ids[encoding.len()..].iter().all(|&id| id == 9));
                    prop_assert_eq!(mask.iter().sum::<u32>() as usize, encoding.len().max(1));
                    prop_assert_eq!(batch.labels[i], encoded[source].label.unwrap());
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, rows);
        }
    }
}
