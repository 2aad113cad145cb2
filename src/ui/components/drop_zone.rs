//! The whole page takes files that are dropped on it.

use crate::ui::browser::files;
use crate::ui::laboratory::Laboratory;
use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Listens for drops anywhere, and lies over the page while files are dragged over it.
///
/// A browser lets a drop fall on the element that it found under the pointer last. The page below redraws whenever a
/// job ends, and an element that is gone by then would take the files with it; so from the first moment on it is the
/// veil that lies under the pointer, which stays.
#[component]
pub fn DropZone() -> impl IntoView {
    let laboratory = expect_context::<Laboratory>();
    let over = RwSignal::new(false);
    let brings_files = |event: &web_sys::DragEvent| {
        event.data_transfer().is_some_and(|transfer| transfer.types().includes(&"Files".into(), 0))
    };
    // Without this, a browser takes no drop; it asks again for every element that the pointer comes to.
    let welcome = move |event: web_sys::DragEvent| {
        if brings_files(&event) {
            event.prevent_default();
            over.set(true);
        }
    };
    let handles = [
        window_event_listener(ev::dragenter, welcome),
        window_event_listener(ev::dragover, welcome),
        window_event_listener(ev::drop, move |event| {
            if !brings_files(&event) {
                return;
            }
            event.prevent_default();
            over.set(false);
            let Some(dropped) = event.data_transfer().map(|transfer| files::take(&transfer)) else { return };
            if !dropped.is_empty() {
                spawn_local(async move {
                    let (files, problems) = dropped.read().await;
                    laboratory.take_files(files, problems).await;
                });
            }
        }),
    ];
    on_cleanup(move || handles.into_iter().for_each(WindowListenerHandle::remove));
    view! {
        // Where a drag ended unheard, the next move of the pointer, which no drag sends, lifts the veil.
        <div
            class="drop-veil"
            class:shown=move || over.get()
            data-testid="drop-veil"
            data-shown=move || over.get().to_string()
            aria-hidden="true"
            on:dragleave=move |_| over.set(false)
            on:pointermove=move |_| over.set(false)
        >
            <p>"Drop adapters, data, a model or an experiment"</p>
        </div>
    }
}
