//! Where random numbers come from: one ChaCha8 generator for each use of a seed.
//!
//! A seed alone determines them, on every platform: no device's generator, no thread and no clock takes part. Each use
//! (the draw of an episode, the shuffle of an epoch) has a stream of its own, so that two uses of one seed share no
//! numbers and none depends on how many another has taken.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Which rows of a class go into an episode; one stream a class.
    Episode,
    /// The order of the rows in an epoch; one stream an epoch.
    Shuffle,
    /// Which rows judge, where not all of them do; one stream.
    Test,
    /// Initial weights; a stream for the head, one for what it stands on.
    Weights,
    /// Dropout masks; one stream a step.
    Dropout,
}

/// The generator of `seed` for the `index`-th stream of `purpose`.
#[must_use]
pub fn generator(seed: u64, purpose: Purpose, index: u32) -> ChaCha8Rng {
    let purpose: u64 = match purpose {
        Purpose::Episode => 1,
        Purpose::Shuffle => 2,
        Purpose::Weights => 3,
        Purpose::Dropout => 4,
        Purpose::Test => 5,
    };
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(purpose << 32 | u64::from(index));
    generator
}
