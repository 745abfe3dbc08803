//! Puts the questions of findings to the kernel, when a run is over.
use crate::analysis::fact::{Facts, Question};
use std::collections::BTreeSet;

pub(super) fn fetch(_questions: &BTreeSet<Question>) -> Facts {
    Facts::default()
}
