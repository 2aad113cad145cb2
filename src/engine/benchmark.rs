//! How fast the engine is here: a forward pass and a step of training, as `benches/peers` measures them of others.

use super::device::random_encoder;
use super::{Engine, EngineError, Observer, VERSION};
use crate::model::{BertConfig, Encoder, EncoderInput, NoAdapters, RunParams, adapter, head, params::read};
use crate::protocol::{Bench, BenchReport, Phase, StepTiming, Timing};
use crate::text::random::{Purpose, generator};
use crate::train::{AdamWConfig, Architecture, LabelledInput, Step, Trainer};
use rand::Rng;

/// Repeats that only warm up.
const WARM_UP: usize = 3;

/// The shape of all-MiniLM-L6-v2, to measure where no PLM is loaded: speed does not ask what the weights are.
const MINILM: &[u8] = br#"{"model_type":"bert","vocab_size":30522,"hidden_size":384,"num_hidden_layers":6,
    "num_attention_heads":12,"intermediate_size":1536,"max_position_embeddings":512}"#;

impl Engine {
    pub(super) async fn bench(&self, asked: &Bench, observer: &mut dyn Observer) -> Result<BenchReport, EngineError> {
        let (name, encoder) = match &self.plm {
            Some(plm) => (plm.card.name.clone(), plm.encoder.without_keeping()),
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
        let forward = timing(&times);

        let mut adapter_step = Vec::new();
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
                trainer.step(&encoder, &step).await?;
                times.push(observer.seconds() - began);
            }
            let Timing { median_ms, quartiles_ms } = timing(&times);
            adapter_step.push(StepTiming { median_ms, quartiles_ms, runs });
        }
        Ok(BenchReport {
            engine: VERSION.to_owned(),
            device: self.kind.label().to_owned(),
            plm: name,
            rows: asked.rows,
            tokens: asked.tokens,
            bottleneck: asked.bottleneck,
            repeats: asked.repeats,
            forward,
            adapter_step,
            peak_memory_bytes: None,
        })
    }

    fn random_batch(&self, encoder: &Encoder, asked: &Bench, runs: usize) -> LabelledInput {
        let mut random = generator(0, Purpose::Shuffle, 0);
        let (rows, vocabulary) = (asked.rows * runs, encoder.config().vocab_size as u32);
        let ids = (0..rows * asked.tokens).map(|_| random.next_u32() % vocabulary.max(1)).collect();
        let input = EncoderInput {
            rows,
            len: asked.tokens,
            ids,
            type_ids: vec![0; rows * asked.tokens],
            attention_mask: vec![1; rows * asked.tokens],
        };
        LabelledInput { input, labels: (0..rows).map(|row| row as u32 % 2).collect(), weights: vec![1.0; rows] }
    }

    fn random_trainer(&self, encoder: &Encoder, asked: &Bench, runs: usize) -> Result<Trainer, EngineError> {
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

/// Of `times`, in seconds, after the warm-up.
fn timing(times: &[f64]) -> Timing {
    let mut sorted = times.get(WARM_UP..).unwrap_or_default().to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |quarter: usize| 1e3 * sorted.get(sorted.len() * quarter / 4).copied().unwrap_or(0.0);
    Timing { median_ms: at(2), quartiles_ms: [at(1), at(3)] }
}
