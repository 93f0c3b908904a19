//! (to be written)
pub(crate) mod fields;
