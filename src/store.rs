//! (to be written)

/// (to be written)
#[derive(Debug)]
pub struct Store;
