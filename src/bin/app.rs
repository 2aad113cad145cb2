//! The page.

fn main() {
    mera_lab::ui::mount();
}
