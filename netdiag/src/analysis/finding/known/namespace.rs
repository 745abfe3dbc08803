//! What is known of network namespaces: whether anything holds them.

use crate::analysis::fact::Facts;
use crate::analysis::finding::{Tally, rule::Verdict, tally::Place};

/// For a finding that says that the whole namespace is gone.
pub(in crate::analysis::finding) fn gone(tally: &Tally, facts: &Facts) -> Verdict {
    let is_gone = |place: &Place| facts.is_gone(place.netns) == Some(true);
    if tally.places.is_empty() || !tally.places.iter().all(is_gone) {
        return Verdict::contradicted();
    }
    let words = |place: &Place| {
        format!(
            "namespace {} is gone: no process and no name holds it",
            place.netns.0
        )
    };
    Verdict::stands()
        .sure(0.95)
        .with_all(tally.places.iter().map(words))
}
