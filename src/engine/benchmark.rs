//! How fast the engine is here: a forward pass and a step of training, as `benches/peers` measures them of others.

use super::device::random_encoder;
use super::{Engine, EngineError, Observer};
use crate::model::{BertConfig, Encoder, EncoderInput, NoAdapters, RunParams, adapter, head, params::read};
use crate::protocol::Phase;
use crate::text::random::{Purpose, generator};
use crate::train::{AdamWConfig, Architecture, LabelledInput, Step, Trainer};
use rand::Rng;

/// What to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benchmark {
    /// Sequences a run.
    pub rows: usize,
    /// Tokens a sequence, all real.
    pub len: usize,
    /// Neurons a location.
    pub bottleneck: usize,
    /// Measure a step of so many runs in one pass, one after the other.
    pub runs: Vec<usize>,
    /// Timed repeats, after three that are not.
    pub repeats: usize,
}

/// What was measured, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchmarkReport {
    /// Name of the PLM.
    pub plm: String,
    /// The frozen PLM without adapter, no gradients.
    pub forward: Quartiles,
    /// Forward, loss, backward and AdamW of adapter and head.
    pub steps: Vec<StepTime>,
}

/// A step of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepTime {
    /// Runs in one pass.
    pub runs: usize,
    /// Of the pass.
    pub time: Quartiles,
}

/// Of repeated measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quartiles {
    /// A quarter was faster.
    pub lower: f64,
    /// Half was.
    pub median: f64,
    /// Three quarters were.
    pub upper: f64,
}

/// Repeats that only warm up.
const WARM_UP: usize = 3;

/// The shape of all-MiniLM-L6-v2, to measure where no PLM is loaded: speed does not ask what the weights are.
const MINILM: &[u8] = br#"{"model_type":"bert","vocab_size":30522,"hidden_size":384,"num_hidden_layers":6,
    "num_attention_heads":12,"intermediate_size":1536,"max_position_embeddings":512}"#;

impl Engine {
    /// Measures the loaded PLM, or random weights in the shape of all-MiniLM-L6-v2.
    ///
    /// # Errors
    /// When it is cancelled or the device fails.
    pub async fn benchmark(
        &self,
        asked: &Benchmark,
        observer: &mut dyn Observer,
    ) -> Result<BenchmarkReport, EngineError> {
        let (name, encoder) = match &self.plm {
            Some(plm) => (plm.card.name.clone(), plm.encoder.clone()),
            None => {
                let config = BertConfig::parse(MINILM)?;
                let weights = random_encoder(&config, &mut generator(0, Purpose::Weights, 0))?;
                (
                    "random weights in the shape of all-MiniLM-L6-v2".to_owned(),
                    Encoder::load(config, &weights, &self.device)?.0,
                )
            }
        };
        let total = (1 + asked.runs.len()) * (WARM_UP + asked.repeats);
        let mut done = 0;

        let input = self.random_batch(&encoder, asked, 1).input;
        let mut times = Vec::new();
        for _ in 0..WARM_UP + asked.repeats {
            observer.at(Phase::Evaluate, done, total).await?;
            done += 1;
            let began = observer.seconds();
            read(encoder.forward(&input, &NoAdapters)?).await?;
            times.push(observer.seconds() - began);
        }
        let forward = quartiles(&times);

        let mut steps = Vec::new();
        for &runs in &asked.runs {
            let batch = self.random_batch(&encoder, asked, runs);
            let mut trainer = self.random_trainer(&encoder, asked, runs)?;
            let learning_rates = vec![1e-3; runs];
            let mut times = Vec::new();
            for _ in 0..WARM_UP + asked.repeats {
                observer.at(Phase::Train, done, total).await?;
                done += 1;
                let began = observer.seconds();
                let step = Step { batch: &batch, learning_rates: &learning_rates, dropout: None };
                trainer.step(&encoder, step).await?;
                times.push(observer.seconds() - began);
            }
            steps.push(StepTime { runs, time: quartiles(&times) });
        }
        Ok(BenchmarkReport { plm: name, forward, steps })
    }

    fn random_batch(&self, encoder: &Encoder, asked: &Benchmark, runs: usize) -> LabelledInput {
        let mut random = generator(0, Purpose::Shuffle, 0);
        let (rows, vocabulary) = (asked.rows * runs, encoder.config().vocab_size as u32);
        let ids = (0..rows * asked.len).map(|_| random.next_u32() % vocabulary.max(1)).collect();
        let input = EncoderInput {
            rows,
            len: asked.len,
            ids,
            type_ids: vec![0; rows * asked.len],
            attention_mask: vec![1; rows * asked.len],
        };
        LabelledInput { input, labels: (0..rows).map(|row| row as u32 % 2).collect(), weights: vec![1.0; rows] }
    }

    fn random_trainer(&self, encoder: &Encoder, asked: &Benchmark, runs: usize) -> Result<Trainer, EngineError> {
        let config = encoder.config();
        let mut random = generator(0, Purpose::Weights, 1);
        let mut params = adapter::initial(config.num_hidden_layers, config.hidden_size, asked.bottleneck, &mut random)?;
        for (name, tensor) in head::initial(config.hidden_size, 2, &mut random)? {
            params.insert(name, tensor);
        }
        let stacked = RunParams::stack(&vec![&params; runs], &self.device)?;
        Ok(Trainer::new(Architecture::default(), stacked, AdamWConfig::default(), |_| true, &self.device))
    }
}

/// Of `times` after the warm-up.
fn quartiles(times: &[f64]) -> Quartiles {
    let mut sorted = times.get(WARM_UP..).unwrap_or_default().to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |quarter: usize| sorted.get(sorted.len() * quarter / 4).copied().unwrap_or(0.0);
    Quartiles { lower: at(1), median: at(2), upper: at(3) }
}
