//! The page.

/// How the page's memory is managed: by an allocator with a fifth of the code of the standard library's. An allocation
/// that grows is copied; the page holds few large ones.
#[cfg(target_arch = "wasm32")]
struct Small;

#[cfg(target_arch = "wasm32")]
impl rlsf::GlobalTlsfOptions for Small {
    const ENABLE_REALLOCATION: bool = false;
}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::GlobalTlsf<Small> = rlsf::GlobalTlsf::new();

fn main() {
    mera_lab::ui::mount();
}
