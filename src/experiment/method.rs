//! What a method of the comparison is: how a run comes to the adapter that it fine-tunes.
//!
//! The merge methods are those of [`merge::METHODS`]; the others stand in [`OTHERS`].

use super::check::SpecError;
use crate::merge::{self, METHODS, MergeMethod, Need};

/// How a run comes to what it fine-tunes.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Nothing is trained: the answer is always the most frequent class of the test rows.
    Majority,
    /// The frozen PLM with a new head.
    Head,
    /// A new adapter.
    Scratch,
    /// A new LoRA.
    Lora,
    /// Every weight of the PLM, the tables of embeddings among them, with a new head.
    Full,
    /// Every adapter by itself, a run each.
    Single,
    /// Of the single adapters the one that is best on dev.
    BestSingle,
    /// Of the single adapters the one with the best [`score`](super::score) before any training.
    BestSingleByScore,
    /// The frozen adapters, summed with one gate an adapter and location; the gates are trained.
    Gated,
    /// The same, folded into one adapter and reduced to a single one's size before it is judged.
    GatedReduced,
    /// AdapterFusion of the frozen adapters.
    Fusion,
    /// A merge of the adapters.
    Merge(&'static dyn MergeMethod),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Majority => "Majority",
            Self::Head => "Head",
            Self::Scratch => "Scratch",
            Self::Lora => "Lora",
            Self::Full => "Full",
            Self::Single => "Single",
            Self::BestSingle => "BestSingle",
            Self::BestSingleByScore => "BestSingleByScore",
            Self::Gated => "Gated",
            Self::GatedReduced => "GatedReduced",
            Self::Fusion => "Fusion",
            Self::Merge(method) => method.card().id,
        })
    }
}

/// A method that merges nothing.
pub struct Other {
    /// As experiments name it.
    pub id: &'static str,
    /// How a run comes to what it fine-tunes.
    pub kind: Kind,
    /// What it is, in a few words.
    pub description: &'static str,
}

/// Methods that merge nothing, in the order in which they are shown.
pub const OTHERS: &[Other] = &[
    other("majority", Kind::Majority, "always the most frequent class of test"),
    other("head", Kind::Head, "a new head on the frozen model"),
    other("scratch", Kind::Scratch, "a new adapter and head"),
    other("lora", Kind::Lora, "new low-rank matrices in the attention"),
    other("single", Kind::Single, "each adapter by itself"),
    other("best_single", Kind::BestSingle, "the single adapter that is best on dev"),
    other("best_single_by_score", Kind::BestSingleByScore, "the single adapter with the best score before training"),
    other("concat_gated", Kind::Gated, "one gate an adapter and layer over the frozen adapters"),
    other("concat_gated_reduced", Kind::GatedReduced, "the same, then folded into one adapter of a single one's size"),
    other("fusion", Kind::Fusion, "AdapterFusion of the frozen adapters"),
    other("full", Kind::Full, "every weight of the model"),
];

const fn other(id: &'static str, kind: Kind, description: &'static str) -> Other {
    Other { id, kind, description }
}

/// Every id, those of merges after the others.
pub fn ids() -> impl Iterator<Item = &'static str> {
    let merges = METHODS.iter().map(|method| method.card().id);
    OTHERS.iter().map(|other| other.id).chain(merges)
}

/// The method called `id`.
///
/// # Errors
/// When there is none, with the nearest by name.
pub fn find(id: &str) -> Result<Kind, SpecError> {
    if let Ok(method) = merge::method(id) {
        return Ok(Kind::Merge(method));
    }
    match OTHERS.iter().find(|other| other.id == id) {
        Some(other) => Ok(other.kind),
        None => {
            Err(SpecError::UnknownMethod { name: id.to_owned(), nearest: crate::merge::settings::nearest(id, ids()) })
        }
    }
}

impl Kind {
    /// Whether adapters take part.
    #[must_use]
    pub fn uses_adapters(self) -> bool {
        !matches!(self, Self::Majority | Self::Head | Self::Scratch | Self::Lora | Self::Full)
    }

    /// Whether anything is trained.
    #[must_use]
    pub fn trains(self) -> bool {
        !matches!(self, Self::Majority)
    }

    /// Whether adapters are aligned to a reference among them.
    #[must_use]
    pub fn aligns(self) -> bool {
        matches!(self, Self::Merge(method) if method.card().needs.contains(&Need::Reference))
    }

    /// Whether it fine-tunes one adapter, of which a part may be chosen.
    #[must_use]
    pub fn trains_adapter(self) -> bool {
        matches!(self, Self::Scratch | Self::Single | Self::BestSingle | Self::BestSingleByScore | Self::Merge(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_and_others_are_refused_by_name() {
        assert!(ids().all(|id| find(id).is_ok()));
        insta::assert_snapshot!(find("mera_act").unwrap_err(), @r#"there is no method "mera_act": did you mean "mera_acts"?"#);
        insta::assert_snapshot!(find("xyz").unwrap_err(), @r#"there is no method "xyz""#);
    }

    #[test]
    fn no_id_stands_twice() {
        let mut all: Vec<_> = ids().collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    }
}
