//! The frame of the page: header, the page in sight, the drop zone over everything.

use super::browser::{files, theme};
use super::charts::provide_scheme;
use super::components::header::Header;
use super::components::progress::ProgressLine;
use super::lab::{Lab, Page};
use super::laboratory::Laboratory;
use super::pages::{device::DevicePage, lab::LabPage, laboratory::LaboratoryPage};
use crate::viz::Scheme;
use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Puts the page into the document.
pub fn mount() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(App);
}

#[component]
fn App() -> impl IntoView {
    let themes = theme::themes();
    let lab = Lab::open();
    let laboratory = Laboratory::open(lab);
    provide_context(lab);
    provide_context(laboratory);
    provide_context(themes);
    provide_scheme(Signal::derive(move || if themes.dark.get() { Scheme::Dark } else { Scheme::Light }));
    // The first frame stands; whatever is pressed is heard.
    request_animation_frame(move || lab.interactive.set(Some(super::browser::now())));
    let over = drop_zone(laboratory);
    let hash = window_event_listener(ev::hashchange, move |_| {
        let hash = super::browser::address::hash();
        laboratory.follow(&hash);
        lab.take_address(&hash);
        lab.page.set(Page::of(&hash));
    });
    on_cleanup(move || hash.remove());
    view! {
        <Header/>
        {move || match lab.page.get() {
            Page::Lab => view! { <LabPage/> }.into_any(),
            Page::Laboratory => view! { <LaboratoryPage/> }.into_any(),
            Page::Device => view! { <DevicePage/> }.into_any(),
        }}
        <ProgressLine/>
        <div class="drop-veil" class:shown=move || over.get() aria-hidden="true">
            <p>"Drop adapters, data, a model or an experiment"</p>
        </div>
    }
}

/// Listens for drops anywhere; whether something is being dragged over the page.
fn drop_zone(laboratory: Laboratory) -> ReadSignal<bool> {
    let (over, set_over) = signal(false);
    let brings_files = |event: &web_sys::DragEvent| {
        event.data_transfer().is_some_and(|transfer| transfer.types().includes(&"Files".into(), 0))
    };
    let handles = [
        window_event_listener(ev::dragover, move |event| {
            if brings_files(&event) {
                event.prevent_default();
                set_over.set(true);
            }
        }),
        window_event_listener(ev::dragleave, move |event| {
            // Without a related target the pointer has left the window, not gone from one element to another.
            if event.related_target().is_none() {
                set_over.set(false);
            }
        }),
        window_event_listener(ev::drop, move |event| {
            if !brings_files(&event) {
                return;
            }
            event.prevent_default();
            set_over.set(false);
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
    over
}
