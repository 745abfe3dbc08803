//! Fragments of which no packet can be made.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::frame::{self, Fragment};
use super::l3::{self, CLOSED_PORT, DEVICE_IP, DEVICE_IP6, PACKETS, REMOTE_IP, REMOTE_IP6};
use super::{Bench, Expectation, LabError, Namespace, Scenario, sysctl};

/// How much of the datagram a fragment carries, in bytes: a multiple of 8.
const PIECE: usize = 64;
/// How long the datagrams are.
const DATAGRAM: usize = 3 * PIECE;
/// The next header of a fragment (IANA).
const FRAGMENT: u8 = 44;
/// UDP's header is part of the first piece.
const UDP_HEADER: usize = 8;

/// How long the namespace waits for the rest, in seconds; the default is 30.
const REASSEMBLY_SECONDS: &str = "1";
/// When something is wrong if the kernel still waits.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const SCENARIOS: &[Scenario] = &[IPV4, IPV6];

const IPV4: Scenario = Scenario {
    name: "fragments",
    summary: "Of fragmented IPv4 packets one fragment never arrives, and another arrives twice",
    story: "A path loses some packets and doubles others, such as a bond or a tunnel that is changing over. Of each \
            UDP datagram, in three fragments, the middle one is missing, and the last one comes twice. The kernel \
            drops the double at once, and gives up the rest when its time for putting a packet together is over.",
    // The double, and the first fragment. The kernel frees the last one too, but an skb that waits for others has a
    // node of a tree in place of its device (`inet_frag_queue_insert`), so nothing tells whose it was. The counter
    // rises once a datagram: a double is not counted (`ip_frag_queue`). Before 6.2 there are reasons, and none of these.
    expect: Expectation::finding("fragments-missing")
        .drops(2 * PACKETS as u64)
        .counter("IpReasmFails")
        .counted(PACKETS as u64)
        // A double is no finding.
        .found(PACKETS as u64)
        .at(
            &["FRAG_REASM_TIMEOUT", "DUP_FRAG", "NOT_SPECIFIED"],
            &["ip_expire", "ip_defrag", "ip_frag_queue"],
        ),
    interval: PAUSE,
    build,
};

const IPV6: Scenario = Scenario {
    name: "fragments6",
    summary: "Of fragmented IPv6 packets one fragment never arrives",
    story: "As fragments, with IPv6, whose fragments are the sender's: of each UDP datagram, in three fragments, the \
            middle one is missing.",
    // The first fragment; the last one has no device, as with IPv4.
    expect: Expectation::finding("fragments-missing")
        .counter("Ip6ReasmFails")
        .at(
            &["FRAG_REASM_TIMEOUT", "NOT_SPECIFIED"],
            &["ip6_frag_expire", "ip6frag_expire_frag_queue"],
        ),
    interval: PAUSE,
    build: build6,
};

/// The time between two datagrams that looks natural, within that for reassembly.
const PAUSE: Duration = Duration::from_millis(50);

fn build6() -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(true)?;
    namespace.run(|| sysctl::write("ipv6/ip6frag_time", REASSEMBLY_SECONDS))?;
    let packets = (1..=PACKETS).flat_map(fragments6).collect();
    Ok(Bench::writing(namespace, tun, packets).afterwards(await_timeouts))
}

/// The first fragment of a datagram, and the last.
fn fragments6(id: u16) -> [(u16, Vec<u8>); 2] {
    let payload = [0; DATAGRAM - UDP_HEADER];
    let (src, dst) = (REMOTE_IP6, DEVICE_IP6);
    let datagram = frame::udp6(src, dst, 40_000 + id, CLOSED_PORT, &payload);
    let piece = |offset: usize| {
        let more = u16::from(offset + PIECE < DATAGRAM);
        // In units of 8 bytes, and the lowest three bits are flags: the offset in bytes as it is.
        let [high, low] = (u16::try_from(offset).unwrap_or(u16::MAX) | more).to_be_bytes();
        let [a, b] = id.to_be_bytes();
        let mut bytes = vec![frame::PROTO_UDP, 0, high, low, 0, 0, a, b];
        bytes.extend(datagram.iter().skip(offset).take(PIECE));
        (frame::ETHERTYPE_IPV6, frame::ipv6(FRAGMENT, src, dst, &bytes, 64))
    };
    [piece(0), piece(DATAGRAM - PIECE)]
}

fn build() -> Result<Bench, LabError> {
    let (namespace, tun) = l3::device(false)?;
    namespace.run(|| sysctl::write("ipv4/ipfrag_time", REASSEMBLY_SECONDS))?;
    let packets = (1..=PACKETS).flat_map(fragments).collect();
    Ok(Bench::writing(namespace, tun, packets).afterwards(await_timeouts))
}

/// The first fragment of a datagram, and twice the last.
fn fragments(id: u16) -> [(u16, Vec<u8>); 3] {
    let payload = [0; DATAGRAM - UDP_HEADER];
    let datagram = frame::udp4(REMOTE_IP, DEVICE_IP, 40_000 + id, CLOSED_PORT, &payload);
    let piece = |offset: usize| {
        let fragment = Fragment {
            id,
            offset: u16::try_from(offset).unwrap_or(u16::MAX),
            more: offset + PIECE < DATAGRAM,
        };
        let bytes: Vec<u8> = datagram.iter().copied().skip(offset).take(PIECE).collect();
        let packet =
            frame::ipv4_fragment(frame::PROTO_UDP, REMOTE_IP, DEVICE_IP, fragment, &bytes, 64);
        (frame::ETHERTYPE_IPV4, packet)
    };
    let last = DATAGRAM - PIECE;
    [piece(0), piece(last), piece(last)]
}

/// Returns when the kernel has given up all that it was putting together: `ip_expire` runs in a timer.
fn await_timeouts(namespace: &Namespace) -> Result<(), LabError> {
    let failed = |source| LabError::Namespace {
        operation: "wait until the kernel gives up the fragments",
        source,
    };
    let end = Instant::now() + PATIENCE;
    while namespace.run(waiting).map_err(failed)? {
        if Instant::now() > end {
            return Err(failed(io::ErrorKind::TimedOut.into()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether the calling thread's namespace holds fragments. The memory is given back last, after the packets
/// (`inet_frag_destroy`).
fn waiting() -> io::Result<bool> {
    let is_held = |name: &str, none: &str| -> io::Result<bool> {
        let path = format!("/proc/thread-self/net/{name}");
        let text = match fs::read_to_string(path) {
            // Without IPv6 there is none of its.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        Ok(!text.lines().any(|line| line.trim_end() == none))
    };
    Ok(is_held("sockstat", "FRAG: inuse 0 memory 0")?
        || is_held("sockstat6", "FRAG6: inuse 0 memory 0")?)
}
