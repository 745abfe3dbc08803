//! One run: the eBPF object loaded, each ladder climbed, the ring and the counters mapped.
//!
//! Nothing is pinned, so whatever ends the process ends the hooks.

use super::{
    attach::{self, Attacher, Watch},
    btf::{BtfError, KernelBtf, RUNNING},
    count::CountMap,
    hook::{self, Hook, Ladder},
    reason::Reasons,
    ring::Ring,
    rung::{RungReport, RungState},
    tracefs::TracepointFormat,
};
use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{MapData, MapError, RingBuf},
};
use netdiag_common::{IFNAMSIZ, MAX_REASON_FILTERS, NetnsId, count::SLOTS, field::ABSENT};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::{
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

/// The eBPF object that `cargo xtask ebpf` built.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/netdiag.bpf.o"));

/// The kernel side wakes the reader when the ring is this part full.
const WAKE_FRACTION: u32 = 2;

/// What a run is to look at.
#[derive(Clone, Debug)]
pub struct Config {
    /// Only this namespace.
    pub netns: Option<NetnsId>,
    /// Only devices of this name.
    pub ifname: Option<String>,
    /// Only these reasons, as the kernel numbers them; at most [`MAX_REASON_FILTERS`].
    pub reasons: Vec<u32>,
    /// The longest packet copy, in bytes.
    pub snaplen: u32,
    /// Size of the ring buffer in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Whether to hook the functions that every received packet passes.
    pub header_check: bool,
    /// Rungs that the user wants: those above them are left out.
    pub hooks: Vec<Hook>,
}

/// What can go wrong before the first packet.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// BTF was asked for and cannot be used, or lacks a field.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// This user may not trace.
    #[error("this user may not trace: {lacks} missing.{PRIVILEGE_HINT}")]
    Privilege {
        /// The capabilities that are not there, in words.
        lacks: String,
    },
    /// The object does not load.
    #[error("cannot load the eBPF object")]
    Load(#[from] Box<EbpfError>),
    /// A map of the object cannot be used.
    #[error("cannot use the eBPF map {name}: {source}")]
    Map {
        /// Its name.
        name: &'static str,
        /// Why.
        source: Box<MapError>,
    },
    /// The object lacks a map: it does not belong to this program.
    #[error("the eBPF object has no map {0}: rebuild it with `cargo xtask ebpf`")]
    NoMap(&'static str),
    /// A map cannot be mapped into memory.
    #[error("cannot map the eBPF counters into memory: {0}")]
    Counters(io::Error),
    /// No rung of the drops ladder holds.
    #[error("cannot hook {probe}, so no drop can be seen:{}{hint}", list(reports))]
    NoRung {
        /// The tracepoint.
        probe: &'static str,
        /// Every rung with its refusal.
        reports: Vec<RungReport>,
        /// What to do about it.
        hint: &'static str,
    },
}

fn list(reports: &[RungReport]) -> String {
    reports
        .iter()
        .map(|report| format!("\n  {}: {}", report.hook, report.state))
        .collect()
}

const PRIVILEGE_HINT: &str = "\nRun it as root (sudo), or with CAP_BPF and CAP_PERFMON, and for all it can tell also \
    CAP_SYS_ADMIN (other namespaces) and CAP_SYSLOG (names of places). A container must be granted them by its host.";

/// A running observation.
pub struct Session {
    ebpf: Ebpf,
    watch: Watch,
    watch_checks: Watch,
    ring: Option<Ring>,
    counts: CountMap,
    reports: Vec<RungReport>,
    reasons: Reasons,
    missed_before: u64,
    checks_missed_before: u64,
}

impl Session {
    /// Loads the programs and climbs the ladders. Nothing is counted before [`Self::open_gate`].
    ///
    /// # Errors
    /// [`SessionError`]; then nothing stays attached.
    pub fn open(config: &Config, btf: Option<&KernelBtf>) -> Result<Self, SessionError> {
        if let Some(lacks) = attach::lacks() {
            return Err(SessionError::Privilege { lacks });
        }
        let (mut ebpf, attacher) = load(config, btf)?;
        let mut reports = Vec::new();

        let drops = hook::drops(btf);
        let climbed = attacher.climb(&mut ebpf, &drops, &config.hooks);
        if !climbed.iter().any(|report| report.state.is_attached()) {
            let hint = if attach::may_trace() {
                ""
            } else {
                PRIVILEGE_HINT
            };
            return Err(SessionError::NoRung {
                probe: drops.probe,
                reports: climbed,
                hint,
            });
        }
        reports.extend(climbed);
        for ladder in hook::header_check(btf) {
            if config.header_check {
                reports.extend(attacher.climb(&mut ebpf, &ladder, &config.hooks));
            } else {
                reports.extend(left_out(&ladder, "left out by --no-header-check"));
            }
        }
        for ladder in hook::icmp(btf) {
            reports.extend(attacher.climb(&mut ebpf, &ladder, &config.hooks));
        }

        let (ring, counts) = maps(&mut ebpf)?;
        let reasons = reasons(btf);
        let watch = Watch::new(&ebpf, &["drops_"]);
        let watch_checks = Watch::new(&ebpf, &["ip4_", "ip6_"]);
        Ok(Self {
            ebpf,
            watch,
            watch_checks,
            ring: Some(ring),
            counts,
            reports,
            reasons,
            missed_before: 0,
            checks_missed_before: 0,
        })
    }

    /// Lets the programs count and report from now on.
    pub fn open_gate(&mut self) {
        self.missed_before = self.watch.missed();
        self.checks_missed_before = self.watch_checks.missed();
        self.counts.open_gate();
    }

    /// Every rung that was tried, with what became of it.
    pub fn reports(&self) -> &[RungReport] {
        &self.reports
    }

    /// The rung that an observation stands on.
    pub fn standing(&self, probe: &str) -> Option<&RungReport> {
        let holds = |report: &&RungReport| report.probe == probe && report.state.is_attached();
        self.reports.iter().find(holds)
    }

    /// The kernel's drop reasons; once.
    pub fn take_reasons(&mut self) -> Reasons {
        std::mem::take(&mut self.reasons)
    }

    /// The ring buffer; once.
    pub fn take_ring(&mut self) -> Option<Ring> {
        self.ring.take()
    }

    /// The counters, summed over all processors.
    pub fn totals(&self) -> [u64; SLOTS] {
        self.counts.totals()
    }

    /// Drops that the kernel kept from the program, because it was running on that processor already.
    pub fn missed(&self) -> u64 {
        self.watch.missed().saturating_sub(self.missed_before)
    }

    /// Header checks that the kernel kept from running, for the same reason.
    pub fn checks_missed(&self) -> u64 {
        self.watch_checks
            .missed()
            .saturating_sub(self.checks_missed_before)
    }

    /// Detaches everything. Counters and ring can still be read.
    pub fn detach(&mut self) {
        attach::unload_all(&mut self.ebpf);
    }
}

/// What the kernel said of every rung of every ladder, each tried and let go again.
///
/// # Errors
/// As [`Session::open`], but a ladder without a rung is an answer here.
pub fn survey(btf: Option<&KernelBtf>) -> Result<Vec<(Ladder, Vec<RungReport>)>, SessionError> {
    let config = Config {
        netns: None,
        ifname: None,
        reasons: Vec::new(),
        snaplen: 0,
        ring_bytes: u32::try_from(rustix::param::page_size()).unwrap_or(4096),
        header_check: true,
        hooks: Vec::new(),
    };
    let (mut ebpf, attacher) = load(&config, btf)?;
    Ok(hook::all(btf)
        .map(|ladder| {
            let reports = attacher.try_all(&mut ebpf, &ladder);
            (ladder, reports)
        })
        .collect())
}

fn left_out(ladder: &Ladder, why: &'static str) -> Vec<RungReport> {
    let Some(best) = ladder.rungs.first() else {
        return Vec::new();
    };
    let report = |hook, state, loses| RungReport {
        probe: ladder.probe,
        hook,
        state,
        loses,
    };
    let deduced = ladder.rungs.iter().find(|rung| rung.hook == Hook::Deduced);
    let deduced = deduced.map(|rung| report(rung.hook, RungState::Attached, rung.loses));
    [report(best.hook, RungState::LeftOut(why), best.loses)]
        .into_iter()
        .chain(deduced)
        .collect()
}

/// The kernel's drop reasons by the best source that there is: BTF, or the classic tracepoint's print format.
pub fn reasons(btf: Option<&KernelBtf>) -> Reasons {
    match btf {
        Some(btf) => Reasons::from_btf(btf),
        None => match TracepointFormat::read("skb", hook::KFREE_SKB) {
            Ok(format) => Reasons::from_format(&format),
            Err(_) => Reasons::default(),
        },
    }
}

/// Where the classic tracepoint keeps what the programs want, and the global that carries it.
const TRACEPOINT_FIELDS: [(&str, &str); 5] = [
    ("TRACEPOINT_SKBADDR", "skbaddr"),
    ("TRACEPOINT_LOCATION", "location"),
    ("TRACEPOINT_PROTOCOL", "protocol"),
    ("TRACEPOINT_REASON", "reason"),
    ("TRACEPOINT_RX_SK", "rx_sk"),
];

fn load(config: &Config, btf: Option<&KernelBtf>) -> Result<(Ebpf, Attacher), SessionError> {
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
    let header_check = u32::from(config.header_check);
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
        .map_max_entries("RING", config.ring_bytes)
        .map_max_entries("COUNTS", cpus);
    let ebpf = loader.load(OBJECT).map_err(Box::new)?;
    drop(loader);
    Ok((ebpf, Attacher::new(types)))
}

/// The numbers that `bpf_get_smp_processor_id` gives are below this: one more than the highest possible one, because
/// a host may leave numbers out (`0-3,8-11`).
fn cpus() -> u32 {
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

fn maps(ebpf: &mut Ebpf) -> Result<(Ring, CountMap), SessionError> {
    let ring = ebpf.take_map("RING").ok_or(SessionError::NoMap("RING"))?;
    let ring = RingBuf::<MapData>::try_from(ring).map_err(|source| SessionError::Map {
        name: "RING",
        source: Box::new(source),
    })?;
    let counts = ebpf.map("COUNTS").ok_or(SessionError::NoMap("COUNTS"))?;
    let aya::maps::Map::Array(counts) = counts else {
        return Err(SessionError::NoMap("COUNTS"));
    };
    let cpus = usize::try_from(cpus()).unwrap_or(1);
    let counts = CountMap::new(counts.fd().as_fd(), cpus).map_err(SessionError::Counters)?;
    Ok((Ring::new(ring), counts))
}

/// The BTF that a run is to use: the user's file, or the running kernel's where there is one.
///
/// # Errors
/// [`BtfError`] where the user's file cannot be used or is of another kernel, or the kernel's own cannot be understood.
pub fn choose_btf(file: Option<&PathBuf>) -> Result<Option<KernelBtf>, BtfError> {
    match file {
        Some(file) => {
            let given = KernelBtf::from_file(file)?;
            if let Ok(running) = KernelBtf::running() {
                given.check_against(&running)?;
            }
            Ok(Some(given))
        }
        None => match KernelBtf::running() {
            Ok(btf) => Ok(Some(btf)),
            Err(BtfError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        },
    }
}
