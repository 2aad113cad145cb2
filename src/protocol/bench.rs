//! How fast the engine is here.

use serde::{Deserialize, Serialize};

/// Measure a forward pass and steps of training on the loaded model, or on random weights in the shape of
/// all-MiniLM-L6-v2 where none is loaded: speed does not ask what the weights are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bench {
    /// Sequences a run.
    pub rows: usize,
    /// Tokens a sequence, all real.
    pub tokens: usize,
    /// Neurons a location.
    pub bottleneck: usize,
    /// Measure a step of so many runs in one pass, one after the other; none after one that takes more than two seconds.
    pub runs: Vec<usize>,
    /// Timed repeats of each, after up to three that are not; fewer on a device that takes more than a minute for them.
    pub repeats: usize,
}

impl Default for Bench {
    /// What `docs/PERFORMANCE.md` compares.
    fn default() -> Self {
        Self { rows: 8, tokens: 32, bottleneck: 24, runs: vec![1, 8], repeats: 10 }
    }
}

/// Answer to [`Bench`]; as JSON, what `mera bench --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// Name and version of the engine.
    pub engine: String,
    /// What it runs on, in a word.
    pub device: String,
    /// Name of the PLM.
    pub plm: String,
    /// Sequences a run.
    pub rows: usize,
    /// Tokens a sequence.
    pub tokens: usize,
    /// Neurons a location.
    pub bottleneck: usize,
    /// The frozen PLM without adapter, no gradients.
    pub forward: Timing,
    /// Forward, loss, backward and AdamW of adapter and head.
    pub adapter_step: Vec<Timing>,
    /// Most memory that the engine has had so far, in bytes, where whoever runs it can tell.
    pub peak_memory_bytes: Option<u64>,
}

/// Of repeated measurements of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Runs in the pass.
    pub runs: usize,
    /// How often it was timed.
    pub repeats: usize,
    /// Half were faster.
    pub median_ms: f64,
    /// A quarter were faster than the first, a quarter slower than the second.
    pub quartiles_ms: [f64; 2],
}
