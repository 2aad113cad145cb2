//! How fast the engine is here: a forward pass and a step of training, as `benches/peers` measures them of others.

use super::device::random_encoder;
use super::{Engine, EngineError, Observer, VERSION};
use crate::model::{BertConfig, Encoder, EncoderInput, NoAdapters, RunParams, adapter, head, params::read};
use crate::protocol::{Bench, BenchReport, Phase, Timing};
use crate::text::random::{Purpose, generator};
use crate::train::{AdamWConfig, Architecture, LabelledInput, Step, Trainer};
use rand::Rng;

/// Repeats that only warm up, at most.
const WARM_UP: usize = 3;
/// No more of them after so many seconds: what is compiled once is compiled by the first.
const WARM_UP_S: f64 = 10.0;
/// No more timed repeats after so many seconds.
const TIMED_S: f64 = 60.0;
/// Where a step takes longer, as on a software adapter, those of more runs would take minutes each and are left out.
const SLOW_MS: f64 = 2000.0;

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
        let each = WARM_UP + asked.repeats;
        let total = (1 + asked.runs.len()) * each;

        let input = self.random_batch(&encoder, asked, 1).input;
        let mut times = Times::default();
        while !times.enough(asked.repeats) {
            observer.at(Phase::Evaluate, times.count(), total).await?;
            let began = observer.seconds();
            read(encoder.forward(&input, &NoAdapters)?).await?;
            times.add(observer.seconds() - began);
        }
        let forward = times.timing(1);

        let mut adapter_step: Vec<Timing> = Vec::new();
        for &runs in &asked.runs {
            if adapter_step.last().is_some_and(|step| step.median_ms > SLOW_MS) {
                break;
            }
            let batch = self.random_batch(&encoder, asked, runs);
            let mut trainer = self.random_trainer(&encoder, asked, runs)?;
            let learning_rates = vec![1e-3; runs];
            let mut times = Times::default();
            while !times.enough(asked.repeats) {
                observer.at(Phase::Train, (1 + adapter_step.len()) * each + times.count(), total).await?;
                let began = observer.seconds();
                let step = Step { batch: &batch, learning_rates: &learning_rates, dropout: None };
                trainer.step(&encoder, &step).await?;
                times.add(observer.seconds() - began);
            }
            adapter_step.push(times.timing(runs));
        }
        Ok(BenchReport {
            engine: VERSION.to_owned(),
            device: self.kind.label().to_owned(),
            plm: name,
            rows: asked.rows,
            tokens: asked.tokens,
            bottleneck: asked.bottleneck,
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

/// What one pass took, in seconds, again and again.
#[derive(Default)]
struct Times {
    warm_up: Vec<f64>,
    timed: Vec<f64>,
}

impl Times {
    fn add(&mut self, seconds: f64) {
        let warm = self.warm_up.len() >= WARM_UP || self.warm_up.iter().sum::<f64>() > WARM_UP_S;
        if warm { &mut self.timed } else { &mut self.warm_up }.push(seconds);
    }

    fn count(&self) -> usize {
        self.warm_up.len() + self.timed.len()
    }

    fn enough(&self, repeats: usize) -> bool {
        self.timed.len() >= repeats || self.timed.iter().sum::<f64>() > TIMED_S
    }

    fn timing(mut self, runs: usize) -> Timing {
        self.timed.sort_by(f64::total_cmp);
        let repeats = self.timed.len();
        let at = |quarter: usize| 1e3 * self.timed.get(repeats * quarter / 4).copied().unwrap_or(0.0);
        Timing { runs, repeats, median_ms: at(2), quartiles_ms: [at(1), at(3)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(seconds: f64, repeats: usize) -> (usize, Timing) {
        let mut times = Times::default();
        while !times.enough(repeats) {
            times.add(seconds);
        }
        (times.count(), times.timing(1))
    }

    #[test]
    fn a_slow_device_is_measured_less_often() {
        assert_eq!(repeated(0.01, 10), (13, Timing { runs: 1, repeats: 10, median_ms: 10.0, quartiles_ms: [10.0; 2] }));
        let (passes, slow) = repeated(100.0, 10);
        assert_eq!((passes, slow.repeats), (2, 1), "one to warm up, one timed");
        assert_eq!(repeated(15.0, 10).1.repeats, 5, "until a minute is over");
        assert_eq!(repeated(100.0, 1).1.repeats, 1, "no more than were asked for");
    }
}
