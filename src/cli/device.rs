//! Which device to compute on.

use crate::engine::{GpuDevice, OpenGpu, OpenedGpu};
use crate::protocol::DeviceChoice;
use clap::ValueEnum;

/// As on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Device {
    /// The processor
    #[default]
    Cpu,
    /// A GPU through Vulkan, Metal or DirectX; needs a build with the feature wgpu
    Wgpu,
    /// An NVIDIA GPU; needs a build with the feature cuda
    Cuda,
}

impl Device {
    /// What to ask the engine for.
    pub(super) fn choice(self) -> DeviceChoice {
        match self {
            Device::Cpu => DeviceChoice::Cpu,
            Device::Wgpu | Device::Cuda => DeviceChoice::WebGpu,
        }
    }
}

impl OpenGpu for Device {
    fn open(&self) -> OpenedGpu<'_> {
        match self {
            Device::Cpu => Box::pin(std::future::ready(Err("the CPU is no GPU".to_owned()))),
            Device::Wgpu => Box::pin(open_wgpu()),
            Device::Cuda => Box::pin(open_cuda()),
        }
    }
}

#[cfg(feature = "wgpu")]
async fn open_wgpu() -> Result<GpuDevice, String> {
    let options = burn::tensor::Device::wgpu_options();
    let (device, setup) = options.init_with_setup_async().await.map_err(|error| format!("--device wgpu: {error}"))?;
    let info = setup.adapter.get_info();
    Ok(GpuDevice {
        device,
        kind: crate::protocol::DeviceKind::WebGpu,
        adapter: info.name,
        software: info.device_type == burn_wgpu::wgpu::DeviceType::Cpu,
        max_binding_bytes: Some(setup.adapter.limits().max_storage_buffer_binding_size),
    })
}

#[cfg(not(feature = "wgpu"))]
async fn open_wgpu() -> Result<GpuDevice, String> {
    Err(without("wgpu"))
}

#[cfg(feature = "cuda")]
async fn open_cuda() -> Result<GpuDevice, String> {
    // Opened at the first tensor, with a panic where there is no driver; its message is no line for a person.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let opened = std::panic::catch_unwind(|| {
        let device = burn::tensor::Device::cuda(0);
        burn::tensor::Tensor::<1>::zeros([1], &device).into_data();
        device
    });
    std::panic::set_hook(hook);
    let device = opened.map_err(|_| "--device cuda: there is no CUDA driver, or no GPU for it".to_owned())?;
    let kind = crate::protocol::DeviceKind::Cuda;
    Ok(GpuDevice { device, kind, adapter: "CUDA device 0".to_owned(), software: false, max_binding_bytes: None })
}

#[cfg(not(feature = "cuda"))]
async fn open_cuda() -> Result<GpuDevice, String> {
    Err(without("cuda"))
}

#[cfg(not(all(feature = "wgpu", feature = "cuda")))]
fn without(feature: &str) -> String {
    format!(
        "--device {feature}: this build has no {feature}; `cargo build --release --features {feature}` makes one that has"
    )
}
