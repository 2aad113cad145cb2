//! The names of a classification head's parameters, whatever file they came from; a head of one layer has the last two.

/// Most labels of a head, and so of what it learns from: a confusion matrix has a count for every pair of them.
pub const MAX_LABELS: usize = 1000;

/// Weight of the first of two layers, `[hidden, hidden]`.
pub const DENSE_WEIGHT: &str = "head.dense.weight";
/// Its bias, `[hidden]`.
pub const DENSE_BIAS: &str = "head.dense.bias";
/// Weight of the last layer, `[labels, hidden]`.
pub const OUT_WEIGHT: &str = "head.out_proj.weight";
/// Its bias, `[labels]`, where there is one.
pub const OUT_BIAS: &str = "head.out_proj.bias";
