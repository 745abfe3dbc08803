//! One run: the eBPF object loaded, each ladder climbed, the ring and the counters mapped.
//!
//! Nothing is pinned, so whatever ends the process ends the hooks.

use super::{
    attach::{self, Watch},
    btf::{BtfError, KernelBtf},
    count::CountMap,
    hook::{self, Hook, Ladder},
    load::{cpus, load},
    plan::{Need, Step, What},
    reason::Reasons,
    ring::Ring,
    rung::{RungReport, RungState},
    tracefs::TracepointFormat,
};
use aya::{
    Ebpf, EbpfError,
    maps::{MapData, MapError, RingBuf},
};
use netdiag_common::{NetnsId, count::SLOTS};
use std::{io, os::fd::AsFd, path::PathBuf};

/// What a run is to look at.
#[derive(Clone, Debug)]
pub struct Config {
    /// Only this namespace.
    pub netns: Option<NetnsId>,
    /// Only devices of this name.
    pub ifname: Option<String>,
    /// Only these reasons, as the kernel numbers them; at most [`netdiag_common::MAX_REASON_FILTERS`].
    pub reasons: Vec<u32>,
    /// The longest packet copy, in bytes.
    pub snaplen: u32,
    /// Size of the ring buffer in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// What it is about.
    pub what: What,
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
    /// No rung of a ladder holds that the run cannot do without.
    #[error(
        "cannot hook {probe}, so {observes} cannot be seen:{}{hint}",
        list(reports)
    )]
    NoRung {
        /// The function or tracepoint.
        probe: &'static str,
        /// What it is for, in words.
        observes: &'static str,
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
    watch_aside: Watch,
    ring: Option<Ring>,
    counts: CountMap,
    reports: Vec<RungReport>,
    reasons: Reasons,
    tells_receiver: bool,
    missed_before: u64,
    aside_missed_before: u64,
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

        for Step { ladder, need } in config.what.plan(btf) {
            if let Need::LeftOut(why) = need {
                reports.extend(left_out(&ladder, why));
                continue;
            }
            let climbed = attacher.climb(&mut ebpf, &ladder, &config.hooks);
            let holds = climbed.iter().any(|report| report.state.is_attached());
            if need == Need::Must && !holds {
                let hint = if attach::may_trace() {
                    ""
                } else {
                    PRIVILEGE_HINT
                };
                return Err(SessionError::NoRung {
                    probe: ladder.probe,
                    observes: ladder.observes,
                    reports: climbed,
                    hint,
                });
            }
            reports.extend(climbed);
        }

        let (ring, counts) = maps(&mut ebpf)?;
        let reasons = reasons(btf);
        let (main, aside) = config.what.programs();
        let watch = Watch::new(&ebpf, main);
        let watch_aside = Watch::new(&ebpf, aside);
        Ok(Self {
            ebpf,
            watch,
            watch_aside,
            ring: Some(ring),
            counts,
            reports,
            reasons,
            tells_receiver: hook::drops::tells_receiver(btf),
            missed_before: 0,
            aside_missed_before: 0,
        })
    }

    /// Lets the programs count and report from now on.
    pub fn open_gate(&mut self) {
        self.missed_before = self.watch.missed();
        self.aside_missed_before = self.watch_aside.missed();
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

    /// Whether a drop names the socket that would have received the packet (since 6.11).
    pub fn tells_receiver(&self) -> bool {
        self.tells_receiver
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

    /// Observations that the kernel kept from the programs, because one was running on that processor already.
    pub fn missed(&self) -> u64 {
        self.watch.missed().saturating_sub(self.missed_before)
    }

    /// The same of what is looked at beside: header checks, or drops that say something of a connection.
    pub fn aside_missed(&self) -> u64 {
        self.watch_aside
            .missed()
            .saturating_sub(self.aside_missed_before)
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
        what: What::Drops { header_check: true },
        hooks: Vec::new(),
    };
    let (mut ebpf, attacher) = load(&config, btf)?;
    Ok(hook::all(btf)
        .into_iter()
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
