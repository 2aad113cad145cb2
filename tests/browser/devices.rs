//! The two devices, and that one of them really is another.

use burn::tensor::Device;
use mera_lab::engine::{GpuDevice, OpenGpu, OpenedGpu, Quiet, self_test};
use mera_lab::worker::WebGpu;
use std::cell::RefCell;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

thread_local! {
    /// burn's runtime can be set up once a worker, and all tests share one.
    static OPENED: RefCell<Option<GpuDevice>> = const { RefCell::new(None) };
}

/// WebGPU, opened as the worker opens it.
pub(crate) struct SharedGpu;

impl OpenGpu for SharedGpu {
    fn open(&self) -> OpenedGpu<'_> {
        Box::pin(async {
            if let Some(opened) = OPENED.with_borrow(Clone::clone) {
                return Ok(opened);
            }
            let opened = WebGpu::default().open().await?;
            console_log!("WebGPU is {:?}, software: {}", opened.adapter, opened.software);
            OPENED.set(Some(opened.clone()));
            Ok(opened)
        })
    }
}

/// The device WebGPU, without autodiff.
pub(crate) async fn webgpu() -> Device {
    SharedGpu.open().await.expect("the tests need a browser with WebGPU").device
}

#[wasm_bindgen_test]
async fn webgpu_computes_what_the_cpu_computes() {
    let test = self_test(&webgpu().await.autodiff(), &mut Quiet).await.unwrap();
    console_log!("{test:?}");
    assert!(test.passed, "{test:?}");
    // Two devices that add up in other orders differ in the last digits; no difference at all is one device twice.
    assert!(test.forward_error > 0.0 && test.backward_error > 0.0, "{test:?}");
}

#[wasm_bindgen_test]
async fn the_self_test_sees_a_difference() {
    let test = self_test(&Device::flex().autodiff(), &mut Quiet).await.unwrap();
    assert_eq!((test.forward_error, test.backward_error), (0.0, 0.0), "the CPU differs from itself");
}
