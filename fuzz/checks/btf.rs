//! Any bytes as the types of a kernel: everything that netdiag asks of them has an answer or an error, soon.

use std::path::Path;

use netdiag::kernel::btf::{BtfError, KernelBtf};
use netdiag::kernel::hook;
use netdiag::kernel::reason::Reasons;

/// Asks everything that netdiag asks of a kernel's types.
pub(crate) fn check(data: &[u8]) {
    let path = Path::new("some.btf");
    let btf = match KernelBtf::from_bytes(data, path) {
        Ok(btf) => btf,
        Err(error) => {
            assert!(matches!(error, BtfError::Format { .. }), "{error:?}");
            assert!(error.to_string().contains("some.btf"));
            return;
        }
    };
    assert_eq!(btf.path(), path);
    match btf.fields() {
        Ok(_) => btf.check_against(&btf).expect("it is of its own kernel"),
        Err(error) => assert!(matches!(error, BtfError::MissingField { .. }), "{error:?}"),
    }
    for ladder in hook::all(Some(&btf)) {
        assert!(!ladder.rungs.is_empty());
    }
    let reasons = Reasons::from_btf(&btf);
    for (name, _) in btf.enumerators("skb_drop_reason") {
        // Any name will do: it is only looked up.
        let _value = reasons.value(&name);
    }
}
