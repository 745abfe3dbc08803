//! Queueing disciplines and filters of traffic control, in the network namespace of the calling thread.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::DefaultNla;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Attributes;
use super::{LabError, link};

/// `TC_H_ROOT`: the device's own queue.
const ROOT: u32 = 0xffff_ffff;
/// `TC_H_CLSACT`.
const CLSACT: u32 = 0xffff_fff1;
/// The handle of our queue.
const HANDLE: u32 = 0x0001_0000;
/// `TCA_OPTIONS`.
const OPTIONS: u16 = 2;

/// What a queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// A token bucket (`tbf`): a burst of so many bytes passes, so many more wait for a second each, and the rest is
    /// dropped.
    TokenBucket {
        /// How many bytes pass at once.
        burst: u32,
        /// How many may wait.
        limit: u32,
    },
    /// `netem`, which loses every packet.
    Lossy,
}

/// Where a classifier of `clsact` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What the device receives.
    Ingress,
    /// What the device sends.
    Egress,
}

/// Replaces the queue of a device.
///
/// # Errors
/// [`LabError::Unsupported`] when the kernel does not know the discipline; otherwise what it answered.
pub fn set(device: &str, queue: Queue) -> Result<(), LabError> {
    match queue {
        Queue::TokenBucket { burst, limit } => {
            add(device, "tbf", ROOT, HANDLE, token_bucket(burst, limit))
        }
        Queue::Lossy => add(device, "netem", ROOT, HANDLE, netem(u32::MAX)),
    }
}

/// Puts a queue of so many packets behind the token bucket.
///
/// # Errors
/// As for [`set()`].
pub fn set_inner_fifo(device: &str, packets: u32) -> Result<(), LabError> {
    let limit = packets.to_ne_bytes().to_vec();
    add(device, "pfifo", HANDLE + 1, 2 * HANDLE, limit)
}

/// Attaches a BPF program that decides itself what becomes of a packet.
///
/// # Errors
/// [`LabError::Unsupported`] when the kernel has no `clsact` or no BPF classifier; otherwise what it answered.
pub fn classify(device: &str, side: Side, program: BorrowedFd<'_>) -> Result<(), LabError> {
    /// `TCA_BPF_FD`, `TCA_BPF_NAME`, `TCA_BPF_FLAGS` and `TCA_BPF_FLAG_ACT_DIRECT`.
    const FD: u16 = 6;
    const NAME: u16 = 7;
    const FLAGS: u16 = 8;
    const DIRECT: u32 = 1;
    let operation = "attach a BPF classifier to";
    add(device, "clsact", CLSACT, CLSACT & 0xffff_0000, Vec::new())?;
    let mut options = Attributes::default();
    options
        .put(FD, &program.as_raw_fd().to_ne_bytes())
        .text(NAME, "netdiag-lab")
        .put(FLAGS, &DIRECT.to_ne_bytes());
    let mut message = TcMessage::with_index(index(device, operation)?);
    message.header.family = AddressFamily::Unspec;
    // `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`.
    message.header.parent = TcHandle::from(match side {
        Side::Ingress => 0xffff_fff2,
        Side::Egress => 0xffff_fff3,
    });
    // Priority 1, for every EtherType (ETH_P_ALL in network byte order).
    message.header.info = 1 << 16 | u32::from(3_u16.to_be());
    message.attributes = vec![
        TcAttribute::Kind("bpf".to_owned()),
        TcAttribute::Other(DefaultNla::new(OPTIONS, options.bytes().to_vec())),
    ];
    link::request(
        RouteNetlinkMessage::NewTrafficFilter(message),
        link::NEW,
        operation,
        device,
    )
    .map_err(|error| error.lacking("cls_bpf"))
}

fn add(
    device: &str,
    kind: &'static str,
    parent: u32,
    handle: u32,
    options: Vec<u8>,
) -> Result<(), LabError> {
    let operation = "set the queueing discipline of";
    let mut message = TcMessage::with_index(index(device, operation)?);
    message.header.parent = TcHandle::from(parent);
    message.header.handle = TcHandle::from(handle);
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    if !options.is_empty() {
        let options = DefaultNla::new(OPTIONS, options);
        message.attributes.push(TcAttribute::Other(options));
    }
    link::request(
        RouteNetlinkMessage::NewQueueDiscipline(message),
        link::NEW,
        operation,
        device,
    )
    .map_err(|error| error.lacking(kind))
}

fn index(device: &str, operation: &'static str) -> Result<i32, LabError> {
    let index = link::index(device, operation)?;
    Ok(i32::try_from(index).unwrap_or_default())
}

/// The options of `tbf`: attributes with a `struct tc_tbf_qopt`, at one byte a second.
fn token_bucket(burst: u32, limit: u32) -> Vec<u8> {
    /// `TCA_TBF_PARMS` and `TCA_TBF_BURST`.
    const PARMS: u16 = 1;
    const BURST: u16 = 6;
    /// `TC_LINKLAYER_ETHERNET`: no table of sizes is wanted.
    const ETHERNET: u8 = 1;
    const RATE: u32 = 1;
    // `struct tc_ratespec`: cell_log, linklayer, overhead, cell_align, mpu, rate.
    let mut parms = vec![0, ETHERNET, 0, 0, 0, 0, 0, 0];
    parms.extend_from_slice(&RATE.to_ne_bytes());
    // No peak rate; then limit, buffer and mtu.
    parms.extend_from_slice(&[0; 12]);
    for value in [limit, 0, 0] {
        parms.extend_from_slice(&value.to_ne_bytes());
    }
    let mut options = Attributes::default();
    options.put(PARMS, &parms).put(BURST, &burst.to_ne_bytes());
    options.bytes().to_vec()
}

/// The options of `netem`: a `struct tc_netem_qopt`. Of `u32::MAX` packets, `loss` are lost.
fn netem(loss: u32) -> Vec<u8> {
    const LIMIT: u32 = 1000;
    // latency, limit, loss, gap, duplicate, jitter
    let fields = [0, LIMIT, loss, 0, 0, 0];
    fields.into_iter().flat_map(u32::to_ne_bytes).collect()
}
