//! The eBPF object, with the kernel's offsets and the user's wishes set before it is loaded.

use super::{
    attach::Attacher,
    btf::{KernelBtf, RUNNING},
    hook,
    plan::What,
    session::{Config, SessionError},
    tracefs::TracepointFormat,
};
use aya::{Ebpf, EbpfLoader};
use netdiag_common::{
    IFNAMSIZ, MAX_REASON_FILTERS,
    field::ABSENT,
    layout::{self, SOCKET_FIELDS},
};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::{fs, path::Path};

/// The eBPF object that `cargo xtask ebpf` built.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/netdiag.bpf.o"));

/// The kernel side wakes the reader when the ring is this part full.
const WAKE_FRACTION: u32 = 2;

/// Where the classic tracepoint keeps what the programs want, and the global that carries it.
const TRACEPOINT_FIELDS: [(&str, &str); 5] = [
    ("TRACEPOINT_SKBADDR", "skbaddr"),
    ("TRACEPOINT_LOCATION", "location"),
    ("TRACEPOINT_PROTOCOL", "protocol"),
    ("TRACEPOINT_REASON", "reason"),
    ("TRACEPOINT_RX_SK", "rx_sk"),
];

/// Tracepoints that are about a socket: the global of their layout, their name, and what they have beside the socket.
const LAYOUTS: [(&str, &str, &str, &str); 5] = [
    ("RETRANS_LAYOUT", "tcp", "tcp_retransmit_skb", "skbaddr"),
    ("SYNACK_LAYOUT", "tcp", "tcp_retransmit_synack", "req"),
    ("STATE_LAYOUT", "sock", "inet_sock_set_state", "newstate"),
    ("RESET_IN_LAYOUT", "tcp", "tcp_receive_reset", ""),
    ("RESET_OUT_LAYOUT", "tcp", "tcp_send_reset", "reason"),
];

/// Where the tracepoints of system calls have two arguments and the result: every call has them in the same place.
fn call_layout() -> [u32; 3] {
    let offset = |name: &str, field: &str| {
        let format = TracepointFormat::read("syscalls", name).ok()?;
        format.offset(field)
    };
    [
        offset("sys_enter_connect", "fd"),
        offset("sys_enter_connect", "uservaddr"),
        offset("sys_exit_connect", "ret"),
    ]
    .map(|offset| offset.unwrap_or(ABSENT))
}

fn layout(category: &str, name: &str, second: &'static str) -> [u32; SOCKET_FIELDS] {
    let format = TracepointFormat::read(category, name).ok();
    let offset = |field: &str| format.as_ref().and_then(|format| format.offset(field));
    layout::names(second).map(|field| offset(field).unwrap_or(ABSENT))
}

/// Loads the object with all that the programs must know before they are verified.
pub(super) fn load(
    config: &Config,
    btf: Option<&KernelBtf>,
) -> Result<(Ebpf, Attacher), SessionError> {
    // 5.10 charges locked memory, and an EPERM there may mean just that. Later kernels charge the memory cgroup, so a
    // refusal here is no reason to stop.
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    let _ = setrlimit(Resource::Memlock, unlimited);

    let fields = btf.map(KernelBtf::fields).transpose()?.unwrap_or_default();
    let format = TracepointFormat::read("skb", hook::KFREE_SKB).ok();
    let tracepoint: Vec<(&str, u32)> = TRACEPOINT_FIELDS
        .iter()
        .map(|(symbol, field)| {
            (
                *symbol,
                format
                    .as_ref()
                    .and_then(|format| format.offset(field))
                    .unwrap_or(ABSENT),
            )
        })
        .collect();

    let netns = config.netns.map_or(0, |netns| netns.0);
    let ifname = name_words(config.ifname.as_deref().unwrap_or_default());
    let mut reasons = [0u32; MAX_REASON_FILTERS];
    for (slot, reason) in reasons.iter_mut().zip(&config.reasons) {
        *slot = *reason;
    }
    let reason_count = u32::try_from(config.reasons.len().min(MAX_REASON_FILTERS)).unwrap_or(0);
    let wake_bytes = u64::from(config.ring_bytes / WAKE_FRACTION);
    let header_check = u32::from(config.what == What::Drops { header_check: true });
    let tcp_drops_only = u32::from(!matches!(config.what, What::Drops { .. }));
    let layouts =
        LAYOUTS.map(|(symbol, category, name, second)| (symbol, layout(category, name, second)));
    let call_layout = call_layout();
    let cpus = cpus();

    // The type of a typed hook is the running kernel's, whatever --btf says about offsets.
    let types = Path::new(RUNNING)
        .exists()
        .then(aya::Btf::from_sys_fs)
        .and_then(Result::ok);
    let mut loader = EbpfLoader::new();
    loader.btf(types.as_ref());
    for (symbol, offset) in fields.iter().chain(&tracepoint) {
        loader.override_global(symbol, offset, true);
    }
    loader
        .override_global("FILTER_NETNS", &netns, true)
        .override_global("FILTER_IFNAME", &ifname, true)
        .override_global("FILTER_REASONS", &reasons, true)
        .override_global("FILTER_REASON_COUNT", &reason_count, true)
        .override_global("SNAPLEN", &config.snaplen, true)
        .override_global("WAKE_BYTES", &wake_bytes, true)
        .override_global("HEADER_CHECK", &header_check, true)
        .override_global("FILTER_TCP", &tcp_drops_only, true)
        .override_global("CALL_LAYOUT", &call_layout, true)
        .map_max_entries("RING", config.ring_bytes)
        .map_max_entries("COUNTS", cpus);
    for (symbol, offsets) in &layouts {
        loader.override_global(symbol, offsets, true);
    }
    let ebpf = loader.load(OBJECT).map_err(Box::new)?;
    drop(loader);
    Ok((ebpf, Attacher::new(types)))
}

/// The numbers that `bpf_get_smp_processor_id` gives are below this: one more than the highest possible one, because
/// a host may leave numbers out (`0-3,8-11`).
pub(super) fn cpus() -> u32 {
    let possible = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    if let Some(highest) = possible
        .trim()
        .rsplit([',', '-'])
        .next()
        .and_then(|last| last.parse::<u32>().ok())
    {
        return highest.saturating_add(1);
    }
    aya::util::nr_cpus()
        .ok()
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(1)
}

/// A device name as the programs compare it.
fn name_words(name: &str) -> [u64; 2] {
    let mut bytes = [0u8; IFNAMSIZ];
    // The last byte stays zero, as in the kernel.
    for (slot, byte) in bytes.iter_mut().take(IFNAMSIZ - 1).zip(name.bytes()) {
        *slot = byte;
    }
    let word = |at| {
        u64::from_ne_bytes(std::array::from_fn(|i| {
            bytes.get(at + i).copied().unwrap_or(0)
        }))
    };
    [word(0), word(8)]
}
