//! Gives configured values their meaning: typed, complete, or an error that says what is missing and how to give it.
pub struct Values;
pub struct ValuesError;
