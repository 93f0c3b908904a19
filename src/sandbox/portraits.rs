//! (to be written)

/// A recipe for a drawn face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Portrait {
    /// Which face.
    pub seed: u64,
}
