//! What netdiag reads from a kernel's BTF, on the kernels whose types are committed below `tests/btf`, and whether the
//! committed eBPF object agrees with the field table.
//!
//! The expected offsets are literal: they were read from the whole BTF of each kernel by another tool (bpftool). Long
//! for that reason: one line a field.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the helpers are tests too: a panic there is a failed test"
)]

use netdiag::kernel::{
    btf::{BtfError, KernelBtf},
    reason::Reasons,
};
use netdiag_common::field::{ABSENT, FIELDS};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const KERNELS: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7.2"];

/// Byte offsets on each of [`KERNELS`].
const OFFSETS: &[(&str, [u32; 5])] = &[
    ("SKB_LEN", [112, 112, 112, 112, 112]),
    ("SKB_HEAD", [192, 200, 200, 192, 200]),
    ("SKB_DATA", [200, 208, 208, 200, 208]),
    ("SKB_TAIL", [184, 188, 188, 184, 188]),
    ("SKB_NETWORK_HEADER", [180, 184, 184, 180, 184]),
    ("SKB_MAC_HEADER", [182, 186, 186, 182, 186]),
    ("SKB_PROTOCOL", [176, 180, 180, 176, 180]),
    ("SKB_DEV", [16, 16, 16, 16, 16]),
    ("SKB_SK", [24, 24, 24, 24, 24]),
    ("SKB_IIF", [144, 144, 148, 144, 148]),
    ("SKB_DST", [88, 88, 88, 88, 88]),
    ("SKB_PKT_TYPE", [128, 128, 128, 128, 128]),
    ("SKB_VLAN_PRESENT", [130, 130, ABSENT, ABSENT, ABSENT]),
    ("SKB_VLAN_ALL", [ABSENT, ABSENT, 156, 152, 156]),
    ("SKB_VLAN_TCI", [154, 154, 158, 154, 158]),
    ("DEV_NAME", [0, 0, 304, 280, 288]),
    ("DEV_IFINDEX", [256, 216, 224, 224, 224]),
    ("DEV_TYPE", [556, 296, 560, 536, 544]),
    ("DEV_NET", [1264, 1280, 280, 264, 264]),
    ("NET_INUM", [136, 144, 136, 176, 280]),
    ("SK_NET", [48, 48, 48, 48, 48]),
    ("SK_STATE", [18, 18, 18, 18, 18]),
    ("SK_FAMILY", [16, 16, 16, 16, 16]),
    ("SK_NUM", [14, 14, 14, 14, 14]),
    ("SK_DPORT", [12, 12, 12, 12, 12]),
    ("SK_LOCAL", [4, 4, 4, 4, 4]),
    ("SK_REMOTE", [0, 0, 0, 0, 0]),
    ("SK_V6_LOCAL", [72, 72, 72, 72, 72]),
    ("SK_V6_REMOTE", [56, 56, 56, 56, 56]),
    ("SK_DST", [320, 320, 528, 536, 544]),
    ("DST_DEV", [0, 0, 0, 0, 0]),
    ("SK_UID", [584, 560, 612, 528, 536]),
    ("SK_SOCKET", [640, 624, 288, 288, 288]),
    // Commit 8520e224f547 (5.15) replaced the tagged value by a plain pointer.
    ("SK_CGROUP", [ABSENT, 648, 672, 672, 688]),
    ("SK_CGROUP_TAGGED", [664, ABSENT, ABSENT, ABSENT, ABSENT]),
    ("CGROUP_KN", [248, 248, 256, 256, 296]),
    ("KERNFS_ID", [104, 104, 96, 96, 96]),
    ("SOCKET_FILE", [16, 16, 16, 16, 16]),
    ("FILE_INODE", [32, 32, 40, 32, 32]),
    ("INODE_INO", [64, 64, 64, 64, 64]),
    ("SKB_CB", [40, 40, 40, 40, 40]),
    ("CB_SEQ", [0, 0, 0, 0, 0]),
    ("CB_END_SEQ", [4, 4, 4, 4, 4]),
    ("CB_TCP_FLAGS", [12, 12, 12, 12, 12]),
    ("CB_GSO_SEGS", [8, 8, 8, 8, 8]),
    ("ICSK_RTO", [1144, 1216, 1224, 1184, 1216]),
    ("ICSK_CA_STATE", [1224, 1280, 1288, 1248, 1280]),
    ("ICSK_RETRANSMITS", [1225, 1281, 1289, 1249, 1281]),
    ("ICSK_PENDING", [1226, 1282, 1290, 1250, 1282]),
    ("TCP_RCV_NXT", [1416, 1464, 1712, 1664, 1768]),
    ("TCP_SND_UNA", [1460, 1508, 1720, 1672, 1776]),
    ("TCP_SRTT", [1624, 1672, 1728, 1680, 1784]),
    ("TCP_SND_CWND", [1728, 1776, 1500, 1444, 1484]),
    ("TCP_SND_SSTHRESH", [1724, 1772, 1584, 1492, 1532]),
    ("TCP_PACKETS_OUT", [1668, 1716, 1732, 1684, 1788]),
    ("TCP_SACKED_OUT", [1820, 1868, 1512, 1456, 1496]),
    ("TCP_LOST_OUT", [1816, 1864, 1508, 1452, 1492]),
    ("TCP_RETRANS_OUT", [1672, 1720, 1540, 1480, 1520]),
    ("TCP_SND_WND", [1524, 1572, 1492, 1436, 1476]),
    ("TCP_RCV_WND", [1800, 1848, 1752, 1720, 1816]),
    ("TCP_MSS_CACHE", [1532, 1580, 1496, 1440, 1480]),
    ("TCP_TOTAL_RETRANS", [2096, 2144, 2216, 2200, 2304]),
    ("TCP_SEGS_OUT", [1432, 1480, 1600, 1536, 1856]),
    ("TCP_DATA_SEGS_OUT", [1436, 1484, 1604, 1540, 1640]),
    ("TCP_DSACK_DUPS", [1456, 1504, 1880, 1864, 1936]),
    ("REQ_NUM_RETRANS", [146, 146, 146, 146, 146]),
    ("REQ_SNT_ISN", [276, 284, 284, 284, 284]),
    ("REQ_RCV_ISN", [272, 280, 280, 280, 280]),
    ("SK_PROTOCOL", [540, 516, 574, 532, 540]),
    ("SK_ERR", [568, 544, 284, 284, 284]),
    ("SK_ERR_SOFT", [572, 548, 600, 372, 372]),
    ("SK_FLAGS", [96, 96, 96, 96, 96]),
    ("SK_ACK_BACKLOG", [576, 552, 604, 600, 616]),
    ("SK_MAX_ACK_BACKLOG", [580, 556, 608, 604, 620]),
    ("INET_SPORT", [776, 804, 806, 814, 830]),
    ("TCP_BYTES_SENT", [1440, 1488, 1608, 1544, 1616]),
    ("TCP_BYTES_RETRANS", [2088, 2136, 2208, 2192, 2296]),
    ("TCP_BYTES_RECEIVED", [1400, 1448, 1784, 1752, 1864]),
    ("TASK_FILES", [2808, 3048, 3048, 1824, 3416]),
    ("FILES_FDT", [32, 32, 32, 32, 32]),
    ("FDT_FD", [8, 8, 8, 8, 8]),
    ("FDT_MAX", [0, 0, 0, 0, 0]),
    ("FILE_PRIVATE", [200, 200, 32, 24, 24]),
    ("INODE_MODE", [0, 0, 0, 0, 0]),
    ("SOCKET_SK", [24, 24, 24, 24, 24]),
    ("SOCKET_STATE", [0, 0, 0, 0, 0]),
    ("REGS_X86_ARG1", [112, 112, 112, 112, 112]),
    ("REGS_X86_ARG2", [104, 104, 104, 104, 104]),
    ("REGS_X86_ARG3", [96, 96, 96, 96, 96]),
    ("REGS_X86_RET", [80, 80, 80, 80, 80]),
    // All of these kernels are for x86-64.
    ("REGS_ARM64", [ABSENT, ABSENT, ABSENT, ABSENT, ABSENT]),
];

fn path(kernel: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/btf/{kernel}.btf"))
}

fn btf(kernel: &str) -> KernelBtf {
    KernelBtf::from_file(&path(kernel)).unwrap()
}

fn reasons(kernel: &str) -> Reasons {
    Reasons::from_btf(&btf(kernel))
}

#[test]
fn every_field_has_the_offset_of_its_kernel() {
    let listed: Vec<_> = OFFSETS.iter().map(|(symbol, _)| *symbol).collect();
    let table: Vec<_> = FIELDS.iter().map(|field| field.symbol).collect();
    assert_eq!(listed, table, "the expected offsets list the whole table");
    for (index, kernel) in KERNELS.iter().enumerate() {
        let expected: Vec<_> = OFFSETS
            .iter()
            .map(|(symbol, offsets)| (*symbol, offsets[index]))
            .collect();
        assert_eq!(btf(kernel).fields().unwrap(), expected, "{kernel}");
    }
}

#[test]
fn fields_that_do_not_exist_have_no_offset() {
    let btf = btf("6.12");
    assert_eq!(btf.offset("sk_buff", "nothing"), None);
    assert_eq!(btf.offset("nothing", "len"), None);
    assert_eq!(
        btf.offset("sk_buff", "len.nothing"),
        None,
        "an integer has no members"
    );
    assert_eq!(
        btf.offset("sk_buff", "dev.name"),
        None,
        "a pointer is not followed"
    );
}

#[test]
fn the_drop_tracepoint_grew_over_the_years() {
    for (kernel, arguments) in KERNELS.into_iter().zip([2, 3, 4, 4, 4]) {
        let btf = btf(kernel);
        assert_eq!(
            btf.tracepoint_arguments("kfree_skb"),
            Some(arguments),
            "{kernel}"
        );
        assert_eq!(btf.tracepoint_arguments("nothing"), None, "{kernel}");
    }
}

#[test]
fn accept_lost_two_arguments() {
    for (kernel, arguments) in KERNELS.into_iter().zip([4, 4, 2, 2, 2]) {
        let btf = btf(kernel);
        assert_eq!(
            btf.parameters("inet_csk_accept"),
            Some(arguments),
            "{kernel}"
        );
        assert_eq!(btf.parameters("nothing"), None, "{kernel}");
    }
}

#[test]
fn the_hooked_functions_are_found_and_no_others() {
    for kernel in KERNELS {
        let btf = btf(kernel);
        for function in ["ip_rcv_core", "ip6_rcv_core", "icmp_rcv", "icmpv6_rcv"] {
            assert!(btf.has_function(function), "{kernel}: {function}");
        }
        for other in ["nothing", "sk_buff", "btf_trace_kfree_skb", ""] {
            assert!(
                !btf.has_function(other),
                "{kernel}: {other:?} is no function"
            );
        }
    }
}

#[test]
fn reasons_are_numbered_by_each_kernel() {
    // Of 7.2, 124 are the core's and 9 the queueing disciplines'.
    for (kernel, count) in KERNELS.into_iter().zip([0, 65, 102, 126, 133]) {
        let reasons = reasons(kernel);
        assert_eq!(reasons.names().count(), count, "{kernel}");
        assert_eq!(reasons.known(), count > 0, "{kernel}");
    }
    let values: &[(&str, [Option<u32>; 5])] = &[
        ("NOT_SPECIFIED", [None, Some(1), Some(2), Some(2), Some(2)]),
        ("NO_SOCKET", [None, Some(2), Some(3), Some(3), Some(3)]),
        (
            "SOCKET_RCVBUFF",
            [None, Some(15), Some(6), Some(6), Some(6)],
        ),
        (
            "NETFILTER_DROP",
            [None, Some(7), Some(11), Some(12), Some(12)],
        ),
        ("IP_INHDR", [None, Some(10), Some(14), Some(15), Some(15)]),
        ("QDISC_DROP", [None, Some(45), Some(57), Some(64), Some(64)]),
        ("QDISC_BURST_DROP", [None, None, None, None, Some(65)]),
        ("QDISC_OVERLIMIT", [None, None, None, Some(65), None]),
        ("FQ_FLOW_LIMIT", [None, None, Some(60), Some(70), None]),
        ("IP_INVALID_SOURCE", [None, None, None, Some(90), Some(88)]),
        (
            "TC_CHAIN_NOTFOUND",
            [None, Some(65), Some(94), Some(107), Some(106)],
        ),
        (
            "QDISC_DROP_GENERIC",
            [None, None, None, None, Some(0x30001)],
        ),
        (
            "QDISC_DROP_L4S_STEP_NON_ECN",
            [None, None, None, None, Some(0x30009)],
        ),
        // Marks and masks, no reasons.
        ("MAX", [None; 5]),
        ("SUBSYS_MASK", [None; 5]),
        ("SKB_NOT_DROPPED_YET", [None; 5]),
        ("SKB_CONSUMED", [None; 5]),
        ("QDISC_DROP_UNSPEC", [None; 5]),
        ("__QDISC_DROP_REASON", [None; 5]),
        ("QDISC_DROP_MAX", [None; 5]),
        ("", [None; 5]),
    ];
    for (index, kernel) in KERNELS.iter().enumerate() {
        let reasons = reasons(kernel);
        for (name, values) in values {
            assert_eq!(reasons.value(name), values[index], "{kernel}: {name}");
            if let Some(value) = values[index] {
                assert_eq!(reasons.name(value), Some(*name), "{kernel}: {value:#x}");
            }
        }
        assert_eq!(reasons.name(0), None, "{kernel}");
        assert_eq!(reasons.name(0xffff_0000), None, "{kernel}");
    }
}

#[test]
fn a_reason_is_found_in_any_case_and_with_the_kernels_prefix() {
    let reasons = reasons("6.12");
    let spellings = [
        "NO_SOCKET",
        "no_socket",
        "No_Socket",
        "SKB_DROP_REASON_NO_SOCKET",
        "skb_drop_reason_no_socket",
    ];
    for spelling in spellings {
        assert_eq!(reasons.value(spelling), Some(3), "{spelling}");
    }
    for other in [
        "NO_SOCKE",
        "NO_SOCKETS",
        "SKB_DROP_REASON_",
        "SKB_DROP_REASON_SKB_DROP_REASON_NO_SOCKET",
        "3",
    ] {
        assert_eq!(reasons.value(other), None, "{other}");
    }
}

/// Asks everything that netdiag asks of the BTF in `bytes`; the answers are not looked at.
fn ask_everything(file: &Path, bytes: &[u8]) -> Result<(), BtfError> {
    fs::write(file, bytes).unwrap();
    let btf = KernelBtf::from_file(file)?;
    let _names = Reasons::from_btf(&btf);
    let _arguments = btf.tracepoint_arguments("kfree_skb");
    let _found = btf.has_function("ip_rcv_core");
    btf.fields().map(drop)
}

/// The BTF of 6.12 with one string in place of another of the same length.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    let mut bytes = fs::read(path("6.12")).unwrap();
    let quoted = |name: &str| [b"\0", name.as_bytes(), b"\0"].concat();
    let (from, to) = (quoted(from), quoted(to));
    let places: Vec<_> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, found)| *found == from)
        .collect();
    assert_eq!(places.len(), 1);
    let start = places[0].0;
    bytes[start..start + to.len()].copy_from_slice(&to);
    bytes
}

#[test]
fn a_missing_required_field_is_named_with_the_kernel() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("strange.btf");
    let error = ask_everything(&file, &renamed("head", "hexd")).unwrap_err();
    assert!(matches!(error, BtfError::MissingField { .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.contains("lacks sk_buff.head:"),
        "only this one: {message}"
    );
    assert!(message.contains(&file.display().to_string()), "{message}");
    assert!(
        message.contains(&format!("kernel {}", netdiag::kernel::release())),
        "{message}"
    );

    // A struct that is not there takes all its required fields with it.
    let message = ask_everything(&file, &renamed("net_device", "net_divice"))
        .unwrap_err()
        .to_string();
    for field in [
        "net_device.name",
        "net_device.ifindex",
        "net_device.type",
        "net_device.nd_net.net",
    ] {
        assert!(message.contains(field), "{message}");
    }
}

#[test]
fn a_missing_optional_field_is_absent() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("strange.btf");
    fs::write(&file, renamed("sk_uid", "sk_xid")).unwrap();
    let fields = KernelBtf::from_file(&file).unwrap().fields().unwrap();
    assert!(fields.contains(&("SK_UID", ABSENT)), "{fields:?}");
    assert!(fields.contains(&("SK_SOCKET", 288)), "{fields:?}");
}

#[test]
fn what_is_no_btf_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("not.btf");
    let whole = fs::read(path("6.12")).unwrap();
    let mut version = whole.clone();
    version[2] = 9;
    let mut big_endian = whole.clone();
    big_endian[..2].reverse();
    let cases: [(&str, &[u8]); 7] = [
        ("empty", b""),
        ("one byte", b"\x9f"),
        ("the magic number alone", b"\x9f\xeb"),
        ("text", b"6.12.117+deb12-cloud-amd64\n"),
        ("an ELF file", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("another version", &version),
        ("another byte order", &big_endian),
    ];
    for (what, bytes) in cases {
        let error = ask_everything(&file, bytes).unwrap_err();
        assert!(
            matches!(error, BtfError::Format { .. }),
            "{what}: {error:?}"
        );
        assert!(error.to_string().contains("not.btf"), "{what}: {error}");
    }
    let error = KernelBtf::from_file(Path::new("/nonexistent/btf"))
        .err()
        .unwrap();
    assert!(matches!(error, BtfError::Read { .. }), "{error:?}");
    assert!(error.to_string().contains("/nonexistent/btf"), "{error}");
}

#[test]
fn a_truncated_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cut.btf");
    for kernel in KERNELS {
        let whole = fs::read(path(kernel)).unwrap();
        for length in (0..whole.len()).step_by(97) {
            let error = ask_everything(&file, &whole[..length]).unwrap_err();
            assert!(
                matches!(error, BtfError::Format { .. }),
                "{kernel} to {length}: {error:?}"
            );
            assert!(
                error.to_string().contains("cut.btf"),
                "{kernel} to {length}: {error}"
            );
        }
    }
}

#[test]
fn a_damaged_file_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("damaged.btf");
    for kernel in KERNELS {
        let whole = fs::read(path(kernel)).unwrap();
        for (position, damage) in (0..whole.len())
            .step_by(7)
            .zip([0xff, 0x01, 0x80].into_iter().cycle())
        {
            let mut bytes = whole.clone();
            bytes[position] ^= damage;
            // Any answer or error will do.
            let _result = ask_everything(&file, &bytes);
        }
    }
}

#[test]
fn offsets_beyond_every_struct_are_no_offsets() {
    // Every word in turn becomes as large as it can be; where it was an offset on the way to an anonymous member,
    // the sum does not fit any more.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large.btf");
    let whole = fs::read(path("6.12")).unwrap();
    for position in (24..whole.len() - 4).step_by(4) {
        let mut bytes = whole.clone();
        bytes[position..position + 4].copy_from_slice(&[0xff; 4]);
        let _result = ask_everything(&file, &bytes);
    }
}

fn ebpf_object() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("ebpf/netdiag.bpf.o")).unwrap()
}

#[test]
fn the_object_has_a_global_for_every_field_and_no_others() {
    let bytes = ebpf_object();
    let object = object::File::parse(&*bytes).unwrap();
    let rodata = object.section_by_name(".rodata").unwrap().index();
    let globals: Vec<_> = object
        .symbols()
        .filter(|symbol| symbol.section_index() == Some(rodata))
        .map(|symbol| (symbol.name().unwrap(), symbol.size()))
        .collect();
    for field in FIELDS {
        assert!(
            globals.contains(&(field.symbol, 4)),
            "no 32-bit {} in the object",
            field.symbol
        );
    }

    // What is named like a field (`SKB_`, `DEV_` ...) is one, or user space would never set it.
    let table: BTreeSet<_> = FIELDS.iter().map(|field| field.symbol).collect();
    let family = |symbol: &'static str| symbol.split_once('_').map(|(family, _)| family);
    let families: BTreeSet<_> = table.iter().copied().filter_map(family).collect();
    for (symbol, _) in globals {
        let like_a_field = symbol
            .split_once('_')
            .is_some_and(|(family, _)| families.contains(family));
        assert!(
            !like_a_field || table.contains(symbol),
            "{symbol} is not in the field table"
        );
    }
}

#[test]
fn the_object_names_no_directory_of_the_machine_that_built_it() {
    let bytes = ebpf_object();
    let mut sources = 0;
    for text in bytes
        .split(|byte| *byte == 0)
        .filter_map(|text| std::str::from_utf8(text).ok())
    {
        if text.starts_with('/') && text.contains(".rs") {
            let rewritten = ["/netdiag/", "/cargo/", "/rust/"]
                .iter()
                .any(|root| text.starts_with(root));
            assert!(rewritten, "{text}");
            sources += 1;
        }
    }
    assert!(sources > 0, "the object names its sources");
    let everything = String::from_utf8_lossy(&bytes);
    for directory in [
        "/home/", "/root/", "/work/", "/tmp/", "/usr/", "/Users/", "/build/",
    ] {
        assert!(!everything.contains(directory), "{directory}");
    }
}
