//! Which device to run on, and whether it computes what the CPU computes.

use super::{EngineError, Observer};
use crate::model::{BertConfig, Encoder, EncoderInput, ModelError, RunParams, adapter, head, params::read};
use crate::protocol::{DeviceChoice, DeviceKind, DeviceReport, Phase, SelfTest};
use crate::tensors::{Tensor, TensorSet};
use crate::text::random::{Purpose, generator};
use crate::train::{AdamWConfig, Architecture, LabelledInput, Trainer};
use burn::tensor::Device;
use std::future::Future;
use std::pin::Pin;

/// A GPU that was opened.
#[derive(Clone, Debug)]
pub struct GpuDevice {
    /// The plain (not autodiff) device.
    pub device: Device,
    /// What runs on it.
    pub kind: DeviceKind,
    /// Name of the adapter.
    pub adapter: String,
    /// Whether it is a CPU in disguise, slower than the CPU itself.
    pub software: bool,
    /// Largest storage binding in bytes.
    pub max_binding_bytes: Option<u64>,
}

/// Opens a GPU, or says in a line why there is none.
pub type OpenedGpu<'a> = Pin<Box<dyn Future<Output = Result<GpuDevice, String>> + 'a>>;

/// How whoever runs the engine comes by a GPU.
pub trait OpenGpu {
    /// Opens it; called at most once a command.
    fn open(&self) -> OpenedGpu<'_>;
}

/// There is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoGpu;

impl OpenGpu for NoGpu {
    fn open(&self) -> OpenedGpu<'_> {
        Box::pin(std::future::ready(Err("this build has no GPU support".to_owned())))
    }
}

/// Both devices compute in single precision, in other orders; a wrong kernel is off by far more.
const TOLERANCE: f32 = 1e-3;

/// The device that `choice` comes to, with autodiff, and why.
pub(super) async fn choose(
    choice: DeviceChoice,
    gpu: &dyn OpenGpu,
    observer: &mut dyn Observer,
) -> Result<(Device, DeviceReport), EngineError> {
    let cpu = |reason: String| {
        let report = DeviceReport {
            device: DeviceKind::Cpu,
            adapter: String::new(),
            reason,
            self_test: None,
            max_binding_bytes: None,
            methods: Vec::new(),
            compared: Vec::new(),
            engine: String::new(),
        };
        (Device::flex().autodiff(), report)
    };
    if choice == DeviceChoice::Cpu {
        return Ok(cpu("the CPU was asked for".into()));
    }
    observer.at(Phase::WarmUp, 0, 2).await?;
    let opened = match gpu.open().await {
        Ok(opened) => opened,
        Err(reason) if choice == DeviceChoice::Auto => return Ok(cpu(reason)),
        Err(reason) => return Err(EngineError::Device(reason)),
    };
    let name = if opened.adapter.is_empty() { "a GPU without a name" } else { &opened.adapter };
    if opened.software && choice == DeviceChoice::Auto {
        return Ok(cpu(format!("WebGPU here is {name}, a software adapter that is slower than the CPU itself")));
    }
    observer.at(Phase::WarmUp, 1, 2).await?;
    let test = self_test(&opened.device.clone().autodiff(), observer).await?;
    let mut report = cpu(String::new()).1;
    report.self_test = Some(test.clone());
    report.adapter.clone_from(&opened.adapter);
    if !test.passed && choice == DeviceChoice::Auto {
        report.reason = format!(
            "{name} computes something else than the CPU (off by {:.0e} forward, {:.0e} backward)",
            test.forward_error, test.backward_error
        );
        return Ok((Device::flex().autodiff(), report));
    }
    report.device = opened.kind;
    report.max_binding_bytes = opened.max_binding_bytes;
    report.reason = if test.passed {
        format!("{name} agrees with the CPU")
    } else {
        format!("{name} was asked for, though it does not agree with the CPU")
    };
    Ok((opened.device.autodiff(), report))
}

/// A tiny encoder with adapter and head, forward and backward, on `device` and on the CPU.
///
/// # Errors
/// When it is cancelled or the device fails.
pub async fn self_test(device: &Device, observer: &mut dyn Observer) -> Result<SelfTest, EngineError> {
    let started = observer.seconds();
    observer.at(Phase::SelfTest, 0, 2).await?;
    let expected = forward_and_backward(&Device::flex().autodiff()).await?;
    observer.at(Phase::SelfTest, 1, 2).await?;
    let found = forward_and_backward(device).await?;
    let error = |index: usize| {
        let (expected, found): (&Vec<f32>, &Vec<f32>) = (&expected[index], &found[index]);
        let scale = expected.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        // A device that gives fewer values, or no numbers, is as wrong as can be.
        if expected.len() != found.len() || found.iter().any(|value| !value.is_finite()) {
            return f32::INFINITY;
        }
        let difference = expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        difference / scale
    };
    let forward_error = error(0);
    let backward_error = (1..expected.len()).map(error).fold(0.0, f32::max);
    Ok(SelfTest {
        forward_error,
        backward_error,
        tolerance: TOLERANCE,
        passed: forward_error < TOLERANCE && backward_error < TOLERANCE,
        seconds: observer.seconds() - started,
    })
}

/// Logits, then the gradient of every trained tensor.
async fn forward_and_backward(device: &Device) -> Result<Vec<Vec<f32>>, EngineError> {
    let config = BertConfig::parse(
        br#"{"model_type":"bert","vocab_size":50,"hidden_size":32,"num_hidden_layers":2,"num_attention_heads":4,
            "intermediate_size":64,"max_position_embeddings":16}"#,
    )?;
    let mut random = generator(1, Purpose::Weights, 0);
    let (encoder, _) = Encoder::load(config.clone(), &random_encoder(&config, &mut random)?, device)?;
    let mut params = adapter::initial(config.num_hidden_layers, config.hidden_size, 8, &mut random)?;
    params = scaled(params, 10.0)?;
    for (name, tensor) in head::initial(config.hidden_size, 3, &mut random)? {
        params.insert(name, tensor);
    }
    let stacked = RunParams::stack(&[&params], device)?;
    let trainer = Trainer::new(Architecture::default(), stacked, AdamWConfig::default(), |_| true, device);
    let batch = LabelledInput {
        input: EncoderInput {
            rows: 3,
            len: 8,
            ids: (0..24).map(|index| (index * 7 + 3) % 50).collect(),
            type_ids: (0..24).map(|index| u32::from(index % 8 > 4)).collect(),
            attention_mask: (0..24).map(|index| u32::from(index < 20)).collect(),
        },
        labels: vec![0, 1, 2],
        weights: vec![1.0; 3],
    };
    let mut values = vec![trainer.predict(&encoder, &batch.input).await?];
    let loss = trainer.loss(&encoder, &batch, None).await?;
    let gradients = loss.sum().backward();
    for (_, tensor) in trainer.params().iter() {
        let gradient = tensor.grad(&gradients).ok_or_else(|| ModelError::Device("a gradient is missing".into()))?;
        values.push(read(gradient).await?);
    }
    Ok(values)
}

fn scaled(params: TensorSet, factor: f32) -> Result<TensorSet, ModelError> {
    let scale = |(name, tensor): (String, Tensor)| {
        let shape = tensor.shape().to_vec();
        let values = tensor.into_values().into_iter().map(|value| value * factor).collect();
        Ok((name, Tensor::new(shape, values).map_err(ModelError::from)?))
    };
    params.into_iter().map(scale).collect()
}

/// Weights of the whole encoder, N(0, 0.2), norms at 1.
pub(super) fn random_encoder(config: &BertConfig, random: &mut impl rand::Rng) -> Result<TensorSet, ModelError> {
    let (hidden, wide) = (config.hidden_size, config.intermediate_size);
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".into(), vec![config.vocab_size, hidden]),
        ("embeddings.position_embeddings.weight".into(), vec![config.max_position_embeddings, hidden]),
        ("embeddings.token_type_embeddings.weight".into(), vec![config.type_vocab_size, hidden]),
    ];
    let mut linear = |name: String, output: usize, input: usize| {
        shapes.push((format!("{name}.weight"), vec![output, input]));
        shapes.push((format!("{name}.bias"), vec![output]));
    };
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in (0..config.num_hidden_layers).map(|index| format!("encoder.layer.{index}")) {
        for part in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"] {
            linear(format!("{layer}.{part}"), hidden, hidden);
        }
        linear(format!("{layer}.intermediate.dense"), wide, hidden);
        linear(format!("{layer}.output.dense"), hidden, wide);
        norms.extend([format!("{layer}.attention.output.LayerNorm"), format!("{layer}.output.LayerNorm")]);
    }
    let mut init = crate::model::Initializer(random);
    let mut params = TensorSet::new();
    for (name, shape) in shapes {
        params.insert(name, init.normal(&shape, 0.2)?);
    }
    for norm in norms {
        let ones = Tensor::new([hidden], vec![1.0; hidden]).map_err(ModelError::from)?;
        params.insert(format!("{norm}.weight"), ones);
        params.insert(format!("{norm}.bias"), init.zeros(&[hidden])?);
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Quiet;

    #[test]
    fn the_cpu_agrees_with_itself() {
        let test = pollster::block_on(self_test(&Device::flex().autodiff(), &mut Quiet)).unwrap();
        assert!(test.passed && test.forward_error == 0.0 && test.backward_error == 0.0, "{test:?}");
    }

    #[test]
    fn a_device_that_can_not_be_had_is_said_once() {
        let choose = |choice| pollster::block_on(super::choose(choice, &NoGpu, &mut Quiet));
        let report = choose(DeviceChoice::Auto).unwrap().1;
        assert_eq!((report.device, report.reason.as_str()), (DeviceKind::Cpu, "this build has no GPU support"));
        insta::assert_snapshot!(choose(DeviceChoice::WebGpu).unwrap_err(), @"this build has no GPU support");
    }
}
