//! Which adapters are used for a target: by track, and without those that it names.

use super::spec::{AdapterEntry, Experiment, TargetEntry, Tracks};

impl Experiment {
    /// How the adapters `set` (indices) stand to `target`; without any, they are not of its track.
    #[must_use]
    pub fn relation(&self, set: &[usize], target: &TargetEntry) -> Tracks {
        let same = |index: &&usize| self.adapters.get(**index).is_some_and(|adapter| is_same(adapter, target));
        match set.iter().filter(same).count() {
            0 => Tracks::Cross,
            count if count == set.len() => Tracks::Same,
            _ => Tracks::Mixed,
        }
    }

    /// The adapters (indices) that may be used for `target`.
    #[must_use]
    pub fn adapters_for(&self, target: &TargetEntry) -> Vec<usize> {
        let used = |index: &usize| !target.without.contains(&self.adapters[*index].name);
        (0..self.adapters.len()).filter(used).collect()
    }

    /// The adapters (indices) for `target` that stand to it as `tracks` says: all of them for [`Tracks::Mixed`].
    #[must_use]
    pub fn set(&self, tracks: Tracks, target: &TargetEntry) -> Vec<usize> {
        let chosen = |index: &usize| match tracks {
            Tracks::Mixed => true,
            Tracks::Same => is_same(&self.adapters[*index], target),
            Tracks::Cross => !is_same(&self.adapters[*index], target),
        };
        self.adapters_for(target).into_iter().filter(chosen).collect()
    }

    /// The sets of adapters (indices) that are merged for `target`, in the order of [`Experiment::tracks`]; of equal
    /// ones the first, for they come to the same runs.
    #[must_use]
    pub fn sets(&self, target: &TargetEntry) -> Vec<Vec<usize>> {
        let tracks = if self.tracks.is_empty() { &[Tracks::Mixed] } else { self.tracks.as_slice() };
        let mut sets = Vec::new();
        for set in tracks.iter().map(|&tracks| self.set(tracks, target)) {
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        sets
    }
}

fn is_same(adapter: &AdapterEntry, target: &TargetEntry) -> bool {
    !adapter.track.is_empty() && adapter.track == target.track
}
