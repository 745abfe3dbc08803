//! The committed eBPF object belongs to the committed sources. Needs no eBPF toolchain.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: a panic is a failure"
)]

use std::fs;
use std::path::Path;

use xtask::digest::{sha256, source_digest};

fn record(key: &str) -> String {
    let path = root().join("netdiag/ebpf/netdiag.bpf.json");
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    record[key].as_str().unwrap().to_owned()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_object_is_of_these_sources() {
    assert_eq!(
        record("sources_sha256"),
        source_digest(root()).unwrap(),
        "the eBPF sources have changed: run `cargo xtask ebpf` and commit netdiag/ebpf"
    );
}

#[test]
fn the_record_is_of_this_object() {
    let object = fs::read(root().join("netdiag/ebpf/netdiag.bpf.o")).unwrap();
    assert_eq!(record("object_sha256"), sha256(&object));
}
