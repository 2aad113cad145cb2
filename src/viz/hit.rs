//! What is pointed at: the vocabulary by which figures are linked.

/// What an index counts. Figures are linked where they share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Neurons of the adapter that is moved.
    Source,
    /// Neurons of the adapter that stays.
    Reference,
    /// The encoder's hidden dimensions.
    Hidden,
    /// Places of adapters in the encoder.
    Layer,
    /// Runs of a training.
    Run,
    /// Its steps.
    Step,
    /// Rows of a comparison, or whatever else is listed.
    Item,
    /// The class that is right.
    Truth,
    /// The class that was said.
    Predicted,
}

/// What is pointed at: an index, or two of different kinds. Indices are as stored, whatever the order on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hit {
    first: (Dim, usize),
    second: Option<(Dim, usize)>,
}

impl Hit {
    /// One thing.
    pub fn one(dim: Dim, index: usize) -> Self {
        Self { first: (dim, index), second: None }
    }

    /// A pair, for example a neuron of each adapter.
    pub fn two(dim: Dim, index: usize, other: Dim, other_index: usize) -> Self {
        Self { first: (dim, index), second: Some((other, other_index)) }
    }

    /// The index of this kind.
    pub fn get(&self, dim: Dim) -> Option<usize> {
        [Some(self.first), self.second].into_iter().flatten().find(|(d, _)| *d == dim).map(|(_, index)| index)
    }

    /// Whether both speak of something the same.
    pub fn shares(&self, other: &Hit) -> bool {
        [Some(self.first), self.second].into_iter().flatten().any(|(dim, index)| other.get(dim) == Some(index))
    }

    /// Whether both speak of something the same and of nothing differently: they share a kind of index, and agree on
    /// every one they share.
    pub fn agrees(&self, other: &Hit) -> bool {
        let mut shared = false;
        for (dim, index) in [Some(self.first), self.second].into_iter().flatten() {
            match other.get(dim) {
                Some(there) if there == index => shared = true,
                Some(_) => return false,
                None => {}
            }
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_agree_where_they_share_and_never_where_they_differ() {
        let pair = Hit::two(Dim::Source, 3, Dim::Reference, 5);
        assert!(pair.agrees(&pair));
        assert!(pair.agrees(&Hit::one(Dim::Source, 3)) && Hit::one(Dim::Reference, 5).agrees(&pair));
        assert!(!pair.agrees(&Hit::one(Dim::Source, 5)));
        assert!(!pair.agrees(&Hit::two(Dim::Source, 3, Dim::Reference, 6)));
        assert!(!pair.agrees(&Hit::one(Dim::Layer, 3)));
        assert_eq!(pair.get(Dim::Reference), Some(5));
        assert_eq!(pair.get(Dim::Layer), None);
    }
}
