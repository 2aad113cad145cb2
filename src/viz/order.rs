//! Sorting, compiled once: a sort of its own for every kind of item and every order weighs 4 KB in the page.

use std::cmp::Ordering;

/// Sorts as `slice::sort_by` does; equal items stay in their order.
///
/// ```
/// let mut words = ["ribbon", "map", "bar"];
/// mera_lab::viz::sort_by(&mut words, |a, b| a.len().cmp(&b.len()));
/// assert_eq!(words, ["map", "bar", "ribbon"]);
/// ```
pub fn sort_by<T>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    let places = sorted_places(items.len(), &|a, b| order(&items[a], &items[b]));
    for (at, place) in places.iter().enumerate() {
        // Where an earlier swap has put what stood at `place`.
        let mut now = *place;
        while now < at {
            now = places[now];
        }
        items.swap(at, now);
    }
}

fn sorted_places(count: usize, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by(|a, b| order(*a, *b));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(items in prop::collection::vec((0_u8..8, 0_u8..8), 0..40)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            theirs.sort_by_key(|a| a.0);
            prop_assert_eq!(ours, theirs);
        }
    }
}
