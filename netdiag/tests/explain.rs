//! `netdiag explain` knows every drop reason of the kernels whose types are below `tests/btf`, every counter and every
//! finding; and the pages in `docs` say what it says.
//!
//! `UPDATE_GOLDEN=1 cargo test -p netdiag --test explain` writes the pages anew; read the difference.

use netdiag::{
    analysis::{
        conn,
        counter::rules,
        explain::{Entry, Kind, entries, find, kernels::TESTED, nearest},
        finding, retrans,
    },
    kernel::{btf::KernelBtf, reason::Reasons},
    render::explain::page,
};
use proptest::prelude::*;
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn of(kind: Kind) -> impl Iterator<Item = &'static Entry> {
    entries().filter(move |entry| entry.kind == kind)
}

fn names(kind: Kind) -> BTreeSet<&'static str> {
    of(kind).map(|entry| entry.name).collect()
}

/// Reasons of modules are in no committed BTF.
fn is_of_a_module(name: &str) -> bool {
    name.starts_with("OVS_") || name.starts_with("RX_DROP_")
}

#[test]
fn every_reason_of_every_kernel_is_explained() {
    for kernel in TESTED {
        let btf = KernelBtf::from_file(&here(&format!("tests/btf/{kernel}.btf"))).unwrap();
        let reasons = Reasons::from_btf(&btf);
        let given: BTreeSet<&str> = reasons.names().collect();
        let explained: BTreeSet<&str> = of(Kind::Reason)
            .filter(|entry| entry.kernels.contains(&kernel) && !is_of_a_module(entry.name))
            .map(|entry| entry.name)
            .collect();
        let unknown: Vec<_> = given.difference(&names(Kind::Reason)).copied().collect();
        assert!(
            unknown.is_empty(),
            "{kernel} gives reasons that explain does not know: {unknown:?}"
        );
        assert_eq!(
            explained, given,
            "{kernel}: the kernels said of a reason are not those that have it"
        );
    }
}

#[test]
fn every_reason_is_named_by_some_kernel() {
    for entry in entries() {
        assert_eq!(
            entry.kernels.is_empty(),
            entry.kind != Kind::Reason,
            "{}",
            entry.name
        );
        assert!(
            entry.kernels.iter().all(|kernel| TESTED.contains(kernel)),
            "{}",
            entry.name
        );
    }
    let modules = of(Kind::Reason).filter(|entry| is_of_a_module(entry.name));
    assert_eq!(modules.count(), 11 + 95, "Open vSwitch and mac80211");
}

#[test]
fn every_counter_is_explained() {
    let rules = rules().map(|rule| rule.counter);
    let expected: BTreeSet<_> = rules.chain(retrans::counter_names()).collect();
    assert_eq!(names(Kind::Counter), expected);
}

#[test]
fn every_finding_is_explained() {
    let expected: BTreeSet<_> = finding::ids()
        .chain(retrans::ids())
        .chain(conn::finding::ids())
        .collect();
    assert_eq!(names(Kind::Finding), expected);
    for entry in of(Kind::Finding) {
        // What to do about a drop on this host depends on where it was: that rule has its own words.
        let own = entry.name == "retransmission-dropped-here"
            || !finding::ids()
                .chain(retrans::ids())
                .any(|id| id == entry.name);
        assert_eq!(entry.remedy.is_empty(), own, "{}", entry.name);
    }
}

#[test]
fn nothing_is_empty_or_untidy() {
    for entry in entries() {
        let name = entry.name;
        let normal: Vec<_> = entry.normal.into_iter().collect();
        let doubt: Vec<_> = entry.doubt.into_iter().collect();
        let summary = [entry.summary()];
        let meaning = [entry.meaning];
        for lines in [
            &summary[..],
            &meaning,
            &normal,
            &doubt,
            entry.causes,
            entry.remedy,
            entry.commands,
        ] {
            for line in lines {
                let tidy = line.trim() == *line && line.len() > 3 && !line.contains(['\n', '\t']);
                assert!(tidy && line.is_ascii(), "{name}: {line:?}");
            }
        }
        assert!(entry.summary().len() <= 100, "{name}: a summary is a line");
        assert!(
            !entry.summary().ends_with('.'),
            "{name}: a summary is no sentence"
        );
        assert!(
            entry.meaning.ends_with('.'),
            "{name}: a meaning is sentences"
        );
        assert!(!entry.causes.is_empty(), "{name}: no causes");
        assert!(
            !entry.commands.is_empty(),
            "{name}: nothing to look further with"
        );
    }
}

#[test]
fn no_name_is_taken_twice() {
    let mut seen = BTreeSet::new();
    for entry in entries() {
        assert!(
            seen.insert(entry.name.to_ascii_lowercase()),
            "{}",
            entry.name
        );
    }
}

#[test]
fn related_names_exist() {
    for entry in entries() {
        let related: BTreeSet<_> = entry.see.iter().collect();
        assert_eq!(
            related.len(),
            entry.see.len(),
            "{}: twice the same",
            entry.name
        );
        for name in entry.see {
            let known = entries().any(|other| other.name == *name);
            assert!(known && *name != entry.name, "{}: {name}", entry.name);
        }
    }
}

#[test]
fn commands_name_existing_reasons() {
    for entry in entries() {
        for command in entry.commands {
            let reasons = command.split("--reason ").skip(1);
            for reason in reasons.filter_map(|rest| rest.split_whitespace().next()) {
                let reason = reason.trim_end_matches(';');
                assert!(
                    names(Kind::Reason).contains(reason),
                    "{}: {command}",
                    entry.name
                );
            }
        }
    }
}

#[test]
fn the_pages_say_what_explain_says() {
    for (kind, file) in [
        (Kind::Reason, "reasons.md"),
        (Kind::Counter, "counters.md"),
        (Kind::Finding, "findings.md"),
        (Kind::Place, "places.md"),
    ] {
        let path = here("../docs").join(file);
        let page = page(kind);
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            page == written,
            "docs/{file} is not what explain says: UPDATE_GOLDEN=1 cargo test -p netdiag --test explain"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_looked_up(name in any::<String>()) {
        let _ = find(&name);
        prop_assert!(nearest(&name, 5).len() <= 5);
    }

    #[test]
    fn a_name_is_found_in_any_case_and_a_slip_leads_to_it(
        index in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), upper in any::<bool>()
    ) {
        let all: Vec<_> = entries().collect();
        let entry = index.get(&all);
        let cased = if upper { entry.name.to_uppercase() } else { entry.name.to_lowercase() };
        prop_assert_eq!(find(&cased).iter().map(|found| found.name).collect::<Vec<_>>(), [entry.name]);
        let mut slip = cased;
        slip.remove(at.index(slip.len()));
        prop_assert!(!nearest(&slip, 5).is_empty() || !find(&slip).is_empty(), "{}", slip);
    }
}
