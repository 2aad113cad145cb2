//! Which device the engine runs on, and whether it can be trusted.

use super::{ComparedMethod, MethodCard};
use serde::{Deserialize, Serialize};

/// Choose and check the device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// What the person wants.
    pub device: DeviceChoice,
}

/// What the person wants to run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// WebGPU where there is one that passes its self-test and is not a software adapter, else the CPU.
    #[default]
    Auto,
    /// WebGPU, even on a software adapter.
    WebGpu,
    /// The CPU (burn's Flex).
    Cpu,
}

/// The device in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// In use.
    pub device: DeviceKind,
    /// Name of the GPU adapter as the browser gives it; empty on the CPU.
    pub adapter: String,
    /// Why this one and no other, in one line for a person.
    pub reason: String,
    /// Forward and backward of every block, this device against the CPU; `None` on the CPU itself.
    pub self_test: Option<SelfTest>,
    /// Largest storage binding in bytes, where the device has such a limit.
    pub max_binding_bytes: Option<u64>,
    /// Every merge method the engine has.
    pub methods: Vec<MethodCard>,
    /// Every method that experiments compare, in the order in which they are shown.
    pub compared: Vec<ComparedMethod>,
    /// Name and version of the engine, for recipes.
    pub engine: String,
}

/// What the engine runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    /// burn on WebGPU.
    WebGpu,
    /// burn on CUDA, natively only.
    Cuda,
    /// burn's Flex, on the CPU.
    Cpu,
}

impl DeviceKind {
    /// What a person reads.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            DeviceKind::WebGpu => "WebGPU",
            DeviceKind::Cuda => "CUDA",
            DeviceKind::Cpu => "CPU",
        }
    }
}

/// A tiny encoder with adapter and head, forward and backward, on the device and on the CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Largest relative difference of outputs.
    pub forward_error: f32,
    /// Largest relative difference of gradients.
    pub backward_error: f32,
    /// What both must stay under.
    pub tolerance: f32,
    /// Whether they do.
    pub passed: bool,
    /// What it took, in seconds, kernels' compilation included.
    pub seconds: f64,
}
