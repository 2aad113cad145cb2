//! WebGPU as the browser has it.

use crate::engine::{GpuDevice, OpenGpu, OpenedGpu};
use crate::protocol::{DeviceKind, Message};
use burn::tensor::Device;
use burn_wgpu::wgpu::DeviceLostReason;
use js_sys::{Promise, Reflect};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Opened at most once a worker: burn's runtime can't be set up twice.
#[derive(Default)]
pub struct WebGpu {
    opened: RefCell<Option<GpuDevice>>,
}

impl OpenGpu for WebGpu {
    fn open(&self) -> OpenedGpu<'_> {
        Box::pin(async {
            if let Some(opened) = self.opened.borrow().clone() {
                return Ok(opened);
            }
            let opened = open().await?;
            *self.opened.borrow_mut() = Some(opened.clone());
            Ok(opened)
        })
    }
}

/// Asks the browser first: burn panics where there is no adapter.
async fn open() -> Result<GpuDevice, String> {
    let navigator = get(&js_sys::global(), "navigator");
    let gpu = get(&navigator, "gpu");
    if gpu.is_undefined() || gpu.is_null() {
        return Err("this browser has no WebGPU".to_owned());
    }
    let request: js_sys::Function =
        get(&gpu, "requestAdapter").dyn_into().map_err(|_| "this browser has no WebGPU".to_owned())?;
    let promise: Promise = request
        .call0(&gpu)
        .and_then(JsCast::dyn_into)
        .map_err(|error| format!("WebGPU gave no adapter: {}", text(&error)))?;
    let adapter = JsFuture::from(promise).await.map_err(|error| format!("WebGPU gave no adapter: {}", text(&error)))?;
    if adapter.is_null() || adapter.is_undefined() {
        return Err("WebGPU is there, but no GPU for it".to_owned());
    }
    let info = get(&adapter, "info");
    let word = |key: &str| get(&info, key).as_string().unwrap_or_default();
    let (vendor, architecture, description) = (word("vendor"), word("architecture"), word("description"));
    let name = if description.is_empty() { format!("{vendor} {architecture}").trim().to_owned() } else { description };
    let fallback = get(&info, "isFallbackAdapter").as_bool().unwrap_or(false)
        || get(&adapter, "isFallbackAdapter").as_bool().unwrap_or(false);
    let software = fallback || architecture.contains("swiftshader") || name.to_lowercase().contains("llvmpipe");
    let limit = get(&get(&adapter, "limits"), "maxStorageBufferBindingSize").as_f64();

    let (device, setup) =
        Device::wgpu_options().init_with_setup_async().await.map_err(|error| format!("WebGPU: {error}"))?;
    setup.device.set_device_lost_callback(|reason, message| {
        // A device that is dropped with its worker is not lost.
        if reason != DeviceLostReason::Destroyed {
            super::post(&Message::Lost { reason: format!("the GPU was lost: {message}") });
        }
    });
    let max_binding_bytes = limit.map(|bytes| bytes as u64);
    Ok(GpuDevice { device, kind: DeviceKind::WebGpu, adapter: name, software, max_binding_bytes })
}

fn get(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(key)).unwrap_or(JsValue::UNDEFINED)
}

fn text(error: &JsValue) -> String {
    get(error, "message").as_string().unwrap_or_else(|| format!("{error:?}"))
}
