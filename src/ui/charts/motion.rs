//! Motion of a scene to another, where the change is a reordering and the person doesn't mind motion.

use super::measure;
use crate::ui::effect::effect;
use crate::viz::{Scene, between};
use leptos::prelude::*;
use std::sync::Arc;

/// In milliseconds.
const DURATION: f64 = 200.0;

/// The scene to show now: `scene`, or one on its way there.
pub(super) fn moving(scene: Memo<Arc<Scene>>) -> Signal<Arc<Scene>> {
    let shown = RwSignal::new(scene.get_untracked());
    // Counts changes, so that a motion ends when the next begins.
    let current = StoredValue::new(0_u32);
    effect(move || {
        let to = scene.get();
        let from = shown.get_untracked();
        current.update_value(|n| *n = n.wrapping_add(1));
        match measure::prefers("(prefers-reduced-motion: reduce)") || between(&from, &to, 0.0).is_none() {
            true => shown.set(to),
            false => frame(Motion { shown, current, number: current.get_value(), from, to, start: now() }),
        }
    });
    shown.into()
}

struct Motion {
    shown: RwSignal<Arc<Scene>>,
    current: StoredValue<u32>,
    number: u32,
    from: Arc<Scene>,
    to: Arc<Scene>,
    start: f64,
}

fn frame(motion: Motion) {
    request_animation_frame(move || {
        if motion.current.try_get_value() != Some(motion.number) {
            return;
        }
        let part = ((now() - motion.start) / DURATION).clamp(0.0, 1.0);
        // Slow at both ends.
        let eased = part * part * (3.0 - 2.0 * part);
        match between(&motion.from, &motion.to, eased).filter(|_| part < 1.0) {
            Some(scene) => {
                motion.shown.try_set(Arc::new(scene));
                frame(motion);
            }
            None => {
                motion.shown.try_set(motion.to);
            }
        }
    });
}

fn now() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |performance| performance.now())
}
