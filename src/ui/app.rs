//! The frame of the page: header, the page in sight, the drop zone over everything.

use super::browser::theme;
use super::charts::provide_scheme;
use super::components::drop_zone::DropZone;
use super::components::header::Header;
use super::components::progress::ProgressLine;
use super::lab::{Lab, Page};
use super::laboratory::Laboratory;
use super::pages::{device::DevicePage, lab::LabPage, laboratory::LaboratoryPage};
use crate::viz::Scheme;
use leptos::ev;
use leptos::prelude::*;

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
    let hash = window_event_listener(ev::hashchange, move |_| {
        let hash = super::browser::address::hash();
        laboratory.follow(&hash);
        lab.take_address(&hash);
        lab.page.set(Page::of(&hash));
    });
    on_cleanup(move || hash.remove());
    Effect::new(move |_| {
        document().set_title(match lab.page.get() {
            Page::Lab => "MerA Lab",
            Page::Laboratory => "Laboratory · MerA Lab",
            Page::Device => "This device · MerA Lab",
        });
    });
    view! {
        <Header/>
        {move || match lab.page.get() {
            Page::Lab => view! { <LabPage/> }.into_any(),
            Page::Laboratory => view! { <LaboratoryPage/> }.into_any(),
            Page::Device => view! { <DevicePage/> }.into_any(),
        }}
        <ProgressLine/>
        <DropZone/>
    }
}
